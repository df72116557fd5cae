"""The cells of the version matrix: how each recipe ended in each column, kept in git for they take long to get.

A cell speaks as long as nothing that it ran on has changed; then it counts as not run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cookbook.evidence import columns, records
from cookbook.evidence.columns import Column
from cookbook.project import CookbookError, Project
from cookbook.snapshot import once


@dataclass(frozen=True)
class Cell:
    """One recipe in one column. ``outcomes`` maps each proof that depends on a version to one of WORST_FIRST, and
    ``reasons`` those that did not pass to why; ``seconds`` is what all of them took."""

    column: str
    recipe: str
    date: str
    versions: dict[str, str]
    digest: str
    seconds: float = 0
    outcomes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def count(self, *outcomes: str) -> int:
        return sum(outcome in outcomes for outcome in self.outcomes.values())


def digest(project: Project, column: Column, recipe: str) -> str:
    """SHA-256 of all that a local run of *recipe* in *column* depends on."""
    return _digest(project, column, _files(project, recipe))


def write(project: Project, cell: Cell) -> Path:
    """Put a cell in its place, whole or not at all."""
    file = _folder(project) / cell.column / f"{cell.recipe}.json"
    return records.write_json(file, asdict(cell))


def load(project: Project, recipe: str, which: list[Column]) -> dict[Column, Cell]:
    """The cells of *recipe* that speak of the files as they are, for those of the columns *which* that have one."""
    return {column: cell for column in which if (cell := _fresh(project, recipe, column))}


def problems(project: Project, recipe: str, which: list[Column]) -> list[str]:
    """What fails in a cell that speaks of the files as they are, a line each: against a statement, or without one."""
    module = records.proof_module(project, recipe)
    where = project.relative(module)
    return [
        f"{where}: {name} failed in {column.name}: {cell.reasons.get(name, '')}: mend it, or state from which version "
        f"it holds; then run `python -m cookbook matrix {recipe} --columns {column.name}`"
        for column, cell in load(project, recipe, which).items()
        for name, outcome in cell.outcomes.items()
        if outcome == "failed"
    ]


@once
def _fresh(project: Project, recipe: str, column: Column) -> Cell | None:
    """The cell of *recipe* in *column*, if there is one and it speaks of the files as they are."""
    file = _folder(project) / column.name / f"{recipe}.json"
    if not file.exists():
        return None
    try:
        cell = Cell(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        where = project.relative(file)
        raise CookbookError(f"{where}: no cell of the matrix ({error}): delete it and run `make matrix`") from error
    return cell if cell.digest == digest(project, column, recipe) else None


@once
def _files(project: Project, recipe: str) -> dict[str, str]:
    """The digests of what a local run depends on; the column itself pins its releases."""
    found = records.local_digests(project, recipe).items()
    return {path: digest for path, digest in found if not path.startswith("tests/environments/")}


def _digest(project: Project, column: Column, files: Mapping[str, str]) -> str:
    text = json.dumps(files, sort_keys=True) + columns.pins(project, column)
    return hashlib.sha256(text.encode()).hexdigest()


def _folder(project: Project) -> Path:
    return project.root / "tests" / "evidence" / "matrix"
