"""The columns of the version matrix: a release of Celery on a server, what pins them, and what runs them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cookbook.evidence import environments
from cookbook.evidence.environments import DEFAULT_SERVER, SERVERS
from cookbook.project import CookbookError, Project
from cookbook.snapshot import once

PINNED = re.compile(r"^(?:celery|django|kombu|redis)==.*$", re.MULTILINE)  # in requirements.lock: what recipes use


@dataclass(frozen=True)
class Column:
    """An older *celery* ("5.3"), or the newest one (""), on *server*."""

    celery: str = ""
    server: str = DEFAULT_SERVER

    @property
    def name(self) -> str:
        """ "celery-5.3", "redis-6.2" or "celery-5.3+redis-6.2": without what the ordinary run has too."""
        parts = (self.celery and f"celery-{self.celery}", self.server if self.server != DEFAULT_SERVER else "")
        return "+".join(part for part in parts if part) or self.server

    def label(self, newest: str) -> str:
        """For a reader: "Celery 5.3, Valkey 8"; *newest* is the release that the name leaves out."""
        return f"Celery {self.celery or newest}, {self.server.replace('-', ' ').title()}"


@once
def columns(project: Project) -> list[Column]:
    """Each older Celery on the default server, then the newest one on each other server.

    The newest one on the default server is the ordinary run.
    """
    older = [Column(celery=release) for release in environments.releases(project)]
    return older + [Column(server=server) for server in SERVERS if server != DEFAULT_SERVER]


def parse(project: Project, name: str) -> Column:
    """The column that has this *name*; CookbookError when its environments are not pinned here."""
    older = {f"celery-{release}": release for release in environments.releases(project)}
    celery, server = "", DEFAULT_SERVER
    for part in name.split("+"):
        if part in SERVERS:
            server = part
        elif part in older:
            celery = older[part]
        else:
            raise CookbookError(f"no column {name!r}: choose from {', '.join((*older, *SERVERS))}, joined with '+'")
    return Column(celery, server)


@once
def pins(project: Project, column: Column) -> str:
    """The text that pins what *column* runs on: when it changes, what ran there is stale."""
    if column.celery:
        celery = environments.lock_file(project, f"celery-{column.celery}").read_text(encoding="utf-8")
    else:
        lock = project.root / "requirements.lock"
        celery = "\n".join(PINNED.findall(lock.read_text(encoding="utf-8"))) if lock.exists() else ""
    server = environments.lock_file(project, column.server)
    return celery + (server.read_text(encoding="utf-8") if server.exists() else column.server)


def programs(project: Project, column: Column) -> tuple[Path | None, Path]:
    """The folder with the programs of the column's Celery, None for those of this environment, and its server.

    What is missing is made now; CookbookError when this machine cannot.
    """
    server = environments.find_server(project, column.server)
    return environments.environment(project, column.celery) / "bin" if column.celery else None, server
