"""Takes away or alters what pages show, one thing at a time, and runs the proofs: one of them must fail."""

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
from statistics import fmean
from typing import NamedTuple

import cookbook
from cookbook.evidence import records
from cookbook.evidence.records import Proof
from cookbook.mutation import verdicts
from cookbook.mutation.mutants import Mutant
from cookbook.mutation.verdicts import SURVIVED, Verdict
from cookbook.project import STACK_FILES, CookbookError, Project
from cookbook.sources.shown_lines import files_of_recipe
from cookbook.stack import compose
from cookbook.stack.processes import FOLDER, Run, noted
from cookbook.stack.reaper import VARIABLE

PARTS = ("docs", "recipes", "tests", "pyproject.toml", "mkdocs.base.yml", *STACK_FILES)  # what is judged, and by what
CACHE = ".cache"  # the environments of older releases are shared
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*?\])?(?: - (.*))?$", re.MULTILINE)
HANGS = 120  # seconds after which a proof counts as killed by a mutant
PASSED, TESTS_FAILED, NOT_COLLECTED = 0, 1, 2  # exit codes of pytest


class _Bench(NamedTuple):
    """Copies of the project for the jobs to take and give back, one that stays as it is, and what the proofs run on.

    Whoever edits the project meanwhile edits nothing that is judged.
    """

    project: Project
    snapshot: Project
    copies: SimpleQueue[Project]
    jobs: int
    stack: str


def mutate(project: Project, recipes: Sequence[str], *, jobs: int, stack: str) -> list[str]:
    """Judge each mutant of *recipes* that no fresh verdict is about; return a line for each that no proof sees.

    On *stack*, or for "auto" on Compose where a recipe comes with it, and else on this machine.
    Verdicts are kept as they come, so that what was interrupted goes on where it was. CookbookError when the proofs
    fail without any change.
    """
    run = Run()  # it ends what this leaves behind, also after a SIGKILL
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
        if compose.answers():
            for number in range(jobs):
                compose.remove_image(_image(f"copy-{number}"))


def stack_of(project: Project, recipe: str, asked: str) -> str:
    """What the proofs of *recipe* run on, "local" or "compose", when *asked* is one of them or "auto"."""
    if asked != "auto":
        return asked
    return "compose" if project.comes_with_the_stack(recipe) else "local"


def _problems(bench: _Bench, recipes: Sequence[str]) -> list[str]:
    """A line for each survivor of *recipes* that nothing explains, and for each explanation that no survivor needs."""
    found = []
    for recipe in recipes:
        fresh = verdicts.fresh(bench.project, recipe, bench.snapshot)
        found += [
            f"{each.file}:{each.line}: {each.change}: no proof failed: write one in tests/recipes/test_{recipe}.py, "
            f"remove the line, or state why in {verdicts.STATED}"
            for each in verdicts.unexplained(bench.project, fresh)
        ]
        if fresh:
            found += verdicts.idle_statements(bench.project, fresh, verdicts.planned(bench.snapshot, recipe))
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
    snapshot = bench.snapshot
    planned = [(path, mutant) for path, found in verdicts.planned(snapshot, recipe).items() for mutant in found]
    lines = {path: (snapshot.root / path).read_text(encoding="utf-8").split("\n") for path, _ in planned}
    about = verdicts.digest(snapshot, recipe)
    known, earlier = verdicts.load(bench.project, recipe)
    before = {(each.file, each.text, each.change): each for each in earlier}
    keys = {(path, mutant.line, mutant.change) for path, mutant in planned}
    done = {key: each for each in earlier if known == about and (key := (each.file, each.line, each.change)) in keys}
    left = [(path, mutant) for path, mutant in planned if (path, mutant.line, mutant.change) not in done]
    if not left:
        print(f"{title}: {_summary(done.values())}, all known", flush=True)
        return
    start = time.monotonic()
    proofs = _proofs_without_change(bench, recipe)
    files = files_of_recipe(snapshot, recipe)
    modules = {path: {f"tests/recipes/test_{name}.py" for name in each.recipes} for path, each in files.items()}
    limit = 3 * sum(proof.seconds for proof in proofs) + 240
    kills = [(each.file, each.by, each.seconds) for each in earlier]

    def judge(path: str, mutant: Mutant) -> Verdict:
        text = lines[path][mutant.line - 1].strip()
        last = before.get((path, text, mutant.change))

        def promise(proof: Proof) -> tuple[bool, float]:
            """What failed of this mutant before goes first, then what fails often, near it, and soon."""
            failures = [(file, seconds) for file, by, seconds in kills.copy() if by == proof.id]
            often = sum(3 if file == path else 1 for file, _ in failures)
            cost = fmean(seconds for _, seconds in failures) if failures else proof.seconds
            return bool(last and last.by == proof.id), (often + 0.3) / (cost + 1)

        own = (proof for proof in proofs if proof.id.partition("::")[0] in modules[path])
        ids = [proof.id for proof in sorted(own, key=promise, reverse=True)]
        copy = bench.copies.get()
        began = time.monotonic()
        try:
            outcome, by = _outcome(bench, copy, path, mutant, ids, limit=limit)
        finally:
            bench.copies.put(copy)
        seconds = round(time.monotonic() - began, 1)
        kills.append((path, by, seconds))
        return Verdict(path, mutant.line, text, mutant.change, mutant.removes, outcome, by, seconds)

    pool = ThreadPoolExecutor(bench.jobs)
    try:
        for future in as_completed([pool.submit(judge, path, mutant) for path, mutant in left]):
            each = future.result()
            done[each.file, each.line, each.change] = each
            verdicts.save(bench.project, recipe, about, done.values())
            if each.outcome == SURVIVED:
                print(f"{title}: survived: {each.file}:{each.line}: {each.change}", flush=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # what still runs then, the end of the run ends
    print(f"{title}: {_summary(done.values())}, {time.monotonic() - start:.0f} s", flush=True)


def _proofs_without_change(bench: _Bench, recipe: str) -> list[Proof]:
    """The proofs that judge the lines of *recipe*, as they end without any change; CookbookError when one fails."""
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
        why = " - ".join(filter(None, failed.groups())) if failed else output.strip().rpartition("\n")[2]
        raise CookbookError(f"{modules[0]}: fails without any change: {why}: mend it, then run `make mutate` again")
    return [proof for run in runs for proof in run.tests if proof.outcome != "skipped"]


def _outcome(
    bench: _Bench, copy: Project, path: str, mutant: Mutant, ids: Sequence[str], *, limit: float
) -> tuple[str, str]:
    """How the proofs *ids*, in this order, take *mutant*, and the first that failed."""
    file = copy.root / path
    source = file.read_text(encoding="utf-8")
    file.write_text(mutant.text, encoding="utf-8")
    try:
        code, output = _pytest(bench, copy, "-x", "-o", f"timeout={HANGS}", *ids, timeout=limit)
    finally:
        file.write_text(source, encoding="utf-8")
    failed = FAILED.search(output)
    if code == PASSED:
        return SURVIVED, ""
    if code is None:
        return "timeout", ""
    if code not in (TESTS_FAILED, NOT_COLLECTED) or not failed:
        last = output.strip().rpartition("\n")[2]
        raise CookbookError(f"{path}:{mutant.line}: {mutant.change}: pytest ended with {code}: {last}")
    return "timeout" if "Timeout (>" in (failed[2] or "") else "killed", failed[1]


def _pytest(bench: _Bench, copy: Project, *arguments: str, timeout: float | None = None) -> tuple[int | None, str]:
    """The exit code of pytest in *copy*, None when it took longer than *timeout* seconds; and what it printed."""
    # Its run is its own, not part of ours: were it, the reaper that ends ours would end the one that tidies up its.
    env = {name: value for name, value in os.environ.items() if name not in (VARIABLE, FOLDER)}
    if bench.stack == "compose":
        env["APP_IMAGE"] = _image(copy.root.name)
    process = subprocess.Popen(
        noted([sys.executable, "-m", "pytest", "-q", f"--stack={bench.stack}", *arguments]),
        cwd=copy.root,
        # Bytecode counts as fresh when its source has the size and the second of the one before.
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
        process.communicate()  # until its reaper has tidied up
        return None, ""
    return process.returncode, output


def _image(copy: str) -> str:
    """The image that is built from a copy: each has another change in it."""
    return f"celery-redis-cookbook-{copy}"


def _summary(found: Collection[Verdict]) -> str:
    survived = sum(each.outcome == SURVIVED for each in found)
    return f"{len(found)} mutants, " + (f"{survived} SURVIVED" if survived else "each seen by a proof")
