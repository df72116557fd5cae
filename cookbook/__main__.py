"""The command line: `python -m cookbook --help`."""

from __future__ import annotations

import os
import signal
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cookbook.checks import parity, style
from cookbook.evidence import columns, matrix_run, proving, records, soak
from cookbook.mutation import mutate
from cookbook.project import CookbookError, Project, find_project
from cookbook.site import drafts, publish, serve
from cookbook.sources import scaffold
from cookbook.stack import docker_engine

Action = Callable[[Project, Namespace], int]
PARSER = ArgumentParser(prog="python -m cookbook", description="Run, check, build and publish the cookbook.")
PARSER.set_defaults(recipes=[], site_dir=None)
COMMANDS = PARSER.add_subparsers(dest="command", required=True, metavar="COMMAND")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 for success, 1 when a check or a run failed, 2 for wrong usage."""
    args = PARSER.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that `finally` blocks run
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs with SIGINT ignored
    start = time.monotonic()
    try:
        project = find_project()
        if unknown := [recipe for recipe in args.recipes if recipe not in project.recipe_names()]:
            PARSER.error(f"no recipe {unknown[0]!r}: there are {', '.join(project.recipe_names()) or 'none'}")
        status = args.action(project, args)
    except CookbookError as error:
        print(error, file=sys.stderr)
        status = 1
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    print(f"{args.command}: {'done' if status == 0 else 'FAILED'} in {_since(start)}", flush=True)
    return int(status)


# Arguments -----------------------------------------------------------------------------------------------------------


def command(name: str, *arguments: ArgumentParser) -> Callable[[Action], Action]:
    """Make a function the command *name*, with the first line of its docstring as the help."""

    def register(action: Action) -> Action:
        text = (action.__doc__ or "").partition("\n")[0]
        summary = text[0].lower() + text[1:].rstrip(".")
        COMMANDS.add_parser(name, help=summary, description=text, parents=arguments).set_defaults(action=action)
        return action

    return register


def argument(*names: str, **settings: object) -> ArgumentParser:
    """A parser of one argument, for commands to share; *settings* are those of `ArgumentParser.add_argument`."""
    parser = ArgumentParser(add_help=False)
    parser.add_argument(*names, **settings)  # type: ignore[arg-type]
    return parser


RECIPES = argument("recipes", nargs="*", metavar="RECIPE", help="name of a recipe (default: every recipe)")
STACK = argument("--stack", default="auto", choices=("auto", "local", "compose"), help="backend (default: auto)")
SITE_DIR = argument("--site-dir", type=Path, metavar="DIR", help="folder of the site (default: site/)")
PORT = argument("--port", type=int, help="port on 127.0.0.1 (default: 8000, or any free one when 8000 is in use)")
PARITY = ArgumentParser(add_help=False)
_choice = PARITY.add_mutually_exclusive_group()
_choice.add_argument("--record", action="store_true", help="record the sections that changed in both languages")
_choice.add_argument("--accept", metavar="PATH#ID", help="record a section that had to change in one language only")


# Commands ------------------------------------------------------------------------------------------------------------


@command("run", RECIPES, STACK)
def run_recipes(project: Project, args: Namespace) -> int:
    """Run the proofs of recipes on a real server and workers, and keep the evidence."""
    return proving.prove(project, args.recipes or project.recipe_names(), args.stack)


@command("record", RECIPES, STACK)
def record_recipes(project: Project, args: Namespace) -> int:
    """Run recipes, and rewrite their transcripts with what the commands print now."""
    return proving.prove(project, args.recipes or project.recipe_names(), args.stack, record=True)


@command(
    "matrix",
    RECIPES,
    argument("--columns", default="", metavar="A,B", help="such as celery-5.3,redis-6.2 (default: the whole matrix)"),
)
def run_matrix(project: Project, args: Namespace) -> int:
    """Run recipes on older Celery releases and on other servers, unless their results are fresh."""
    asked = [columns.parse(project, name) for name in args.columns.split(",") if name] or columns.columns(project)
    return _report(matrix_run.run(project, args.recipes or project.recipe_names(), asked))


@command(
    "mutate",
    RECIPES,
    argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time (default: one per processor)"),
    STACK,
)
def mutate_recipes(project: Project, args: Namespace) -> int:
    """Remove or change each line that pages show, and report the changes that no proof notices."""
    return _report(mutate.mutate(project, args.recipes or project.recipe_names(), jobs=args.jobs, stack=args.stack))


@command(
    "soak", RECIPES, argument("--times", type=int, default=2, metavar="N", help="how many runs (default: 2)"), STACK
)
def soak_recipes(project: Project, args: Namespace) -> int:
    """Run proofs again and again, every second time on a busy machine, to find flaky ones."""
    proofs = proving.proofs_command(project, args.recipes or project.recipe_names(), f"--stack={args.stack}")
    return 0 if soak.soak(project, proofs, args.times) else 1


@command("check", argument("--no-evidence", dest="evidence", action="store_false", help="leave the evidence out"))
def check_project(project: Project, args: Namespace) -> int:
    """Check what needs no build: parity of the languages, prose, unused regions, evidence."""
    return _report(publish.problems(project, with_evidence=args.evidence))


@command("parity", PARITY)
def compare_languages(project: Project, args: Namespace) -> int:
    """Report differences between the French and the English pages."""
    if args.accept:
        parity.accept(project, args.accept)
        print(f"accepted {args.accept}")
        return 0
    if args.record:
        for section in parity.record(project):
            print(f"recorded {section}")
    return _report(parity.problems(project))


@command("publish", SITE_DIR)
def publish_site(project: Project, args: Namespace) -> int:
    """Check the sources, build both languages, check the result, and replace the site with it."""
    print(f"The site is in {publish.publish(project, args.site_dir)}", flush=True)
    return 0


@command(
    "site",
    SITE_DIR,
    argument("--all", action="store_true", help="run every recipe"),
    argument("--serve", action="store_true", help="then serve the site until Ctrl-C"),
    PORT,
    STACK,
)
def make_site(project: Project, args: Namespace) -> int:
    """Run the recipes whose evidence on this machine is missing or stale, then publish."""
    status = proving.prove_for_site(project, args.stack, everything=args.all) or _publish_run(project, args)
    if status == 0 and args.serve:
        serve.serve_site(args.site_dir or project.site, args.port)
    return status


@command("serve", PORT)
def serve_drafts(project: Project, args: Namespace) -> int:
    """Serve both languages, rebuilt at each edit; needs no Redis and no Docker."""
    drafts.serve_while_writing(project, args.port)
    return 0


@command("style")
def check_style(project: Project, args: Namespace) -> int:
    """Check lint, format, types, the order of the rooms, and spelling."""
    return _report(style.problems(project))


@command(
    "new-recipe",
    argument("name", metavar="NAME", help="name of its folder, such as visibility_timeout"),
    argument("--section", required=True, help="folder of its pages, such as run"),
)
def begin_recipe(project: Project, args: Namespace) -> int:
    """Create the files of a recipe, its pages and its proof, for you to complete."""
    for file in scaffold.create_recipe(project, args.name, args.section):
        print(project.relative(file))
    print(f"Now write where {scaffold.TODO} stands: `python -m cookbook check` names each place")
    return 0


@command(
    "test",
    argument("--stack", default="auto", choices=("auto", "local", "compose", "both"), help="backend (default: auto)"),
    argument("--changed", action="store_true", help="run only the proofs that `site` would run"),
)
def test_everything(project: Project, args: Namespace) -> int:
    """Run every check: style, the machinery, the proofs, publish, the built site."""
    both = args.stack == "both" or (args.stack == "auto" and docker_engine.usable(project))
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
        # On its own: when Docker creates a network, Chromium aborts its requests.
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


def _publish_run(project: Project, args: Namespace) -> int:
    """Publish after the recipes ran, without the evidence of runs on older files (of another backend)."""
    for file in records.discard_stale(project):
        print(f"{file}: removed: it describes older files", flush=True)
    return publish_site(project, args)


def _report(problems: Sequence[str]) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _since(start: float) -> str:
    return f"{time.monotonic() - start:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
