"""Starts programs from a warm parent (`warm_parent`), which forks them: for a test, and for a shell.

    python -I -S warm_client.py SOCKET PYTHON PROGRAM ARGUMENT…    # in place of the program

Standard library only, and little of it: a shell starts this for each command.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
MAX_SOCKET_PATH = 104  # bytes, on macOS; Linux allows 108


def ask(
    path: str, argv: Sequence[str], env: Mapping[str, str], cwd: str, files: Sequence[int]
) -> tuple[int, socket.socket]:
    """Start *argv* as a fork of the parent at the socket *path*, with three standard *files*.

    Returns its pid, and the connection on which its exit code arrives. A pid of 0: only a cold start gives the same.
    """
    connection = _connect(path)
    body = json.dumps([list(argv), dict(env), cwd]).encode() + b"\n"
    sent = socket.send_fds(connection, [body], list(files))
    if sent < len(body):
        connection.sendall(body[sent:])
    return read_number(connection), connection


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    if len(os.fsencode(path)) < MAX_SOCKET_PATH:
        connection.connect(path)
        return connection
    folder, name = os.path.split(path)
    opened = os.open(folder, os.O_RDONLY)
    try:
        connection.connect(f"/proc/self/fd/{opened}/{name}")  # Linux only
    finally:
        os.close(opened)
    return connection


def read_number(connection: socket.socket) -> int:
    """The next number that the parent sends: a pid, or an exit code; EOFError when the parent has ended."""
    with connection.makefile("rb", buffering=0) as lines:
        line = lines.readline()
    if not line:
        raise EOFError("the warm parent has ended")
    return int(line)


def run(path: str, python: str, program: list[str]) -> None:
    """Stand in for *program*, with the files, the signals and the exit status that the shell expects."""
    pid, connection = ask(path, program, os.environ, os.getcwd(), (0, 1, 2))  # noqa: PTH109  # pathlib costs more
    if pid == 0:
        os.execv(python, [python, *program])  # noqa: S606  # replaces this process, like exec in a shell
    for each in FORWARDED:
        signal.signal(each, lambda received, _: os.kill(pid, received))
    code = read_number(connection)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
