"""What a test runs on: a Redis server, Celery workers and a Django process, as `local` and `compose` implement it."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import redis

from cookbook.project import Project
from cookbook.stack import shell
from cookbook.stack.processes import Process, wait_until
from cookbook.stack.warm import INTERPRETER

ABSENT = object()  # as a value in ``settings=``: removes the setting of the recipe
START = 90  # seconds for a program to start on a busy machine
QUIET = ("--without-mingle", "--without-gossip", "--without-heartbeat")


class DjangoError(Exception):
    """An exception in the Django process: ``name`` is its class there."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Django:
    """A running Django process: a call runs source code and returns the value of its last expression, sent as JSON."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._read = 0

    def wait_ready(self) -> None:
        """Wait until Django is set up."""
        self._reply(START)

    def __call__(self, source: str, timeout: float = 60) -> Any:
        """Run *source*; DjangoError when it raises an exception, TimeoutError after *timeout* seconds."""
        stdin = self.process.popen.stdin
        assert stdin is not None
        stdin.write(json.dumps(source) + "\n")
        stdin.flush()
        answer = self._reply(timeout)
        if "error" in answer:
            raise DjangoError(answer["error"], answer["message"])
        return answer["value"]

    def _reply(self, timeout: float) -> dict[str, Any]:
        line = self.process.wait_for(shell.RECORD, timeout, start=self._read)
        self._read = self.process.lines.index(line, self._read) + 1
        answer: dict[str, Any] = json.loads(line.partition(shell.RECORD)[2])
        return answer


class Stack(ABC):
    """A Redis server for one test and everything that connects to it, each started on first use.

    ``folder`` is the test's folder, at the same path for every program of the stack; ``cwd`` is the project that they
    run, which a test may set to a changed copy, to show what a change breaks.
    """

    backend: str

    def __init__(self, project: Project, folder: Path, settings: str = "core.settings") -> None:
        self.project = project
        self.folder = folder
        self.settings = settings
        self.cwd = project.recipes
        self.recipe = ""  # the one that is being proven, if any
        self.processes: list[Process] = []
        self.port = 0
        self._overrides = 0
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    @abstractmethod
    def prepare(cls, project: Project) -> None:
        """Prepare a run, once, before any test; CookbookError when this backend cannot run here."""

    @abstractmethod
    def start_redis(self, **options: str) -> None:
        """Start the server; *options* are redis.conf directives, with underscores for hyphens (``maxmemory="4mb"``)."""

    @abstractmethod
    def restart_redis(self, *, crash: bool = False) -> None:
        """Stop Redis (``crash=True``: SIGKILL) and start it again on the same port, with the same files and options."""

    @abstractmethod
    def start(
        self,
        argv: list[str],
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        *,
        cold: bool = False,
    ) -> Process:
        """Run *argv* in the project, with *settings* that override the recipe's and the variables of *env*.

        A local Python program is forked from a parent that has imported its libraries. Ask for a *cold* start where
        memory, the start time or the process tree matters; in a container, every start is cold.
        """

    def enter(
        self, argv: list[str], settings: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
    ) -> Process:
        """`start`, for a program beside the services: on Compose it enters a container, like `docker compose exec`."""
        return self.start(argv, settings, env)

    @abstractmethod
    def environment(self, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
        """The variables with which `celery` and `redis-cli` in a shell on this machine connect to this stack."""

    @abstractmethod
    def owns(self, process: Process, address: str) -> bool:
        """Whether the client at *address* ("127.0.0.1:40312", from CLIENT LIST) is a connection of *process*."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """The versions that run the tasks, of python, django, celery, kombu and redis-py."""

    @abstractmethod
    def close(self) -> None:
        """End everything that this stack started, Redis last."""

    def redis(self, db: int = 0) -> redis.Redis:
        """A client of database *db*: the queues are in 0, the results in 1 (``core/settings/base.py``)."""
        if not self.port:
            self.start_redis()
        # Without redis-py's timeout: MONITOR is silent while a busy machine starts a worker.
        return redis.Redis(port=self.port, db=db, decode_responses=True, socket_timeout=None)

    @property
    def server_version(self) -> str:
        """Name and version, from the running server: "Redis 7.0.15", "Valkey 8.1.8"."""
        info: dict[str, Any] = self.redis().info("server")
        if "valkey_version" in info:
            return f"Valkey {info['valkey_version']}"
        return f"Redis {info['redis_version']}"

    def worker(
        self,
        *flags: str,
        name: str = "worker1",
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        wait: bool = True,
        quiet: bool = True,
        cold: bool = False,
    ) -> Process:
        """Start a worker with these command-line *flags*, *settings* that override the recipe's, and variables.

        ``wait=False`` returns before it is ready (`wait_ready` waits for several at once); ``quiet=False`` lets it talk
        to other workers (mingle, gossip, heartbeat), which takes a second or two.
        """
        argv = [
            *("celery", "-A", "core", "worker", "--hostname", f"{name}@cookbook", "--loglevel", "INFO"),
            *(QUIET if quiet else ()),
            *(() if any(flag.startswith(("-c", "--conc", "--auto")) for flag in flags) else ("--concurrency", "1")),
            *flags,
        ]
        worker = self.start(argv, settings, env, cold=cold)
        if wait:
            self.wait_ready(worker)
        return worker

    def wait_ready(self, *workers: Process) -> None:
        """Wait until *workers* take tasks and answer control commands; TimeoutError when one does not.

        A worker logs " ready." some milliseconds before it subscribes to control commands, and Redis keeps none: a
        command published in between is lost. Only the server knows when the worker has subscribed.
        """
        server = self.redis()

        def listens(worker: Process) -> bool:
            subscribed = (each for each in server.client_list(_type="pubsub") if each["psub"] != "0")
            channels = 1 if "--without-gossip" in worker.argv else 2  # control commands, and events of other workers
            return sum(self.owns(worker, each["addr"]) for each in subscribed) >= channels

        for worker in workers:
            worker.wait_for(" ready.", START)
            wait_until(partial(listens, worker), START, every=0.01)

    def beat(self, *flags: str, settings: Mapping[str, Any] | None = None) -> Process:
        """Start `celery beat`, with its schedule file in the test's folder."""
        schedule = self.folder / f"schedule-{len(self.processes)}"
        argv = ["celery", "-A", "core", "beat", "--loglevel", "INFO", "--schedule", str(schedule), *flags]
        beat = self.start(argv, settings)
        beat.wait_for("beat: Starting...", START)
        return beat

    def django(self, settings: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None) -> Django:
        """Start a Django process that runs the code it receives."""
        script = self.folder / "shell.py"
        script.write_bytes(Path(shell.__file__).read_bytes())
        django = Django(self.enter(["python", str(script)], settings, env))
        django.wait_ready()
        return django

    def variables(self, redis_url: str, settings: Mapping[str, Any] | None) -> dict[str, str]:
        """The environment variables that every program of the stack has, on either backend."""
        return {
            **INTERPRETER,
            "DJANGO_SETTINGS_MODULE": self._override(settings) if settings else self.settings,
            "DJANGO_SECRET_KEY": "for-proofs-only",
            "PUBLIC_ROOT": str(self.folder / "public"),
            "REDIS_URL": redis_url,
        }

    def _override(self, settings: Mapping[str, Any]) -> str:
        """Write a settings module, the recipe's with *settings* over it, and return its name."""
        self._overrides += 1
        name = f"overrides_{self._overrides}"
        lines = [f"from {self.settings} import *"]
        for key, value in settings.items():
            lines.append(f"del {key}" if value is ABSENT else f"{key} = {value!r}")
        (self.folder / f"{name}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return name


def write_jq(folder: Path) -> None:
    """Add `jq` to *folder*, which is on the PATH of transcripts, where the machine has none."""
    if not shutil.which("jq"):
        write_script(folder, "jq", f'PYTHONPATH= exec "{sys.executable}" -m cookbook.stack.jq "$@"')


def free_port() -> int:
    """A port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_script(folder: Path, name: str, body: str) -> None:
    """Write an executable shell script to *folder*, which is first on PATH."""
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    script.chmod(0o755)
