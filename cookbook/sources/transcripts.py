"""Transcripts: `.console` files with commands and the output that they really printed.

    $ celery -A core call core.tasks.ping
    5b0c6d0a-6d6c-4b1f-9d3c-1f1c2a1a7f0e
    $ celery -A core inspect ping --destination nobody
    Error: No nodes replied within time constraint
    [exit status 69]

A command continues on lines that begin with ``> ``. Lines that begin with ``# `` between the commands are remarks.
The commands of one file share their shell variables, as in one terminal. They print to a terminal, so that `redis-cli`
numbers its replies as it does for a reader.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from select import select

from cookbook.project import CookbookError
from cookbook.sources import terminal

PROMPT, MORE, REMARK = "$ ", "> ", "# "
TIMEOUT = 90.0  # seconds for one command, on a busy machine
STATUS = re.compile(r"\[exit status (\d+)\]")

# What differs at each run, and the word that replaces it when two outputs are compared. The first match wins.
VOLATILE = [
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\bgen\d+@[\w.-]+"), "<origin>"),
    (re.compile(r"(?<![\w.])1[6-9]\d{8}(?:\.\d+)?(?![\w.])"), "<timestamp>"),
    (re.compile(r"(?i)(\b(?:pid|process_id|uptime|clock|port)\b\W{0,4})\d+"), r"\1<number>"),
    (re.compile(r"\b\d+\.\d{3,}\b"), "<decimal>"),
    (re.compile(r"\b\d+(?:\.\d+)?[KMG]B?\b"), "<size>"),
    (re.compile(r"(?<=//127\.0\.0\.1:)\d+"), "<port>"),
    (re.compile(r"[A-Za-z0-9+/]{60,}={0,2}"), "<base64>"),
]


@dataclass(frozen=True)
class Step:
    """One command of a transcript, the remarks above it, its output and exit status, and the line of its prompt."""

    remarks: tuple[str, ...]
    command: str
    output: str
    status: int
    line: int


def parse(text: str, where: str) -> list[Step]:
    """The steps of a transcript's *text*; *where* names the file in errors."""
    steps: list[Step] = []
    remarks: list[str] = []
    command: list[str] = []
    output: list[str] = []
    start = 0

    def close() -> None:
        if command:
            status = STATUS.fullmatch(output[-1]) if output else None
            lines = output[:-1] if status else output
            steps.append(
                Step(tuple(remarks), "\n".join(command), "\n".join(lines), int(status[1]) if status else 0, start)
            )
            remarks.clear()

    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        if line.startswith(PROMPT):
            # Remarks precede the command that they are about: they are not output of the one before.
            following: list[str] = []
            while output and output[-1].startswith(REMARK):
                following.insert(0, output.pop())
            close()
            remarks += following
            command, output, start = [line.removeprefix(PROMPT)], [], number
        elif command and not output and line.startswith(MORE):
            command.append(line.removeprefix(MORE))
        elif command:
            output.append(line)
        elif line.startswith(REMARK):
            remarks.append(line)
        elif line.strip():
            raise CookbookError(f"{where}:{number}: {line!r} is before any command: begin commands with '$ '")
    close()
    if not steps:
        raise CookbookError(f"{where}: no command: begin commands with '$ '")
    return steps


def render(steps: Iterable[Step]) -> str:
    """The text of a transcript, as `parse` reads it."""
    lines: list[str] = []
    for step in steps:
        lines += step.remarks
        first, *rest = step.command.split("\n")
        lines += [PROMPT + first, *(MORE + line for line in rest)]
        lines += step.output.split("\n") if step.output else []
        lines += [f"[exit status {step.status}]"] if step.status else []
    return "\n".join(lines) + "\n"


def commands(text: str) -> str:
    """What the copy button copies: the commands alone, ready to paste."""
    return "\n".join(step.command for step in parse(text, "transcript"))


def mask(text: str) -> str:
    """*text* with each volatile part replaced by a word: an id becomes ``<uuid>``."""
    for pattern, word in VOLATILE:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def run(
    steps: list[Step], *, env: Mapping[str, str], cwd: Path, folder: Path, where: str, timeout: float = TIMEOUT
) -> list[Step]:
    """The same steps with the output and status of their commands now; *folder* keeps the shell's variables.

    Raises CookbookError when a command runs longer than *timeout* seconds.
    """
    state = folder / "shell-variables"
    state.touch()
    done = []
    for step in steps:
        # `declare` lists the shell's read-only variables too; bash rejects those lines when it reads them back.
        script = f'source "{state}" 2>/dev/null\ntrap \'declare -p >"{state}"\' EXIT\n{step.command}'
        try:
            output, status = _execute(script, env, cwd, timeout)
        except TimeoutError:
            here = f"{where}:{step.line}: `{step.command}`"
            raise CookbookError(f"{here} did not end within {timeout:g} s: make it end, or give it a limit") from None
        done.append(replace(step, output=output, status=status))
    return done


def differences(recorded: list[Step], actual: list[Step], where: str) -> list[str]:
    """One line for each step whose status or masked output is no longer the recorded one."""
    problems = []
    for before, now in zip(recorded, actual, strict=True):
        here = f"{where}:{before.line}: `{before.command.splitlines()[0]}`"
        fix = "check the change, then run `make record` if it is right"
        if before.status != now.status:
            problems.append(f"{here} exited with {now.status}, recorded {before.status}: {fix}")
        outputs = (mask(step.output).splitlines() for step in (now, before))
        for printed, expected in zip_longest(*outputs, fillvalue="nothing more"):
            if printed != expected:
                problems.append(f"{here} printed {printed!r}, recorded {expected!r}: {fix}")
                break
    return problems


def _execute(script: str, env: Mapping[str, str], cwd: Path, timeout: float) -> tuple[str, int]:
    """What *script* prints to its terminal, and its exit status."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["bash", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env={**env, "TERM": "dumb", "COLUMNS": "120"},
        cwd=cwd,
        start_new_session=True,
    )
    os.close(slave)
    deadline = time.monotonic() + timeout
    chunks = []
    try:
        while chunk := _read(master, deadline):
            chunks.append(chunk)
        status = process.wait(max(0.1, deadline - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise TimeoutError from None
    finally:
        os.close(master)
    text = terminal.displayed(b"".join(chunks).decode("utf-8", "replace"))
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n"), status


def _read(master: int, deadline: float) -> bytes:
    """The next bytes from the terminal; none when the last program that had its other end open is gone."""
    ready, _, _ = select([master], [], [], max(0.0, deadline - time.monotonic()))
    if not ready:
        raise TimeoutError
    try:
        return os.read(master, 65536)
    except OSError:  # Linux reports EIO instead of the end of the file
        return b""
