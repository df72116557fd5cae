"""Which recipes have to run again: their last run was on other files, versions or servers than today's, or failed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from cookbook.evidence import environments, records
from cookbook.project import COMPOSE_FILE, CookbookError, Project
from cookbook.stack.local import installed_versions
from cookbook.stack.programs import find_server

IMAGE = re.compile(r"\$\{(\w*IMAGE):-([^}]+)\}")


def runs_on(project: Project, backend: str) -> dict[str, str]:
    """What a run on *backend* would use, as this machine shows it before any run: installed versions and the server, or
    the images that docker-compose.yml takes from the environment. CookbookError when there is no server."""
    if backend == "compose":
        text = (project.root / COMPOSE_FILE).read_text(encoding="utf-8")
        return {name: os.environ.get(name) or image for name, image in IMAGE.findall(text)}
    return {**installed_versions(), "server": environments.version_of(find_server())}


def due(project: Project, backend: str, recipes: Sequence[str]) -> list[str]:
    """Those of *recipes* that *backend* did not run on today's files and versions, or that failed there."""
    now = runs_on(project, backend)
    return [recipe for recipe in recipes if not _is_fresh(project, backend, recipe, now)]


def _is_fresh(project: Project, backend: str, recipe: str, now: dict[str, str]) -> bool:
    try:
        files = records.digests(project, recipe)
        runs = records.load(project, recipe, backend)
    except CookbookError:  # a record in an older format, or a proof that is not Python: its run reports more
        return False
    return any(
        run.files == files and run.runs_on == now and all(proof.outcome != "failed" for proof in run.tests)
        for run in runs
    )
