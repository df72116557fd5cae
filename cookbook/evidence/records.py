"""The record of the last run of each recipe: what ran, on which versions, from which bytes, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cookbook.project import SHARED, STACK_FILES, CookbookError, Project, digest, write_whole
from cookbook.snapshot import once
from cookbook.sources import proof_source, terminal
from cookbook.sources.proof_source import ProofSource

WORST_FIRST = ("failed", "skipped", "stated", "xfailed", "passed")  # how a test can end; "stated": only in the matrix
ON_CELERY = "on_celery"  # the fixture of the proofs that run on older releases by themselves


@dataclass(frozen=True)
class Proof:
    """One test, and how it ended. Where it is and what sentence it proves, its module says: `written`.

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
    """One recipe on one backend. ``files`` maps paths from the root to digests, ``records`` what its tests recorded;
    ``runs_on`` is what `freshness.runs_on` said as the run began."""

    recipe: str
    backend: str
    date: str
    versions: dict[str, str]
    files: dict[str, str]
    tests: list[Proof]
    transcripts: dict[str, str] = field(default_factory=dict)
    records: dict[str, Any] = field(default_factory=dict)
    runs_on: dict[str, str] = field(default_factory=dict)

    def proof(self, name: str) -> Proof | None:
        return next((proof for proof in self.tests if proof.name == name), None)


def proof_module(project: Project, recipe: str) -> Path:
    return project.proofs / f"test_{recipe}.py"


@once
def written(project: Project, recipe: str) -> Mapping[str, ProofSource]:
    """The tests of *recipe* by name, as they are now: line, source, sentence, fixtures."""
    return proof_source.tests(project, proof_module(project, recipe))


def on_several(project: Project, recipe: str) -> set[str]:
    """The proofs of *recipe* that run on several releases of Celery by themselves."""
    return {name for name, test in written(project, recipe).items() if ON_CELERY in test.fixtures}


@once
def digests(project: Project, recipe: str) -> dict[str, str]:
    """What a recipe's run depends on, by path: SHA-256 of the code of its proofs and of what they share with others,
    and of the bytes of its folder, the shared project, the stack, and the older releases of Celery that it asks for.

    CookbookError when a proof is not Python.
    """
    module = proof_module(project, recipe)
    files = [project.root / name for name in STACK_FILES]
    if on_several(project, recipe):
        files += (project.root / "tests" / "environments").glob("celery-*.txt")
    for name in (recipe, *SHARED):
        path = project.recipes / name
        files += path.rglob("*") if path.is_dir() else [path]
    found = {project.relative(file): digest(file) for file in files if file.is_file() and not _is_left(project, file)}
    for file in modules(module):
        if file.is_file():
            found[project.relative(file)] = proof_source.digest_of_code(project, file)
    return dict(sorted(found.items()))


def local_digests(project: Project, recipe: str) -> dict[str, str]:
    """What a run on this machine depends on: of the Docker files, only those that the proofs of *recipe* read."""
    files = filter(Path.is_file, modules(proof_module(project, recipe)))
    read = "".join(proof_source.code(project, file) for file in files)
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

    CookbookError for a file that is no record.
    """
    return [_read(project, file) for file in sorted(project.evidence.glob(f"{backend}/{recipe}.json"))]


@once
def problems(project: Project, recipe: str) -> list[str]:
    """Why the evidence of *recipe* cannot be published, a line each: missing, stale, failed, or without any proof."""
    module = project.relative(proof_module(project, recipe))
    found = load(project, recipe)
    mend = f"run `python -m cookbook run {recipe}`"
    if not found:
        return [f"{module}: no evidence: its proofs never ran here: {mend}"]
    now, tests = digests(project, recipe), written(project, recipe)
    lines = []
    for evidence in found:
        lines += [
            f"{path}: {what} since the run of {evidence.date}: {mend}" for path, what in _changes(evidence.files, now)
        ]
        lines += [
            f"{module}:{tests[proof.name].line}: {proof.name} failed on {evidence.backend}: "
            f"mend recipe or claim, then {mend}"
            for proof in evidence.tests
            if proof.outcome == "failed" and proof.name in tests
        ]
    if not proves_something(found):
        backends = " or ".join(evidence.backend for evidence in found)
        lines.append(f"{module}: not one proof passed on {backends}: a page without proof is not published")
    return lines


def proves_something(runs: Collection[Evidence]) -> bool:
    """Whether any proof of *runs* passed, be it a watched defect; skipped ones prove nothing."""
    return any(proof.outcome in ("passed", "xfailed") for run in runs for proof in run.tests)


def discard_stale(project: Project) -> list[str]:
    """Remove the records of recipes that are gone, and where one backend ran today's files, those of others that are
    about older files or that cannot be read; return the paths of what was removed.

    Whoever ran the recipes on one backend is not held up by what another one said of older files.
    """
    now = {recipe: digests(project, recipe) for recipe in project.recipe_names()}
    runs = {file: _readable(project, file) for file in sorted(project.evidence.glob("*/*.json"))}
    today = {file for file, run in runs.items() if run and run.files == now.get(file.stem)}
    ran_today = {file.stem for file in today}
    removed = []
    for file in runs:
        if file.stem not in now or (file.stem in ran_today and file not in today):
            file.unlink()
            removed.append(f"{project.relative(file.parent)}/{file.name}")
    return removed


def modules(module: Path) -> list[Path]:
    """*module* and the modules beside it that it imports, or that these import."""
    found, unread = [], [module]
    while unread:
        found.append(module := unread.pop())
        if not module.exists():
            continue
        for name in proof_source.imported(module.read_text(encoding="utf-8")):
            beside = module.with_name(f"{name}.py")
            if beside.exists() and beside not in (*found, *unread):
                unread.append(beside)
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
    """Whether *file* is what a run leaves in a recipe's folder, wherever the project itself is."""
    path = file.relative_to(project.root)
    return "__pycache__" in path.parts or path.suffix == ".pyc" or ".sqlite3" in path.name


def _changes(before: dict[str, str], now: dict[str, str]) -> list[tuple[str, str]]:
    changed = [(path, "edited") for path in sorted(before.keys() & now.keys()) if before[path] != now[path]]
    added = [(path, "added") for path in sorted(now.keys() - before.keys())]
    gone = [(path, "removed") for path in sorted(before.keys() - now.keys())]
    return changed + added + gone
