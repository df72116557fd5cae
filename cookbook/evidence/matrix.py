"""The version matrix: how each recipe ended in each column, and what is still to run.

Its cells are in git because they are slow to produce. A cell counts while everything that it ran on is unchanged;
otherwise that recipe counts as not run in that column.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cookbook.evidence import columns, records
from cookbook.evidence.columns import Column
from cookbook.project import CookbookError, Project
from cookbook.snapshot import once

NOT_RUN = "not run"
SIGNS = {"": records.PROVEN, "-": ("stated",), "?": ("skipped",), "!": ("failed",)}  # before a number: what it counts
LEGEND = "12 passed, -2 expected to fail before a later release, ?1 not possible there, !1 failed, . no proof applies"


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
        """How many proofs ended with one of *outcomes*."""
        return sum(outcome in outcomes for outcome in self.outcomes.values())


def digest(project: Project, column: Column, recipe: str) -> str:
    """SHA-256 of all that a local run of *recipe* in *column* depends on."""
    text = json.dumps(_files(project, recipe), sort_keys=True) + columns.pins(project, column)
    return hashlib.sha256(text.encode()).hexdigest()


def write(project: Project, cell: Cell) -> Path:
    """Put *cell* in its place, whole or not at all."""
    return records.write_json(_file(project, cell.column, cell.recipe), asdict(cell))


def load(project: Project, recipe: str, which: Sequence[Column]) -> dict[Column, Cell]:
    """The cells of *recipe* that ran on the files as they are, for the columns of *which* that have one."""
    return {column: cell for column in which if (cell := _fresh(project, recipe, column))}


def due(project: Project, column: Column, recipes: Sequence[str]) -> list[str]:
    """The *recipes* that are to run in *column*: those that never did, have changed since, or failed."""
    found = {recipe: _fresh(project, recipe, column) for recipe in recipes}
    return [recipe for recipe, cell in found.items() if cell is None or cell.count("failed")]


def problems(project: Project, recipe: str, which: Sequence[Column]) -> list[str]:
    """A line for each proof of *recipe* that failed in one of the columns *which*, on the files as they are."""
    where = project.relative(records.proof_module(project, recipe))
    return [
        f"{where}: {name} failed in {column.name}: {cell.reasons.get(name, '')}: fix it, or state the first release "
        f"that it holds for, then run `python -m cookbook matrix {recipe} --columns {column.name}`"
        for column, cell in load(project, recipe, which).items()
        for name, outcome in cell.outcomes.items()
        if outcome == "failed"
    ]


def summary(project: Project, which: Sequence[Column], recipes: Sequence[str]) -> str:
    """A table for the terminal: a line for each of *recipes*, a cell for each column of *which*, and the legend."""
    rows = [["", *(column.name for column in which)]]
    rows += [[recipe, *(_signs(_fresh(project, recipe, column)) for column in which)] for recipe in recipes]
    widths = [max(map(len, texts)) for texts in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, LEGEND])


def _signs(cell: Cell | None) -> str:
    """How a cell ended: "12 -2 ?1"."""
    if cell is None:
        return NOT_RUN
    counts = {sign: cell.count(*outcomes) for sign, outcomes in SIGNS.items()}
    return " ".join(f"{sign}{count}" for sign, count in counts.items() if count) or "."


@once
def _fresh(project: Project, recipe: str, column: Column) -> Cell | None:
    """The cell of *recipe* in *column*, if it exists and ran on the files as they are."""
    file = _file(project, column.name, recipe)
    if not file.exists():
        return None
    try:
        cell = Cell(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        where = project.relative(file)
        raise CookbookError(f"{where}: not a cell of the matrix ({error}): delete it, then `make matrix`") from error
    return cell if cell.digest == digest(project, column, recipe) else None


@once
def _files(project: Project, recipe: str) -> dict[str, str]:
    """The digests of what a local run depends on, without the environments: each column pins its own."""
    found = records.local_digests(project, recipe).items()
    return {path: each for path, each in found if not path.startswith("tests/environments/")}


def _file(project: Project, column: str, recipe: str) -> Path:
    return project.root / "tests" / "evidence" / "matrix" / column / f"{recipe}.json"
