"""Environments with an older Celery or another server: pinned by hash, made by uv, kept by content.

`tests/environments/celery-5.6.in` says what belongs together, `make lock` writes the `.txt` beside it.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from uv import find_uv_bin

from cookbook.project import CookbookError, Project, digest
from cookbook.snapshot import once

PYTHON = "3.11"  # the one that all of them run on: Celery 5.2 starts on none newer, this project on none older


@once
def releases(project: Project) -> list[str]:
    """The older releases of Celery that there is an environment for: "5.2", "5.3" …"""
    found = (lock.stem.removeprefix("celery-") for lock in _folder(project).glob("celery-*.txt"))
    return sorted(found, key=lambda release: [int(part) for part in release.split(".")])


def environment(project: Project, release: str) -> Path:
    """The virtual environment of Celery *release*; CookbookError when it is not pinned or cannot be made."""
    if not lock_file(project, f"celery-{release}").exists():
        known = ", ".join(releases(project))
        where = project.relative(_folder(project))
        raise CookbookError(f"{where}: no environment for Celery {release}: there are {known}")
    return made(project, f"celery-{release}")


def lock_file(project: Project, name: str) -> Path:
    """What pins the environment *name*, "celery-5.3" or "redis-6.2", by hash; whether it exists is for the caller."""
    return _folder(project) / f"{name}.txt"


def made(project: Project, name: str) -> Path:
    """The virtual environment *name*, made now if it was not yet; CookbookError when it cannot be."""
    lock = lock_file(project, name)
    made = project.root / ".cache" / "environments" / f"{name}-{digest(lock)[:12]}"
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.with_name(f"{made.name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # several processes of one run ask for the same one at once
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
        raise CookbookError(f"uv {args[0]} {args[-1]}: {why}: mend it, then run the recipe again")
