"""Runs what the matrix lacks: recipes on older Celery releases and on other servers, column by column."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cookbook.evidence import columns, matrix, proving
from cookbook.evidence.columns import Column
from cookbook.project import CookbookError, Project


def run(project: Project, recipes: Sequence[str], asked: list[Column]) -> list[str]:
    """Run *recipes* in each column of *asked* that lacks fresh results of them, and return the problems of all results.

    The results of a column are kept as soon as it finishes, however the run ends.
    """
    failures = []
    for column in asked:
        name = column.name
        due = matrix.due(project, column, recipes)
        print(f"== {name}: {len(due)} of {len(recipes)} recipes to run", flush=True)
        if not due:
            continue
        try:
            columns.programs(project, column)  # made once, for all of its tests
        except CookbookError as error:
            print(f"{name}: {matrix.NOT_RUN}: {error}", flush=True)
            continue
        start = time.monotonic()
        release = [f"--celery={column.celery}"] if column.celery else []
        proving.run_proofs(project, due, "--stack=local", f"--server={column.server}", *release)
        print(f"== {name}: ran in {time.monotonic() - start:.1f} s", flush=True)
        failures += [
            f"tests/recipes/test_{recipe}.py: its run in {name} did not finish, or it was edited meanwhile: run "
            f"`make matrix RECIPE={recipe}` again"
            for recipe in due
            if not matrix.load(project, recipe, [column])
        ]
    print(matrix.summary(project, asked, recipes))
    return failures + [line for recipe in recipes for line in matrix.problems(project, recipe, asked)]
