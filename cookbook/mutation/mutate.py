"""Removes or alters what pages show, one thing at a time, and runs the proofs: one of them must fail."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import cookbook
from cookbook.evidence import records
from cookbook.evidence.records import Proof
from cookbook.mutation import verdicts
from cookbook.mutation.schedule import Schedule
from cookbook.mutation.verdicts import SURVIVED, Planned, Verdict
from cookbook.project import STACK_FILES, CookbookError, Project
from cookbook.sources.shown_lines import files_of_recipe
from cookbook.stack import docker_engine
from cookbook.stack.processes import FOLDER, Run, noted
from cookbook.stack.reaper import VARIABLE

PARTS = ("docs", "recipes", "tests", "pyproject.toml", "mkdocs.base.yml", *STACK_FILES)  # what is judged, and by what
CACHE = ".cache"  # the environments of older releases are shared
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*?\])?(?: - (.*))?$", re.MULTILINE)
HANGS = 120  # seconds after which a proof that still runs counts as failed
SLOWER, SPARE = 3, 240  # limit of all proofs on a mutant: SLOWER times their seconds without it, plus SPARE seconds
PASSED, TESTS_FAILED, NOT_COLLECTED = 0, 1, 2  # exit codes of pytest


class _Bench(NamedTuple):
    """Copies of the project for the jobs to take and put back, one that stays as it is, and what the proofs run on.

    Edits of the project meanwhile change nothing that is judged.
    """

    project: Project
    snapshot: Project
    copies: SimpleQueue[Project]
    jobs: int
    stack: str


def mutate(project: Project, recipes: Sequence[str], *, jobs: int, stack: str) -> list[str]:
    """Judge each mutant of *recipes* that has no fresh verdict; return a line for each that no proof detects.

    *stack* is "local", "compose", or "auto": Compose for a recipe that comes with it, else this machine. Each verdict
    is written at once, so that the next run continues an interrupted one. CookbookError when a proof fails without any
    change.
    """
    run = Run()  # ends what this leaves behind, also after a SIGKILL
    try:
        copies: SimpleQueue[Project] = SimpleQueue()
        snapshot = _copy(project, run.folder / "snapshot")
        for number in range(jobs):
            copies.put(_copy(snapshot, run.folder / f"copy-{number}"))
        bench = _Bench(project, snapshot, copies, jobs, stack)
        for number, recipe in enumerate(recipes, 1):
            own = bench._replace(stack=stack_of(project, recipe, stack))
            _judge_recipe(own, recipe, f"[{number}/{len(recipes)}] {recipe}")
        return _problems(bench, recipes)
    finally:
        run.end()
        if docker_engine.answers():
            for number in range(jobs):
                docker_engine.remove_image(_image(f"copy-{number}"))


def stack_of(project: Project, recipe: str, asked: str) -> str:
    """What the proofs of *recipe* run on, "local" or "compose", when *asked* is one of them or "auto"."""
    if asked != "auto":
        return asked
    return "compose" if project.comes_with_the_stack(recipe) else "local"


def _problems(bench: _Bench, recipes: Sequence[str]) -> list[str]:
    """A line for each survivor that nothing explains, and for each explanation that no survivor needs."""
    found = []
    for recipe in recipes:
        fresh = verdicts.fresh(bench.project, recipe, bench.snapshot)
        found += [
            f"{each.file}:{each.line}: {each.change}: no proof failed: write one in tests/recipes/test_{recipe}.py, "
            f"remove the line, or state why in {verdicts.UNTESTABLE}"
            for each in verdicts.unexplained(bench.project, fresh)
        ]
        if fresh:
            files = {each.file for each in verdicts.planned(bench.snapshot, recipe)}
            found += verdicts.unneeded(bench.project, fresh, files)
    return found


def _copy(project: Project, folder: Path) -> Project:
    folder.mkdir()
    for name in PARTS:
        part = project.root / name
        if part.is_dir():
            shutil.copytree(part, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif part.exists():
            shutil.copy(part, folder / name)
    (project.root / CACHE).mkdir(exist_ok=True)
    (folder / CACHE).symlink_to((project.root / CACHE).resolve())
    return Project(folder)


def _judge_recipe(bench: _Bench, recipe: str, title: str) -> None:
    """Judge the mutants of *recipe* that have no verdict yet, and print what survives, behind *title*."""
    planned = {each.key: each for each in verdicts.planned(bench.snapshot, recipe)}
    about = verdicts.digest(bench.snapshot, recipe)
    known, earlier = verdicts.load(bench.project, recipe)
    done = {each.key: each for each in earlier if known == about and each.key in planned}
    left = [each for key, each in planned.items() if key not in done]
    if not left:
        print(f"{title}: {_summary(done.values())}, all known", flush=True)
        return
    start = time.monotonic()
    schedule = Schedule(_proofs_without_change(bench, recipe), earlier)
    judges = {
        path: {f"tests/recipes/test_{name}.py" for name in each.recipes}
        for path, each in files_of_recipe(bench.snapshot, recipe).items()
    }
    pool = ThreadPoolExecutor(bench.jobs)
    try:
        for future in as_completed([pool.submit(_judge, bench, schedule, each, judges[each.file]) for each in left]):
            verdict = future.result()
            done[verdict.key] = verdict
            verdicts.save(bench.project, recipe, about, done.values())
            if verdict.outcome == SURVIVED:
                print(f"{title}: survived: {verdict.file}:{verdict.line}: {verdict.change}", flush=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # `Run.end` ends what still runs
    print(f"{title}: {_summary(done.values())}, {time.monotonic() - start:.0f} s", flush=True)


def _proofs_without_change(bench: _Bench, recipe: str) -> list[Proof]:
    """The proofs that judge the lines of *recipe*, run without any change; CookbookError when one fails."""
    judges = verdicts.judges(bench.snapshot, recipe)
    modules = [f"tests/recipes/test_{judge}.py" for judge in judges]
    copy = bench.copies.get()
    try:
        code, output = _pytest(bench, copy, "-n", str(bench.jobs), "--dist", "worksteal", *modules)
        runs = [run for judge in judges for run in records.load(copy, judge)]
    finally:
        bench.copies.put(copy)
    if code != PASSED or not runs:
        failed = FAILED.search(output)
        why = " - ".join(filter(None, failed.groups())) if failed else _last_line(output)
        raise CookbookError(f"{modules[0]}: fails without any change: {why}: fix it, then run `make mutate` again")
    return [proof for run in runs for proof in run.tests if proof.outcome != "skipped"]


def _judge(bench: _Bench, schedule: Schedule, planned: Planned, modules: Collection[str]) -> Verdict:
    """How the proofs of *modules* take the mutant *planned*."""
    path, text, mutant = planned
    copy = bench.copies.get()
    file = copy.root / path
    source = file.read_text(encoding="utf-8")
    start = time.monotonic()
    try:
        file.write_text(mutant.text, encoding="utf-8")
        limit = SLOWER * sum(proof.seconds for proof in schedule.proofs) + SPARE
        ids = schedule.order(planned, modules)
        code, output = _pytest(bench, copy, "-x", "-o", f"timeout={HANGS}", *ids, timeout=limit)
        outcome, by = _outcome(planned, code, output)
    finally:
        file.write_text(source, encoding="utf-8")
        bench.copies.put(copy)
    seconds = round(time.monotonic() - start, 1)
    change = mutant.change
    verdict = Verdict(path, mutant.line, text, str(change), change.removes, outcome, by, seconds)
    schedule.learn(verdict)
    return verdict


def _outcome(planned: Planned, code: int | None, output: str) -> tuple[str, str]:
    """How the proofs took *planned* if pytest ended with *code* and *output*, and the id of the proof that failed."""
    failed = FAILED.search(output)
    if code == PASSED:
        return SURVIVED, ""
    if code is None:
        return "timeout", ""
    if code not in (TESTS_FAILED, NOT_COLLECTED) or not failed:
        path, line, change = planned.key
        raise CookbookError(
            f"{path}:{line}: {change}: pytest ended with {code} ({_last_line(output)}), which says nothing about the "
            "mutant: fix what stopped it, then run `make mutate` again"
        )
    return "timeout" if "Timeout (>" in (failed[2] or "") else "killed", failed[1]


def _pytest(bench: _Bench, copy: Project, *arguments: str, timeout: float | None = None) -> tuple[int | None, str]:
    """The exit code of pytest in *copy*, None when it took longer than *timeout* seconds; and what it printed."""
    # It is a run of its own, not part of ours: otherwise our reaper would kill its reaper before that cleans up.
    env = {name: value for name, value in os.environ.items() if name not in (VARIABLE, FOLDER)}
    if bench.stack == "compose":
        env["APP_IMAGE"] = _image(copy.root.name)
    process = subprocess.Popen(
        noted([sys.executable, "-m", "pytest", "-q", f"--stack={bench.stack}", *arguments]),
        cwd=copy.root,
        # Without bytecode: Python takes it for that of a mutant whose source has the same size and second.
        env=env | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(Path(cookbook.__file__).parents[1])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()  # waits until its reaper has cleaned up
        return None, ""
    return process.returncode, output


def _last_line(output: str) -> str:
    return output.strip().rpartition("\n")[2]


def _image(copy: str) -> str:
    """The name of the image built from a copy, its own because each copy has another change."""
    return f"celery-redis-cookbook-{copy}"


def _summary(found: Collection[Verdict]) -> str:
    survived = sum(each.outcome == SURVIVED for each in found)
    return f"{len(found)} mutants, " + (f"{survived} SURVIVED" if survived else "each detected by a proof")
