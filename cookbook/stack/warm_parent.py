"""Runs Python programs as forks of a process that has already imported Celery, Django and redis-py.

A cold `celery worker` spends most of its start on imports: 0.9 s of CPU, where a fork takes 0.3 s. The parent imports
libraries, but no settings and no project module. Each program gets the arguments, environment, folder, files and
signals that a shell would give it, in a session of its own. Standard library only: older environments run this file by
its path.

    python warm_parent.py SOCKET

`warm_client` sends a line of JSON, `[argv, environment, folder]`, with three standard files. An attendant, itself a
fork, answers: a line with the program's pid, or 0 when only a cold start gives the same; and when the program has
ended, a line with its exit code, negative for a signal. When the client disconnects first, the program and its group
are killed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import signal
import socket
import sys
import tempfile
import threading
import types
from typing import Any, NamedTuple

# What a worker, beat, `celery` and a Django process import anyway; modules that a release lacks are skipped.
IMPORTED = """
    billiard.heap billiard.popen_fork billiard.sharedctypes billiard.synchronize celery.__main__ celery.app.amqp
    celery.app.autoretry celery.app.control celery.app.events celery.app.log celery.app.trace celery.apps.beat
    celery.apps.worker celery.backends.redis celery.beat celery.bin.celery celery.concurrency.prefork
    celery.concurrency.solo celery.concurrency.thread celery.contrib.django.task celery.events.state
    celery.fixups.django celery.loaders.app celery.utils.static celery.worker.autoscale celery.worker.components
    celery.worker.consumer celery.worker.state celery.worker.strategy concurrent.futures.thread dbm.dumb dbm.gnu
    dbm.ndbm django.core.checks.registry django.core.files.storage.filesystem django.core.mail
    django.core.management.commands.shell django.core.management.sql django.db.backends.dummy.base
    django.db.backends.sqlite3.base django.db.migrations.autodetector django.db.migrations.executor django.db.models
    django.http django.template.defaultfilters django.template.defaulttags django.urls django.utils.autoreload
    django.utils.log django.utils.translation.reloader django.views.decorators.debug django.views.defaults
    encodings.idna encodings.latin_1 kombu.asynchronous.timer kombu.compression kombu.pools kombu.transport.redis
    kombu.utils.json redis
"""
READ_LATE = {  # variables that no import reads, only settings, the shell, or a program itself
    *("COLUMNS", "HOME", "OLDPWD", "PATH", "PWD", "PYTHONPATH", "SHLVL", "TERM", "TMPDIR", "_"),
    *("DJANGO_SECRET_KEY", "DJANGO_SETTINGS_MODULE", "PUBLIC_ROOT", "REDIS_URL"),
}
PATCHING = ("eventlet", "gevent")  # pools that patch the standard library before anything else is imported


class Request(NamedTuple):
    """A program to run: its file and arguments, environment and folder, its standard input, output and error."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    files: list[int]


# The parent ----------------------------------------------------------------------------------------------------------


def serve(path: str) -> Request:
    """Fork an attendant for each client, in a process of its own; return in each program, with its request."""
    preload()
    listener = socket.socket(socket.AF_UNIX)
    folder, name = os.path.split(path)
    os.chdir(folder)  # the path of a socket has to be short
    listener.bind(f"{name}.new")
    listener.listen(128)
    os.rename(f"{name}.new", name)  # noqa: PTH104  # clients that see the socket can connect to it
    if os.fork():
        os._exit(0)  # the process that started us waits until we are ready
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that attendants do not become zombies
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return attend(connection)
        connection.close()


def attend(connection: socket.socket) -> Request:
    """Fork the program that a client requests, report how it ends, and exit; return in the program."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the exit code of an ignored child is lost
    request = _receive(connection)
    if request and suits(request):
        pid = _fork()
        if pid == 0:
            return request
        for file in request.files:  # the client sees the end of the output once only the program has the file
            os.close(file)
        _send(connection, pid)
        ended = threading.Event()
        threading.Thread(target=_kill_without_client, args=(connection, pid, ended), daemon=True).start()
        status = os.waitpid(pid, 0)[1]
        ended.set()
        _send(connection, os.waitstatus_to_exitcode(status))
    elif request:
        _send(connection, 0)
    os._exit(0)


def _kill_without_client(connection: socket.socket, pid: int, ended: threading.Event) -> None:
    """Wait until the client disconnects, and end the program and its group if it still runs."""
    with contextlib.suppress(ConnectionResetError):  # the client left an answer unread
        connection.recv(1)
    with contextlib.suppress(ProcessLookupError):
        if not ended.is_set():
            os.killpg(pid, signal.SIGKILL)


def _fork() -> int:
    """Fork, and return once the fork leads a session, so that its group can be ended as soon as its pid is known."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
    os.close(write)
    if pid:
        os.read(read, 1)  # ends when the fork has closed its copy
    os.close(read)
    return pid


def suits(request: Request) -> bool:
    """Whether a fork equals a cold start: no import would have read another environment or be patched."""
    given = {name: value for name, value in request.env.items() if name not in READ_LATE}
    own = {name: value for name, value in os.environ.items() if name not in READ_LATE}
    return given == own and not any(word in argument for argument in request.argv for word in PATCHING)


def _receive(connection: socket.socket) -> Request | None:
    """The request that a client sends; None when it closed the connection instead."""
    body, files, _, _ = socket.recv_fds(connection, 65536, 3)
    while body and not body.endswith(b"\n") and (more := connection.recv(65536)):
        body += more
    if not body.endswith(b"\n"):
        return None
    argv, env, cwd = json.loads(body)
    return Request(argv, env, cwd, files)


def _send(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # the client may be gone
        connection.sendall(f"{number}\n".encode())


def preload() -> None:
    """Import the libraries; RuntimeError when an import does more than define names."""
    sys.path.pop(0)  # the folder of this file, which is not a library
    for name in IMPORTED.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    state, conf = sys.modules["celery._state"], sys.modules["django.conf"]
    if state.default_app is not None or conf.settings.configured or threading.active_count() > 1:
        raise RuntimeError("an import made an app, read settings or started a thread: remove it from IMPORTED")
    gc.collect()
    gc.freeze()  # a collection in a fork does not copy what all forks share


# The fork ------------------------------------------------------------------------------------------------------------


def become(request: Request) -> None:
    """Turn this fork into the program of *request* and run it to its end."""
    for number, file in enumerate(request.files):
        os.dup2(file, number)
    os.closerange(3, 65536)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update({"PWD": request.cwd} | request.env)  # every shell sets PWD
    tempfile.tempdir = None
    program, *_ = sys.argv = list(request.argv)
    sys.orig_argv[:] = [sys.executable, *request.argv]
    found = filter(None, request.env.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:0] = [os.path.dirname(os.path.realpath(program)), *found]  # noqa: PTH120
    sys.stdin = _stream(0, "r", sys.stdin)
    sys.stdout = _stream(1, "w", sys.stdout)
    sys.stderr = _stream(2, "w", sys.stderr)
    vars(sys).update(__stdin__=sys.stdin, __stdout__=sys.stdout, __stderr__=sys.stderr)
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    main.__dict__.update(__file__=program, __builtins__=__builtins__)
    try:
        with io.open_code(program) as source:
            code = compile(source.read(), program, "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102
    except KeyboardInterrupt as error:
        _report(error)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except Exception as error:
        _report(error)
        sys.exit(1)


def _stream(number: int, mode: str, like: Any) -> io.TextIOWrapper:
    """A standard stream as Python opens it at a start with PYTHONUNBUFFERED, for the file that is there now."""
    raw = io.FileIO(number, mode, closefd=False)
    raw.name = like.name
    buffer: Any = raw if mode == "w" else io.BufferedReader(raw)
    newline = "\n" if mode == "w" else None
    stream: Any = io.TextIOWrapper(buffer, like.encoding, like.errors, newline, write_through=True)
    stream.mode = mode
    return stream  # type: ignore[no-any-return]


def _report(error: BaseException) -> None:
    """Print what Python prints of an uncaught error, without our frame, which ran the program."""
    trace = error.__traceback__ and error.__traceback__.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


if __name__ == "__main__":
    become(serve(sys.argv[1]))
