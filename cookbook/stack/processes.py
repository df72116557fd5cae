"""Child programs whose output is read as it arrives, so that a test waits for a line of a log and never sleeps."""

from __future__ import annotations

import contextlib
import os
import shutil
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
TIMEOUT = 30.0  # seconds for one step of a program, such as a log line or its exit, on a busy machine
CLEANUP = 300  # seconds for the reaper: a busy disk needs a minute to remove the folders of a thousand tests
DATE = shutil.which("date", path=os.defpath) or "date"  # a program may run with a PATH that has none
T = TypeVar("T")


class Run:
    """One run of the proofs: an id, a folder, and the reaper that ends what the run leaves behind."""

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
        # Killed programs leave temporary files: in the run's folder, they are removed with it.
        self._outer = os.environ.get(TEMPORARY)
        temporary = self.folder / "tmp"
        temporary.mkdir()
        os.environ[TEMPORARY] = str(temporary)
        tempfile.tempdir = None  # so that it is read from the environment again

    def end(self) -> None:
        """Wait until the reaper has removed everything of the run."""
        assert self.reaper.stdin is not None
        self.reaper.stdin.close()
        self.reaper.wait(CLEANUP)
        os.environ.pop(TEMPORARY, None)
        if self._outer is not None:
            os.environ[TEMPORARY] = self._outer
        tempfile.tempdir = None


def run_folder() -> Path:
    """The folder of the run that this process belongs to."""
    return Path(os.environ[FOLDER])


def noted(argv: Sequence[str]) -> list[str]:
    """The command that runs *argv* as a program of this run: a shell notes its pid, then becomes the program."""
    return ["/bin/sh", "-c", f'echo "$$ $({DATE} +%s)" >>"$0"; exec "$@"', str(run_folder() / NOTED), *argv]


class Program(Protocol):
    """The part of `subprocess.Popen` that `Process` uses."""

    pid: int
    stdin: IO[str] | None
    stdout: IO[str] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Process:
    """A program that runs: its log lines so far, and ways to wait for more of them, stop it or kill it.

    It is started with *argv*, unless *started* is the running program already.
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
        with self.popen.stdout:
            for line in self.popen.stdout:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()
        with self._news:
            self._closed = True
            self._news.notify_all()

    @property
    def pid(self) -> int:
        """The process id on this machine."""
        return self.popen.pid

    @property
    def log(self) -> str:
        """All that the program has printed so far."""
        return "\n".join(self.lines)

    def wait_for(self, text: str, timeout: float = TIMEOUT, start: int = 0) -> str:
        """The first line that contains *text*, from line *start* on; TimeoutError with the log when none arrives."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                for line in self.lines[start:]:
                    if text in line:
                        return line
                start = len(self.lines)
                left = deadline - time.monotonic()
                if self._closed or left <= 0:
                    # Proofs match this message, where an older release of Celery fails.
                    why = "ended" if self._closed else f"did not within {timeout:g} s"
                    raise TimeoutError(f"{' '.join(self.argv)}: waited for {text!r}, it {why}:\n{self.log}")
                self._news.wait(left)

    def signal(self, number: int) -> None:
        """Send it the signal *number*."""
        self.popen.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """The exit code once the program has ended, negative for a signal; TimeoutError with the log if it runs on."""
        try:
            code = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{' '.join(self.argv)}: still running after {timeout:g} s:\n{self.log}") from None
        read = -1
        while self._reader.is_alive() and read < len(self.lines):  # to the end, unless children keep the log open
            read = len(self.lines)
            self._reader.join(1)
        if self.popen.stdin:
            with contextlib.suppress(BrokenPipeError):  # what it has not read is lost
                self.popen.stdin.close()
        return code

    def kill(self) -> int:
        """End it with SIGKILL, as the kernel does when memory runs out, and return its exit code."""
        self.popen.kill()
        return self.wait()

    def kill_group(self) -> None:
        """End it, and the children that it left behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def stop(self, timeout: float = TIMEOUT) -> int:
        """End it with SIGTERM and return its exit code."""
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(timeout)


def wait_until(condition: Callable[[], T], timeout: float = TIMEOUT, every: float = 0.05) -> T:
    """What *condition* returns once that is true, asked *every* so many seconds; for states that no event announces,
    such as a Redis key."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {value!r} after {timeout:g} s: {condition}")
        time.sleep(every)
    return value
