"""Runs Python programs as forks of a process that has already imported Celery, Django and redis-py.

A cold `celery worker` spends most of its start importing: 0.9 s of CPU, a fork 0.3 s. The parent imports libraries, but
no settings and no project module. Each fork gets the arguments, environment, folder, files and signals that a shell
would give a new program, in a session of its own. Standard library only: older environments run this file by its path.

    python warm_parent.py SOCKET

`warm_client` sends a line of JSON, `[argv, environment, folder]`, with its three standard files. The answer is a line
with the program's pid, or 0 when only a cold start gives what is asked for; and when the program has ended, a line with
its exit code, negative for a signal. When the client closes the connection first, the program and its group are killed.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import threading
import types
from typing import Any, NamedTuple

# What a worker, beat, `celery` and a Django process import anyway; what a release lacks is left out.
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
READ_LATE = {  # variables that no import reads: by settings, by the shell, or when a program asks
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
    """Fork a program for each request; return in each fork, with the request that it has to run."""
    imported = preload()
    listener = socket.socket(socket.AF_UNIX)
    folder, name = os.path.split(path)
    os.chdir(folder)  # the path of a socket has to be short
    listener.bind(f"{name}.new")
    listener.listen(128)
    os.rename(f"{name}.new", name)  # noqa: PTH104  # who sees the socket can connect to it
    print("ready", imported, flush=True)
    children: dict[int, socket.socket] = {}
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # what ends wakes the selector
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    selector.register(listener.accept()[0], selectors.EVENT_READ)
                elif key.fileobj != woken and (request := _answer(key.fileobj, children, selector)):
                    return request
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            _reap(children, selector)  # last: it closes connections that the selector may have listed


def _answer(connection: Any, children: dict[int, socket.socket], selector: selectors.BaseSelector) -> Request | None:
    """Fork for the request on *connection*: the request in the fork, None in the parent."""
    running = next((pid for pid, each in children.items() if each is connection), None)
    request = None if running else _receive(connection)
    if request and suits(request):
        pid = _fork()
        if pid == 0:
            return request
        children[pid] = connection
        _close(request)
        _say(connection, pid)
        return None
    if request:
        _close(request)
        _say(connection, 0)
    selector.unregister(connection)  # the client starts the program cold, or is gone
    connection.close()
    if running:
        del children[running]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running, signal.SIGKILL)
    return None


def _fork() -> int:
    """`os.fork`, after which the fork leads a session: who hears of its pid may end its group at once."""
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
    """Whether a fork is what a cold start would be: the imports would have read no other environment."""
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


def _close(request: Request) -> None:
    """Close the files of a program: it has its own by now, and the client sees their end only when nobody has them."""
    for file in request.files:
        os.close(file)


def _say(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # the client may be gone
        connection.sendall(f"{number}\n".encode())


def _reap(children: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    """Report each program that has ended to its client."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, raw = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            connection = children.pop(pid, None)
            if connection is None:
                continue
            _say(connection, os.waitstatus_to_exitcode(raw))
            selector.unregister(connection)
            connection.close()


def preload() -> int:
    """Import the libraries, and how many of them there were; RuntimeError when that did more than define names."""
    sys.path.pop(0)  # the folder of this file, which is no library
    before = len(sys.modules)
    for name in IMPORTED.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    state, conf = sys.modules["celery._state"], sys.modules["django.conf"]
    if state.default_app is not None or conf.settings.configured or threading.active_count() > 1:
        raise RuntimeError("an import made an app, read settings or started a thread: take it out of IMPORTED")
    gc.collect()
    gc.freeze()  # a collection in a fork does not copy what all forks share
    return len(sys.modules) - before


# The fork ------------------------------------------------------------------------------------------------------------


def become(request: Request) -> None:
    """Turn this fork into the program of *request* and run it to its end."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, file in enumerate(request.files):
        os.dup2(file, number)
    os.closerange(3, 65536)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update({"PWD": request.cwd} | request.env)  # as each shell says it
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
    """Print what Python prints of an uncaught error, without the frame of ours that ran the program."""
    trace = error.__traceback__ and error.__traceback__.tb_next
    sys.excepthook(type(error), error.with_traceback(trace), trace)


if __name__ == "__main__":
    become(serve(sys.argv[1]))
