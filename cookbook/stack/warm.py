"""Programs that a test starts as forks of a warm parent: one parent for each Python environment of a run."""

from __future__ import annotations

import fcntl
import hashlib
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from cookbook.project import CookbookError
from cookbook.stack import warm_client, warm_parent
from cookbook.stack.processes import noted, run_folder
from cookbook.stack.reaper import VARIABLE

INTERPRETER = {"LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
"""What every Python program of a stack has in its environment from the start on, as its warm parent does."""
SCRIPTS = ("celery", "django-admin")


class Fork:
    """A program forked from a warm parent: the part of `subprocess.Popen` that `Process` uses."""

    def __init__(self, parent: Path, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> None:
        read, stdin = os.pipe()
        stdout, write = os.pipe()
        self.stdin: IO[str] | None = os.fdopen(stdin, "w")
        self.stdout: IO[str] | None = os.fdopen(stdout, errors="replace")
        try:
            self.pid, self._connection = warm_client.ask(str(parent), argv, env, str(cwd), (read, write, write))
        finally:
            os.close(read)
            os.close(write)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while the program runs."""
        return self._end(0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once the program has ended; TimeoutExpired when it still runs after *timeout* seconds."""
        code = self._end(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Let go of the pipes of a program that its parent did not start."""
        for each in (self.stdin, self.stdout, self._connection):
            assert each is not None
            each.close()

    def _end(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = warm_client.number(self._connection)
            self._connection.close()
        return self.returncode


def start(programs: Path, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Fork | None:
    """*argv*, with the programs in the folder *programs*, as a fork; None when only a cold start gives the same."""
    name, *arguments = argv
    if name in SCRIPTS:
        arguments = [str(programs / name), *arguments]
    elif name != "python" or arguments[0].startswith("-"):
        return None
    fork = Fork(parent(programs), arguments, env=env, cwd=cwd)
    if fork.pid:
        return fork
    fork.close()
    return None


def script(programs: Path, name: str) -> str:
    """The body of a shell script that is the program *name* of *programs*, started warm where that gives the same."""
    python = programs / "python"
    client = f'exec "{python}" -I -S "{warm_client.__file__}" "{parent(programs)}" "{python}"'
    if name in SCRIPTS:
        return f'{client} "{programs / name}" "$@"'
    return f'case "$1" in ""|-*) exec "{python}" "$@" ;; esac\n{client} "$@"'


@cache
def parent(programs: Path) -> Path:
    """The socket of the warm parent of the environment with *programs*; the processes of a run share one.

    CookbookError when it does not start.
    """
    path = run_folder() / f"warm-{hashlib.sha256(str(programs).encode()).hexdigest()[:8]}"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _start_parent(programs, path)
    return path


def _start_parent(programs: Path, path: Path) -> None:
    log = path.with_suffix(".log")
    with log.open("w") as errors:
        started = subprocess.Popen(
            noted([str(programs / "python"), warm_parent.__file__, str(path)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**INTERPRETER, VARIABLE: os.environ[VARIABLE]},
            cwd=run_folder(),
            start_new_session=True,
        )
    assert started.stdout is not None
    if not started.stdout.readline():
        said = log.read_text().strip().rpartition("\n")[2] or f"exit code {started.wait()}"
        raise CookbookError(f"{programs / 'python'}: the parent of the warm starts ended: {said}: install it anew")
