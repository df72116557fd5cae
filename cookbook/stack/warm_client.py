"""Starts programs from a warm parent (`warm_parent`), which forks them: for a test, and for a shell.

    python -I -S warm_client.py SOCKET PYTHON PROGRAM ARGUMENT…    # stands where a shell expects the program

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

LONGEST = 104  # bytes of the path of a socket, on the system that takes fewest


def ask(
    path: str, argv: Sequence[str], env: Mapping[str, str], cwd: str, files: Sequence[int]
) -> tuple[int, socket.socket]:
    """Start *argv* as a fork of the parent at the socket *path*, on three standard *files*: its pid, and the connection
    that says how it ends. A pid of 0: only a cold start gives what is asked for."""
    connection = _connected(path)
    body = json.dumps([list(argv), dict(env), cwd]).encode() + b"\n"
    sent = socket.send_fds(connection, [body], list(files))
    if sent < len(body):
        connection.sendall(body[sent:])
    return number(connection), connection


def _connected(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    if len(os.fsencode(path)) < LONGEST:
        connection.connect(path)
        return connection
    folder, name = os.path.split(path)
    opened = os.open(folder, os.O_RDONLY)
    try:
        connection.connect(f"/proc/self/fd/{opened}/{name}")  # Linux only
    finally:
        os.close(opened)
    return connection


def number(connection: socket.socket) -> int:
    """The next number that the parent says: a pid, or an exit code; EOFError when the parent is gone."""
    said = b""
    while not said.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise EOFError("the parent of the warm starts is gone")
        said += byte
    return int(said)


def run(path: str, python: str, program: list[str]) -> None:
    """Be *program* for the shell that started us: its files, the signals that it gets, its exit status."""
    pid, connection = ask(path, program, os.environ, os.getcwd(), (0, 1, 2))  # noqa: PTH109  # pathlib costs more
    if pid == 0:
        os.execv(python, [python, *program])  # noqa: S606  # it replaces us, as a shell's exec does
    for each in FORWARDED:
        signal.signal(each, lambda received, _: os.kill(pid, received))
    code = number(connection)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], sys.argv[3:])
