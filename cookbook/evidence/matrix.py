"""The version matrix: what of it is still to run, and what all of it says, as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from cookbook.evidence import cells, environments, servers
from cookbook.evidence.cells import Cell
from cookbook.evidence.columns import Column
from cookbook.project import Project

NOT_RUN = "not run"


def prepare(project: Project, column: Column) -> None:
    """Make what *column* runs on, once for all of its tests; CookbookError when this machine cannot have it."""
    servers.find(project, column.server)
    if column.celery:
        environments.environment(project, column.celery)


def due(project: Project, column: Column, recipes: Sequence[str]) -> list[str]:
    """The *recipes* that are to run in *column*: those that never did, have changed since, or failed."""
    found = {recipe: cells.load(project, recipe, [column]).get(column) for recipe in recipes}
    return [recipe for recipe, cell in found.items() if cell is None or cell.count("failed")]


def summary(project: Project, which: Sequence[Column], recipes: Sequence[str]) -> str:
    """A line for each of *recipes*, with a cell for each column of *which*, and what the signs in it mean."""
    rows = [["", *(column.name for column in which)]]
    for recipe in recipes:
        found = cells.load(project, recipe, list(which))
        rows.append([recipe, *(tell(found.get(column)) for column in which)])
    widths = [max(map(len, texts)) for texts in zip(*rows, strict=True)]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(
        [*lines, "12 hold, -2 hold from a later release, ?1 not arranged there, !1 failed; . depends on none"]
    )


def tell(cell: Cell | None) -> str:
    """How a cell ended: "12 -2 ?1"."""
    if cell is None:
        return NOT_RUN
    if not cell.outcomes:
        return "."
    counts = {
        "": cell.count("passed", "xfailed"),
        "-": cell.count("stated"),
        "?": cell.count("skipped"),
        "!": cell.count("failed"),
    }
    return " ".join(f"{sign}{count}" for sign, count in counts.items() if count)
