"""Child programs whose output is read as it comes, so that a test awaits a line of a log and never a delay."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol, TypeVar

from cookbook.stack.reaper import NOTED, VARIABLE

FOLDER = "COOKBOOK_RUN_FOLDER"
TEMPORARY = "TMPDIR"
T = TypeVar("T")


class Run:
    """One run of the proofs: an id, a folder, and the reaper that ends whatever the run leaves behind."""

    def __init__(self) -> None:
        self.id = uuid.uuid4().hex
        self.folder = Path(tempfile.mkdtemp(prefix="cookbook-"))
        self.reaper = subprocess.Popen(
            [sys.executable, "-m", "cookbook.stack.reaper", self.id, str(self.folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        # Children find the run through the environment: test processes of xdist share the run of their parent.
        os.environ[VARIABLE] = self.id
        os.environ[FOLDER] = str(self.folder)
        # What is killed leaves its temporary files: below the run's folder they go with it.
        self._outer = os.environ.get(TEMPORARY)
        temporary = self.folder / "tmp"
        temporary.mkdir()
        os.environ[TEMPORARY] = str(temporary)
        tempfile.tempdir = None  # as it was before anyone asked for it

    def end(self) -> None:
        assert self.reaper.stdin is not None
        self.reaper.stdin.close()
        self.reaper.wait(timeout=300)  # to remove the folders of a thousand tests takes a busy disk a minute
        os.environ.pop(TEMPORARY, None)
        if self._outer is not None:
            os.environ[TEMPORARY] = self._outer
        tempfile.tempdir = None


def run_folder() -> Path:
    """The folder of the run that this process belongs to."""
    return Path(os.environ[FOLDER])


def noted(argv: Sequence[str]) -> list[str]:
    """What runs *argv* as a program of this run: the shell notes the pid, then becomes the program."""
    return ["/bin/sh", "-c", 'echo "$$ $(date +%s)" >>"$0"; exec "$@"', str(run_folder() / NOTED), *argv]


class Program(Protocol):
    """What `Process` uses of `subprocess.Popen`."""

    pid: int
    stdin: IO[str] | None
    stdout: IO[str] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Process:
    """A running program: its log lines so far, and ways to await more of them, stop it or kill it.

    Started now with *argv*, unless it was *started* already.
    """

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, started: Program | None = None
    ) -> None:
        self.popen: Program = started or subprocess.Popen(
            noted(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**env, VARIABLE: os.environ[VARIABLE]},
            cwd=cwd,
            start_new_session=True,
        )
        self.argv = list(argv)
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._closed = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str, timeout: float = 30, start: int = 0) -> str:
        """The first line from line *start* on that holds *text*; TimeoutError with the log when none comes."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for line in self.lines[start:]:
                    if text in line:
                        return line
                start = len(self.lines)
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    why = "ended" if self._closed else f"did not within {timeout:g} s"
                    raise TimeoutError(f"{' '.join(self.argv)}: waited for {text!r}, it {why}:\n{self.log}")
                self._news.wait(left)

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def wait(self, timeout: float = 30) -> int:
        """The exit code, once the program has ended by itself (negative: the signal that ended it); TimeoutError with
        the log when it does not end."""
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{' '.join(self.argv)}: still running after {timeout:g} s:\n{self.log}") from None
        self._reader.join(1)  # its last lines may still be on their way; children that it left keep the log open
        return code

    def kill(self) -> int:
        """End it with SIGKILL, as the kernel does when memory runs out: nothing is cleaned up."""
        self.popen.kill()
        return self.wait()

    def kill_group(self) -> None:
        """End it and the children that it may have left behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self, timeout: float = 30) -> int:
        """End it with SIGTERM and wait until it is gone."""
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(timeout)


def wait_until(condition: Callable[[], T], timeout: float = 30, every: float = 0.05) -> T:
    """What *condition* returns once it is true; for states that no event announces, such as a Redis key."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {value!r} after {timeout:g} s: {condition}")
        time.sleep(every)
    return value
