"""The servers that recipes are proven on: each from a wheel that `tests/environments/` pins, or else from PATH."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from cookbook.evidence import environments
from cookbook.project import CookbookError, Project
from cookbook.stack import programs

SERVERS = ("redis-6.2", "redis-7.0", "redis-8", "valkey-8", "valkey-9")
DEFAULT = "valkey-8"
"""What the older releases of Celery run on."""
SAYS = re.compile(r"(?P<name>Redis|Valkey) server v=(?P<number>[\d.]+)")


def find(project: Project, name: str) -> Path:
    """The program of the server *name*, one of SERVERS; CookbookError when this machine cannot have it."""
    found = programs.installed(programs.SERVERS)
    why = "no wheel is pinned for it"
    if environments.lock_file(project, name).exists():
        try:
            made = environments.made(project, name)
            found = [path for program in programs.SERVERS for path in sorted(made.glob(f"lib/**/{program}"))] + found
            why = "the pinned wheel has none of it"
        except CookbookError as error:
            why = str(error)
    for program in found:
        if f"{said(program)}.".startswith(f"{name}."):
            return program
    raise CookbookError(f"{name} cannot be had: {why}, and no {name} is on PATH: install one and run again")


def said(program: Path) -> str:
    """What a server program says that it is: "redis-7.0.15"; empty when it does not run here."""
    told = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    match = SAYS.match(told.stdout)
    return f"{match['name'].lower()}-{match['number']}" if match else ""
