"""The command line: `python -m cookbook --help`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cookbook.checks import parity
from cookbook.evidence import cells, columns, matrix, proving, records, soak
from cookbook.mutation import mutate
from cookbook.project import CookbookError, Project, find_project
from cookbook.site import drafts, publish, serve
from cookbook.sources import scaffold
from cookbook.stack import compose

STYLE = (
    ("ruff", "check", "--quiet", "--output-format", "concise"),
    ("ruff", "format", "--check", "--quiet"),
    ("mypy", "--no-error-summary"),
    ("lint-imports", "--no-logo"),
    ("typos", "--format", "brief"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all is well, 1 when a check or a run failed, 2 (argparse's) when it is no command."""
    parser = _parser()
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was begun is tidied up
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it for ever
    start = time.monotonic()
    try:
        project = find_project()
        if unknown := [recipe for recipe in args.recipes if recipe not in project.recipe_names()]:
            parser.error(f"no recipe {unknown[0]!r}: there are {', '.join(project.recipe_names()) or 'none'}")
        status: int = args.action(project, args)
    except CookbookError as error:
        print(error, file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    print(f"{args.command}: {'done' if status == 0 else 'FAILED'} in {_since(start)}", flush=True)
    return status


# Commands ------------------------------------------------------------------------------------------------------------


def run_recipes(project: Project, args: Namespace) -> int:
    return proving.prove(project, args.recipes or project.recipe_names(), args.stack, record=args.record)


def run_matrix(project: Project, args: Namespace) -> int:
    """Run what the matrix lacks, column by column; what finished is kept, however the run ends."""
    recipes = args.recipes or project.recipe_names()
    asked = [columns.parse(project, name) for name in args.columns.split(",") if name] or columns.columns(project)
    failures = []
    for column in asked:
        due = matrix.due(project, column, recipes)
        print(f"== {column.name or column.server}: {len(due)} of {len(recipes)} recipes to run", flush=True)
        if not due:
            continue
        try:
            matrix.prepare(project, column)
        except CookbookError as error:
            print(f"{column.name}: {matrix.NOT_RUN}: {error}", flush=True)
            continue
        start = time.monotonic()
        release = [f"--celery={column.celery}"] if column.celery else []
        proving.run_proofs(project, due, "--stack=local", f"--server={column.server}", *release)
        print(f"== {column.name or column.server}: ran in {_since(start)}", flush=True)
        left = [recipe for recipe in due if not cells.load(project, recipe, [column])]
        failures += [
            f"tests/recipes/test_{recipe}.py: its run in {column.name} did not end, or it was edited meanwhile"
            for recipe in left
        ]
    print(matrix.summary(project, asked, recipes))
    return _tell(failures + [line for recipe in recipes for line in cells.problems(project, recipe, asked)])


def soak_recipes(project: Project, args: Namespace) -> int:
    command = proving.proofs_command(project, args.recipes or project.recipe_names(), f"--stack={args.stack}")
    return 0 if soak.soak(project, command, args.times) else 1


def check_project(project: Project, args: Namespace) -> int:
    return _tell(publish.problems(project, with_evidence=args.evidence))


def compare_languages(project: Project, args: Namespace) -> int:
    if args.accept:
        parity.accept(project, args.accept)
        print(f"{args.accept} holds in both languages")
        return 0
    if args.record:
        for section in parity.record(project):
            print(f"recorded {section}")
    return _tell(parity.problems(project))


def publish_site(project: Project, args: Namespace) -> int:
    print(f"The site is in {publish.publish(project, args.site_dir)}", flush=True)
    return 0


def make_site(project: Project, args: Namespace) -> int:
    status = proving.prove_for_site(project, args.stack, everything=args.all) or _publish_run(project, args)
    if status == 0 and args.serve:
        serve.serve_site(args.site_dir or project.site, args.port)
    return status


def mutate_recipes(project: Project, args: Namespace) -> int:
    return _tell(mutate.mutate(project, args.recipes or project.recipe_names(), jobs=args.jobs, stack=args.stack))


def begin_recipe(project: Project, args: Namespace) -> int:
    for file in scaffold.create_recipe(project, args.name, args.section):
        print(project.relative(file))
    print(f"Now write where {scaffold.TODO} stands: `python -m cookbook check` names each place")
    return 0


def serve_drafts(project: Project, args: Namespace) -> int:
    drafts.serve_while_writing(project, args.port)
    return 0


def test_everything(project: Project, args: Namespace) -> int:
    both = args.stack == "both" or (args.stack == "auto" and compose.usable(project))
    backends = ["local", "compose"] if both else ["local" if args.stack == "auto" else args.stack]
    stages: dict[str, Callable[[], int]] = {
        "style": lambda: check_style(project, args),
        "machinery": lambda: proving.run_tests(project, "tests/cookbook"),
        **{
            f"proofs on {backend}": partial(proving.prove_what_changed, project, backend, everything=not args.changed)
            for backend in backends
        },
        "publish": lambda: _publish_run(project, args),
        "built site": lambda: proving.run_tests(project, "tests/site", "-m", "not docker"),
        # By themselves: when Docker makes a network, Chromium drops what it is loading.
        "built site in containers": lambda: proving.run_tests(project, "tests/site", "-m", "docker"),
    }
    for number, (name, stage) in enumerate(stages.items(), start=1):
        title = f"== {number}/{len(stages)} {name}"
        print(title, flush=True)
        start = time.monotonic()
        status = stage()
        print(f"{title}: {'passed' if status == 0 else 'FAILED'} in {_since(start)}", flush=True)
        if status:
            return 1
    return 0


def check_style(project: Project, args: Namespace) -> int:
    """Lint, format, types, the order of the rooms, and spelling: what pre-commit runs too."""
    status = 0
    for name, *flags in STYLE:
        program = Path(sys.executable).with_name(name)
        done = subprocess.run([program, *flags], cwd=project.root, capture_output=True, text=True, check=False)
        if done.returncode:  # some of them also print when all is well
            print(f"{done.stdout}{done.stderr}".strip(), flush=True)
            status = 1
    return status


def _publish_run(project: Project, args: Namespace) -> int:
    """Publish after the recipes ran: what another backend once said of older files is no longer evidence."""
    for file in records.discard_stale(project):
        print(f"{file}: removed: it says nothing about the files as they are", flush=True)
    return publish_site(project, args)


# Their arguments -----------------------------------------------------------------------------------------------------


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m cookbook", description="Run, check, build and publish the cookbook.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, action: Callable[[Project, Namespace], int], text: str) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.set_defaults(action=action, recipes=[], record=False, stack="auto", site_dir=None, port=None)
        return command

    running = (
        add("run", run_recipes, "run the proofs of recipes on a real server and workers, and keep the evidence"),
        add("record", run_recipes, "run recipes, and rewrite their transcripts with what the commands print now"),
    )
    varying = add("matrix", run_matrix, "run recipes on older Celery releases and on other servers: what is not fresh")
    mutating = add("mutate", mutate_recipes, "take away or alter each line that pages show: a proof must fail")
    soaking = add(
        "soak", soak_recipes, "run proofs again and again, half of the times on a busy machine: flaky ones show"
    )
    soaking.add_argument("--times", type=int, default=2, metavar="N", help="how many runs (default: 2)")
    for command in (*running, varying, mutating, soaking):
        command.add_argument("recipes", nargs="*", metavar="RECIPE", help="name of a recipe (default: every recipe)")
    running[1].set_defaults(record=True)

    varying.add_argument(
        "--columns", default="", metavar="A,B", help="such as celery-5.3, redis-6.2 (default: the whole matrix)"
    )
    jobs = os.cpu_count() or 1
    mutating.add_argument("--jobs", type=int, default=jobs, help="how many mutants at a time (default: each processor)")
    mutating.add_argument(
        "--stack",
        choices=("auto", "local", "compose"),
        help="what proofs run on (default: local, or Compose for a recipe that comes with it)",
    )

    checking = add("check", check_project, "tell what shows without a build: parity, prose, unused regions, evidence")
    checking.add_argument("--no-evidence", dest="evidence", action="store_false", help="leave the evidence out")

    comparing = add("parity", compare_languages, "tell where French and English part")
    choice = comparing.add_mutually_exclusive_group()
    choice.add_argument("--record", action="store_true", help="note the sections that changed in both languages")
    choice.add_argument(
        "--accept", metavar="PATH#ID", help="note that a section changed in one language still holds in the other"
    )

    publishing = add("publish", publish_site, "check, build both languages, check what was built, swap the site in")
    making = add("site", make_site, "run the recipes whose evidence is missing or stale here, then publish")
    for command in (publishing, making):
        command.add_argument("--site-dir", type=Path, metavar="DIR", help="where the site goes (default: site/)")
    making.add_argument("--all", action="store_true", help="run every recipe")
    making.add_argument("--serve", action="store_true", help="then serve it until Ctrl-C")
    serving = add("serve", serve_drafts, "serve both languages while writing: edits show at once; no Redis, no Docker")
    for command in (making, serving):
        command.add_argument("--port", type=int, help="of 127.0.0.1 (default: 8000, or any free one when it is taken)")
    for command in (*running, making, soaking):
        command.add_argument(
            "--stack", default="auto", choices=("auto", "local", "compose"), help="what recipes run on (default: auto)"
        )

    add("style", check_style, "check lint, format, types, the order of the rooms, and spelling")

    beginning = add("new-recipe", begin_recipe, "create the files of a recipe, its pages and its proof")
    beginning.add_argument("name", metavar="NAME", help="of its folder, such as visibility_timeout")
    beginning.add_argument("--section", required=True, help="folder of its pages, such as run")

    testing = add("test", test_everything, "run every check: style, the machinery, the proofs, publish, the built site")
    testing.add_argument(
        "--stack",
        default="auto",
        choices=("auto", "local", "compose", "both"),
        help="what recipes run on (default: both where an engine answers)",
    )
    testing.add_argument("--changed", action="store_true", help="of the proofs, run what `site` would run")
    return parser


def _tell(problems: Sequence[str]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _since(start: float) -> str:
    return f"{time.monotonic() - start:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
