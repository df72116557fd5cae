"""Runs the proofs of recipes: all that are asked for side by side, then once more, alone, those that failed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cookbook.evidence import failures, freshness, records
from cookbook.evidence.failures import Failure
from cookbook.project import CookbookError, Project
from cookbook.stack import docker_engine

PYTEST = (sys.executable, "-m", "pytest", "-q")
PYTEST_USAGE_ERROR = 4
PROOFS_PER_CORE = 5  # on this machine a proof computes for 0.6 s and waits for 3 s, on average
PROOFS_ON_COMPOSE_PER_CORE = 2  # there, each starts cold: it computes for 2 s or so, and waits for as long
TESTS_PER_CORE = 1.5  # containers, browsers and builds compute more
TOO_MANY = 10  # failed proofs are not chance, and a second try of all of them would take minutes


def prove(project: Project, recipes: Sequence[str], stack: str, *, record: bool = False) -> int:
    """Run the proofs of *recipes* and keep the evidence; 0 when each passed, at the first or the second try.

    CookbookError without any recipe.
    """
    if not recipes:
        raise CookbookError("tests/recipes: there are no proofs: write tests/recipes/test_<recipe>.py")
    shutil.rmtree(failures.folder(project), ignore_errors=True)
    options = [f"--stack={stack}", *(["--record"] if record else [])]
    status = run_proofs(project, recipes, "--try=1", *options)
    failed = failures.load(project) if status else []
    if len(failed) >= TOO_MANY:
        print(f"{len(failed)} proofs failed: too many for a second try", flush=True)
    elif failed and all(each.by_chance for each in failed):
        print(f"== second try, alone: {len(failed)} failed", flush=True)
        status = run_pytest(project, [each.id for each in failed], "--try=2", *options)
        first, failed = failed, failures.load(project) if status else []
        still = {each.id for each in failed}
        for each in first:
            if each.id not in still:
                print(f"{each.place}: passed at the second try; first: {each.expected} ({each.log})", flush=True)
    _report(project, failed, stack)
    return status


def prove_what_changed(project: Project, stack: str, *, everything: bool) -> int:
    """`prove` the recipes without a fresh record on *stack*, or *everything*; 0 when there are none."""
    recipes = project.recipe_names()
    if everything or not recipes:
        return prove(project, recipes, stack)
    stale = freshness.due(project, stack, recipes)
    due = f", running {len(stale)}: {', '.join(stale)}" if stale else ": nothing to run"
    print(f"{len(recipes) - len(stale)} of {len(recipes)} recipes fresh{due}", flush=True)
    return prove(project, stale, stack) if stale else 0


def prove_for_site(project: Project, stack: str, *, everything: bool) -> int:
    """`prove_what_changed`; with *stack* "auto", also run on this machine the recipes that Compose cannot prove."""
    backend = docker_engine.chosen(project, stack)
    status = prove_what_changed(project, backend, everything=everything)
    if status or stack != "auto" or backend == "local":
        return status
    here = [
        name for name in project.recipe_names() if not records.proves_something(records.load(project, name, backend))
    ]
    # Without any, don't look for a server: this machine may have none.
    stale = here if everything or not here else freshness.due(project, "local", here)
    if stale:
        print(f"{', '.join(stale)}: nothing to prove on {backend}: run on this machine", flush=True)
    return prove(project, stale, "local") if stale else 0


def run_proofs(project: Project, recipes: Sequence[str], *options: str) -> int:
    """Run pytest on the proofs of *recipes*, side by side when there are several; the status of `run_pytest`."""
    return run_pytest(project, _modules(recipes), *_at_once(project, recipes, options), *options)


def proofs_command(project: Project, recipes: Sequence[str], *options: str) -> list[str]:
    """The command that `run_proofs` runs."""
    return [*PYTEST, *_at_once(project, recipes, options), *options, *_modules(recipes)]


def run_tests(project: Project, *arguments: str) -> int:
    """Run pytest on the tests of the machinery or of the site, side by side; the status of `run_pytest`."""
    return run_pytest(project, arguments, *_side_by_side(TESTS_PER_CORE), "--dist", "worksteal", "--stack=local")


def run_pytest(project: Project, tests: Sequence[str], *options: str) -> int:
    """0 when *tests* passed, 2 when pytest does not know an option, else 1, also without a single test."""
    status = call(project, [*PYTEST, *options, *tests])
    return {0: 0, PYTEST_USAGE_ERROR: 2}.get(status, 1)


def call(project: Project, argv: Sequence[str]) -> int:
    """Run a program on our terminal and return its exit status; a signal that stops us stops it, and we wait until it
    has cleaned up."""
    process = subprocess.Popen(argv, cwd=project.root)
    try:
        return abs(process.wait())
    except KeyboardInterrupt:  # the terminal sent it the signal too
        process.wait()
        raise
    except SystemExit:
        process.terminate()
        process.wait()
        raise


def _modules(recipes: Sequence[str]) -> list[str]:
    return [f"tests/recipes/test_{recipe}.py" for recipe in recipes]


def _at_once(project: Project, recipes: Sequence[str], options: Sequence[str]) -> tuple[str, ...]:
    count = len(recipes) if len(recipes) > 1 else len(records.written(project, recipes[0]))
    each = PROOFS_PER_CORE if "--stack=local" in options else PROOFS_ON_COMPOSE_PER_CORE
    return (*_side_by_side(each), "--dist", "load", "--maxschedchunk", "1") if count > 1 else ()


def _side_by_side(per_core: float) -> tuple[str, ...]:
    return "-n", str(max(2, int(per_core * (os.cpu_count() or 1))))


def _report(project: Project, failed: Sequence[Failure], stack: str) -> None:
    """The last lines of a run that failed: which proofs, what they expected, and what to do next."""
    if not failed:
        return
    root, program = project.root.resolve(), Path(sys.executable)
    python = program.relative_to(root) if program.is_relative_to(root) else program
    lines = []
    for each in failed[:TOO_MANY]:
        lines += [
            f"{each.place}: {each.id.partition('::')[2] or 'collection'} failed: {each.expected}",
            f"    its log: {each.log}",
            f"    alone: {python} -m pytest --stack={stack} {each.id}",
        ]
    if len(failed) > TOO_MANY:
        lines.append(f"and {len(failed) - TOO_MANY} more, in {project.relative(failures.folder(project))}/")
    lines.append("Nothing was published; `make serve` shows the drafts meanwhile")
    print("\n".join(lines), file=sys.stderr, flush=True)
