"""The record of the last run of each recipe: what ran, on which versions, from which bytes, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cookbook.project import SHARED, STACK_FILES, CookbookError, Project, digest, write_whole
from cookbook.snapshot import once
from cookbook.sources import proof_source, terminal
from cookbook.sources.proof_source import ProofSource

WORST_FIRST = ("failed", "skipped", "stated", "xfailed", "passed")  # how a test can end; "stated": only in the matrix
PROVEN = ("passed", "xfailed")  # the outcomes that prove something: an expected failure proves a known defect
Row = dict[str, str | int | float | bool | None]
"""One row of what a proof records for a page: a bar of a timeline, an arrow of a diagram, a line of a table."""


@dataclass(frozen=True)
class Proof:
    """One test, and how it ended. Its line and its sentence are in `written`, as its module has them now.

    ``tries`` is 2 when it failed beside the other tests and then ran once more, alone.
    """

    name: str
    id: str
    outcome: str  # one of WORST_FIRST
    seconds: float
    reason: str = ""
    cases: int = 1
    tries: int = 1


@dataclass(frozen=True)
class Evidence:
    """One recipe on one backend. ``files`` maps paths from the root to digests, ``transcripts`` paths to the proof that
    ran each, ``records`` the names that proofs gave to what they recorded; ``runs_on`` is `freshness.runs_on` as the
    run began."""

    recipe: str
    backend: str
    date: str
    versions: dict[str, str]
    files: dict[str, str]
    tests: list[Proof]
    transcripts: dict[str, str] = field(default_factory=dict)
    records: dict[str, list[Row]] = field(default_factory=dict)
    runs_on: dict[str, str] = field(default_factory=dict)

    def proof(self, name: str) -> Proof | None:
        """The test *name* as it ran; None when it did not."""
        return next((proof for proof in self.tests if proof.name == name), None)


def proof_module(project: Project, recipe: str) -> Path:
    """The module with the proofs of *recipe*; it may not exist."""
    return project.proofs / f"test_{recipe}.py"


@once
def written(project: Project, recipe: str) -> Mapping[str, ProofSource]:
    """The tests of *recipe* by name, as they are now: line, source, sentence, fixtures."""
    return proof_source.tests(project, proof_module(project, recipe))


def on_several(project: Project, recipe: str) -> set[str]:
    """The proofs of *recipe* that run on several releases of Celery by themselves: those that ask for `on_celery`."""
    return {name for name, test in written(project, recipe).items() if "on_celery" in test.fixtures}


@once
def digests(project: Project, recipe: str) -> dict[str, str]:
    """What a recipe's run depends on, by path: SHA-256 of the code of its proofs and of what they import beside them,
    and of the bytes of its folder, the shared project, the stack, and the older releases of Celery that it asks for.

    CookbookError when a proof is not Python.
    """
    files = [project.root / name for name in STACK_FILES]
    if on_several(project, recipe):
        files += (project.root / "tests" / "environments").glob("celery-*.txt")
    for name in (recipe, *SHARED):
        path = project.recipes / name
        files += path.rglob("*") if path.is_dir() else [path]
    found = {project.relative(file): digest(file) for file in files if file.is_file() and not _is_left(project, file)}
    for file in modules(proof_module(project, recipe)):
        found[project.relative(file)] = proof_source.digest_of_code(project, file)
    return dict(sorted(found.items()))


def local_digests(project: Project, recipe: str) -> dict[str, str]:
    """What a run on this machine depends on: of the Docker files, only those that the proofs of *recipe* read."""
    read = "".join(proof_source.code(project, file) for file in modules(proof_module(project, recipe)))
    found = digests(project, recipe).items()
    return {path: each for path, each in found if path not in STACK_FILES or path in read}


def write(project: Project, evidence: Evidence) -> Path:
    """Put the record of a run in its place, whole or not at all."""
    return write_json(project.evidence / evidence.backend / f"{evidence.recipe}.json", asdict(evidence))


def write_json(file: Path, data: object) -> Path:
    """Put *data* into *file*, whole or not at all, with a line for each value and each text as a terminal shows it."""
    text = json.dumps(terminal.displayed_in(data), ensure_ascii=False, indent=1, sort_keys=True)
    write_whole(file, f"{text}\n")
    return file


@once
def load(project: Project, recipe: str, backend: str = "*") -> list[Evidence]:
    """The records of *recipe*, one for each backend that it ran on, or for *backend* alone; none when it never ran.

    CookbookError for a file that is not a record.
    """
    return [_read(project, file) for file in sorted(project.evidence.glob(f"{backend}/{recipe}.json"))]


@once
def problems(project: Project, recipe: str) -> list[str]:
    """Why the evidence of *recipe* cannot be published, a line each: missing, stale, failed, or without any proof."""
    module = project.relative(proof_module(project, recipe))
    found = load(project, recipe)
    fix = f"run `python -m cookbook run {recipe}`"
    if not found:
        return [f"{module}: no evidence: its proofs never ran here: {fix}"]
    now, tests = digests(project, recipe), written(project, recipe)
    lines = []
    for run in found:
        lines += [f"{change} since the run of {run.date}: {fix}" for change in _changes(run.files, now)]
        lines += [
            f"{module}:{tests[proof.name].line}: {proof.name} failed on {run.backend}: fix recipe or claim, then {fix}"
            for proof in run.tests
            if proof.outcome == "failed" and proof.name in tests
        ]
    if not proves_something(found):
        backends = " or ".join(run.backend for run in found)
        lines.append(f"{module}: no proof passed on {backends}: a page needs one that passes: {fix}")
    return lines


def proves_something(runs: Collection[Evidence]) -> bool:
    """Whether any proof of *runs* passed, or failed as expected; skipped ones prove nothing."""
    return any(proof.outcome in PROVEN for run in runs for proof in run.tests)


def discard_stale(project: Project) -> list[str]:
    """Remove the records of recipes that no longer exist, and, of recipes that one backend ran on today's files, the
    stale or unreadable records of other backends; return the paths of what was removed.

    Stale records of one backend must not block those who ran the recipes on another.
    """
    now = {recipe: digests(project, recipe) for recipe in project.recipe_names()}
    files = sorted(project.evidence.glob("*/*.json"))
    fresh = {file for file in files if (run := _readable(project, file)) and run.files == now.get(file.stem)}
    ran_today = {file.stem for file in fresh}
    removed = []
    for file in files:
        if file.stem not in now or (file.stem in ran_today and file not in fresh):
            file.unlink()
            removed.append(f"{project.relative(file.parent)}/{file.name}")
    return removed


def modules(module: Path) -> list[Path]:
    """*module*, if it exists, and the modules beside it that it imports, or that these import."""
    found, unread = [], [module]
    while unread:
        module = unread.pop()
        if module.exists() and module not in found:
            found.append(module)
            names = proof_source.imported(module.read_text(encoding="utf-8"))
            unread += [module.with_name(f"{name}.py") for name in names]
    return found


def _read(project: Project, file: Path) -> Evidence:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        data["tests"] = [Proof(**proof) for proof in data["tests"]]
        return Evidence(**data)
    except (ValueError, KeyError, TypeError) as error:
        where = project.relative(file)
        raise CookbookError(f"{where}: not evidence ({error}): delete it and run `make site`") from error


def _readable(project: Project, file: Path) -> Evidence | None:
    try:
        return _read(project, file)
    except CookbookError:
        return None


def _is_left(project: Project, file: Path) -> bool:
    """Whether *file* is one that a run leaves in a recipe's folder, wherever the project itself is."""
    path = file.relative_to(project.root)
    return "__pycache__" in path.parts or path.suffix == ".pyc" or ".sqlite3" in path.name


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """ "recipes/keys/depth.py: edited" for each file whose digest is another now; also "added" or "removed"."""
    for path in sorted(before.keys() | now.keys()):
        if before.get(path) != now.get(path):
            yield f"{path}: {'added' if path not in before else 'edited' if path in now else 'removed'}"
