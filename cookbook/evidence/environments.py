"""Environments with an older Celery or another server: pinned by hash, made by uv, kept by content.

`tests/environments/celery-5.6.in` says what belongs together, and `make lock` writes the `.txt` beside it.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

from cookbook.project import CookbookError, Project, digest
from cookbook.snapshot import once
from cookbook.stack import programs

PYTHON = "3.11"  # for all of them: Celery 5.2 starts on nothing newer, this project on nothing older
SERVERS = ("redis-6.2", "redis-7.0", "redis-8", "valkey-8", "valkey-9")
DEFAULT_SERVER = "valkey-8"  # what the older releases of Celery run on
VERSION_LINE = re.compile(r"(?P<name>Redis|Valkey) server v=(?P<number>[\d.]+)")


@once
def releases(project: Project) -> list[str]:
    """The older releases of Celery that are pinned here, in order: "5.2", "5.3" …"""
    found = (lock.stem.removeprefix("celery-") for lock in _folder(project).glob("celery-*.txt"))
    return sorted(found, key=lambda release: [int(part) for part in release.split(".")])


def environment(project: Project, release: str) -> Path:
    """The virtual environment of Celery *release*; CookbookError when it is not pinned or cannot be made."""
    if release not in (known := releases(project)):
        where = project.relative(_folder(project))
        raise CookbookError(f"{where}: no environment for Celery {release}: choose one of {', '.join(known)}")
    return _make(project, lock_file(project, f"celery-{release}"))


def find_server(project: Project, name: str) -> Path:
    """The program of the server *name*, one of SERVERS: from the wheel that is pinned for it, else from PATH.

    CookbookError when this machine has neither.
    """
    found = programs.installed(programs.SERVERS)
    why = "no wheel is pinned for it"
    if (lock := lock_file(project, name)).exists():
        try:
            wheel = _make(project, lock)
            found = [path for program in programs.SERVERS for path in sorted(wheel.glob(f"lib/**/{program}"))] + found
            why = "the pinned wheel does not contain it"
        except CookbookError as error:
            why = str(error)
    for program in found:
        if f"{version_of(program)}.".startswith(f"{name}."):
            return program
    raise CookbookError(f"{name} is unavailable: {why}, and {name} is not on PATH: install it and run again")


def version_of(program: Path) -> str:
    """What a server program reports as its name and version, "redis-7.0.15"; empty when it does not run here."""
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=False)
    match = VERSION_LINE.match(done.stdout)
    return f"{match['name'].lower()}-{match['number']}" if match else ""


def lock_file(project: Project, name: str) -> Path:
    """What pins the environment *name*, "celery-5.3" or "redis-6.2", by hash; it may not exist."""
    return _folder(project) / f"{name}.txt"


def _make(project: Project, lock: Path) -> Path:
    """The virtual environment that *lock* pins, made now unless it exists; CookbookError when that fails."""
    made = project.root / ".cache" / "environments" / f"{lock.stem}-{digest(lock)[:12]}"
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.with_name(f"{made.name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # several processes of one run ask for the same environment at once
        if not made.exists():
            aside = made.with_name(f"{made.name}.new")
            shutil.rmtree(aside, ignore_errors=True)
            here = sys.executable if f"{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON else PYTHON
            _uv("venv", "--quiet", "--relocatable", "--python", here, str(aside))
            _uv("pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes", "--python", str(aside), str(lock))
            aside.rename(made)
    return made


def _folder(project: Project) -> Path:
    return project.root / "tests" / "environments"


def _uv(*args: str) -> None:
    done = subprocess.run([find_uv_bin(), *args], capture_output=True, text=True, check=False)
    if done.returncode:
        why = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise CookbookError(f"uv {args[0]} {args[-1]}: {why}: fix it, then run again")
