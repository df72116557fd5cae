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
"""What every Python program of a stack has in its environment from the start, like its warm parent."""
SCRIPTS = ("celery", "django-admin")


class Fork:
    """A program forked from the warm parent at the socket *parent*: the part of `subprocess.Popen` that `Process` uses.

    A ``pid`` of 0 means that the parent refused: only a cold start gives what *argv* and *env* ask for.
    """

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
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Send it SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close the pipes of a program that its parent refused, or disconnect, which ends the program's group."""
        for each in (self.stdin, self.stdout, self._connection):
            assert each is not None
            each.close()

    def _end(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], timeout)[0]:
            self.returncode = warm_client.read_number(self._connection)
            self._connection.close()
        return self.returncode


def start(programs: Path, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> Fork | None:
    """Start *argv*, from the ``bin`` folder *programs*, as a fork; None when only a cold start gives the same."""
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
    with path.with_suffix(".lock").open("w") as lock, path.with_suffix(".log").open("w+") as log:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return path
        started = subprocess.run(  # it returns once the parent is ready, in a process of its own
            noted([str(programs / "python"), warm_parent.__file__, str(path)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**INTERPRETER, VARIABLE: os.environ[VARIABLE]},
            cwd=run_folder(),
            start_new_session=True,
            check=False,
        )
        if started.returncode:
            log.seek(0)
            why = log.read().strip().rpartition("\n")[2] or f"exit status {started.returncode}"
            raise CookbookError(f"{programs / 'python'}: no warm parent: {why}: reinstall this environment")
    return path
