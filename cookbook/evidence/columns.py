"""The columns of the version matrix: a release of Celery on a server; where they come from, and what pins them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cookbook.evidence import environments, servers
from cookbook.project import CookbookError, Project
from cookbook.snapshot import once

NEWEST = ("celery", "django", "kombu", "redis")  # what of requirements.lock a recipe runs on
PINNED = re.compile(rf"^(?:{'|'.join(NEWEST)})==.*$", re.MULTILINE)


@dataclass(frozen=True)
class Column:
    """An older *celery* ("5.3"), or the newest one (""), on *server*: "celery-5.3", "redis-6.2" by name.

    What the name leaves out is the newest Celery, or the default server.
    """

    celery: str = ""
    server: str = servers.DEFAULT

    @property
    def name(self) -> str:
        parts = (self.celery and f"celery-{self.celery}", self.server if self.server != servers.DEFAULT else "")
        return "+".join(part for part in parts if part)

    def label(self, newest: str) -> str:
        """For a reader: "Celery 5.3, Valkey 8"; *newest* is the release that the name leaves out."""
        return f"Celery {self.celery or newest}, {self.server.replace('-', ' ').title()}"


@once
def columns(project: Project) -> list[Column]:
    """Each older Celery on the default server, then the newest one on each other server.

    The newest one on the default server is the ordinary run.
    """
    older = [Column(celery=release) for release in environments.releases(project)]
    return older + [Column(server=server) for server in servers.SERVERS if server != servers.DEFAULT]


def parse(project: Project, name: str) -> Column:
    """The column *name*: "celery-5.3", "redis-6.2", or both as "celery-5.3+redis-6.2"; CookbookError for another."""
    releases = environments.releases(project)
    celery, server = "", servers.DEFAULT
    for part in name.split("+"):
        if part in servers.SERVERS:
            server = part
        elif part.removeprefix("celery-") in releases:
            celery = part.removeprefix("celery-")
        else:
            known = ", ".join((*(f"celery-{release}" for release in releases), *servers.SERVERS))
            raise CookbookError(f"no column {name!r}: join with '+' what there is: {known}")
    return Column(celery, server)


@once
def pins(project: Project, column: Column) -> str:
    """The text that pins what *column* runs on: a change of it is a change of the column."""
    if column.celery:
        celery = environments.lock_file(project, f"celery-{column.celery}").read_text(encoding="utf-8")
    else:
        lock = project.root / "requirements.lock"
        celery = "\n".join(PINNED.findall(lock.read_text(encoding="utf-8"))) if lock.exists() else ""
    server = environments.lock_file(project, column.server)
    return celery + (server.read_text(encoding="utf-8") if server.exists() else column.server)
