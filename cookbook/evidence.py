"""The record of the last run of each recipe: what ran, on which versions, from which bytes, and how it ended."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cookbook.project import STACK_FILES, CookbookError, Project, digest
from cookbook.snapshot import once

SHARED = ("core", "manage.py", "requirements.txt")  # below recipes/: part of every recipe
WORST_FIRST = ("failed", "skipped", "stated", "xfailed", "passed")  # how a test can end; "stated": only in the matrix
IGNORED = ("__pycache__", ".sqlite3", ".pyc")


@dataclass(frozen=True)
class Proof:
    """One test: the sentence that it proves, in both languages, and how it ended."""

    name: str
    id: str
    line: int
    sentence: dict[str, str]
    outcome: str  # one of WORST_FIRST
    seconds: float
    reason: str = ""
    cases: int = 1


@dataclass(frozen=True)
class Evidence:
    """One recipe on one backend. ``files`` maps paths from the root to SHA-256, ``records`` what its tests recorded."""

    recipe: str
    backend: str
    date: str
    versions: dict[str, str]
    files: dict[str, str]
    tests: list[Proof]
    transcripts: dict[str, str] = field(default_factory=dict)
    records: dict[str, Any] = field(default_factory=dict)

    def proof(self, name: str) -> Proof | None:
        return next((proof for proof in self.tests if proof.name == name), None)


def proof_module(project: Project, recipe: str) -> Path:
    return project.proofs / f"test_{recipe}.py"


@once
def digests(project: Project, recipe: str) -> dict[str, str]:
    """SHA-256 of every file that a recipe's run depends on: its folder, the shared project, the stack, its proofs, what
    the proofs of several recipes share, and the older releases of Celery that they ask for."""
    module = proof_module(project, recipe)
    files = [*modules(module), *(project.root / name for name in STACK_FILES)]
    if module.exists() and "on_celery" in module.read_text(encoding="utf-8"):
        files += (project.root / "tests" / "environments").glob("celery-*.txt")
    for name in (recipe, *SHARED):
        path = project.recipes / name
        files += path.rglob("*") if path.is_dir() else [path]
    kept = (file for file in files if file.is_file() and not any(part in str(file) for part in IGNORED))
    return {project.relative(file): digest(file) for file in sorted(kept)}


def write(project: Project, evidence: Evidence) -> Path:
    """Put the record of a run in its place, whole or not at all."""
    return write_json(project.evidence / evidence.backend / f"{evidence.recipe}.json", asdict(evidence))


def write_json(file: Path, data: object) -> Path:
    """Put *data* into *file*, whole or not at all, with a line for each value."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_suffix(f".{os.getpid()}")
    aside.write_text(json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    aside.replace(file)
    return file


@once
def load(project: Project, recipe: str) -> list[Evidence]:
    """The records of *recipe*, one for each backend that it ran on; none when it never ran."""
    found = []
    for file in sorted(project.evidence.glob(f"*/{recipe}.json")):
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
            data["tests"] = [Proof(**proof) for proof in data["tests"]]
            found.append(Evidence(**data))
        except (ValueError, KeyError, TypeError) as error:
            where = project.relative(file)
            raise CookbookError(f"{where}: not evidence ({error}): delete it and run `make site`") from error
    return found


@once
def problems(project: Project, recipe: str) -> list[str]:
    """Why the evidence of *recipe* cannot be published, a line each: missing, stale, failed, or without any proof."""
    module = project.relative(proof_module(project, recipe))
    found = load(project, recipe)
    mend = f"run `python -m cookbook run {recipe}`"
    if not found:
        return [f"{module}: no evidence: its proofs never ran here: {mend}"]
    now = digests(project, recipe)
    lines = []
    for evidence in found:
        lines += [
            f"{path}: {what} since the run of {evidence.date}: {mend}" for path, what in _changes(evidence.files, now)
        ]
        lines += [
            f"{module}:{proof.line}: {proof.name} failed on {evidence.backend}: mend recipe or claim, then {mend}"
            for proof in evidence.tests
            if proof.outcome == "failed"
        ]
    if not proves_something(found):
        backends = " or ".join(evidence.backend for evidence in found)
        lines.append(f"{module}: not one proof passed on {backends}: a page without proof is not published")
    return lines


def proves_something(runs: Collection[Evidence]) -> bool:
    """Whether any proof of *runs* passed, be it a watched defect; skipped ones prove nothing."""
    return any(proof.outcome in ("passed", "xfailed") for run in runs for proof in run.tests)


def discard_stale(project: Project, keep: Collection[str]) -> list[str]:
    """Remove records of other files than today's, but for the backends to *keep*; the paths of what was removed.

    Whoever ran the recipes on one backend is not held up by what another one said of older files.
    """
    removed = []
    for file in sorted(project.evidence.glob("*/*.json")):
        recipe, backend = file.stem, file.parent.name
        module = proof_module(project, recipe)
        runs = [run for run in load(project, recipe) if run.backend == backend] if module.exists() else []
        if backend not in keep and all(run.files != digests(project, recipe) for run in runs):
            file.unlink()
            removed.append(project.relative(file.parent) + f"/{file.name}")
    return removed


def modules(module: Path) -> list[Path]:
    """*module* and the modules beside it that it imports, or that these import."""
    found, unread = [], [module]
    while unread:
        found.append(module := unread.pop())
        if not module.exists():
            continue
        for name in _imported(module.read_text(encoding="utf-8")):
            beside = module.with_name(f"{name}.py")
            if beside.exists() and beside not in (*found, *unread):
                unread.append(beside)
    return found


@cache
def _imported(source: str) -> list[str]:
    """The modules that *source* takes names from; remembered, for a build asks this for each of its marks."""
    tree = ast.parse(source)
    return [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]


def _changes(before: dict[str, str], now: dict[str, str]) -> list[tuple[str, str]]:
    changed = [(path, "edited") for path in sorted(before.keys() & now.keys()) if before[path] != now[path]]
    added = [(path, "added") for path in sorted(now.keys() - before.keys())]
    gone = [(path, "removed") for path in sorted(before.keys() - now.keys())]
    return changed + added + gone
