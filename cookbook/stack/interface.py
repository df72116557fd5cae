"""What a test runs on: a Redis server, Celery workers and a Django process. `local` and `compose` make it real."""

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

ABSENT = object()  # as a value in ``settings=``: the recipe's line is taken away
START = 90  # seconds for a program to be up, on a machine that has more to do
QUIET = ("--without-mingle", "--without-gossip", "--without-heartbeat")


class DjangoError(Exception):
    """What the Django process raised: ``name`` is the class of the exception there."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Django:
    """A live Django process: call it with source, get the value of the last expression (as JSON carries it)."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._read = 0

    def wait_ready(self) -> None:
        self._reply(START)

    def __call__(self, source: str, timeout: float = 60) -> Any:
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
    """One Redis of its own and everything that talks to it; nothing is started before it is asked for.

    ``folder`` is the test's, at the same path for every program of the stack; ``cwd`` is the project that they run,
    which a test may point to a changed copy, to show what a change breaks.
    """

    backend: str

    def __init__(self, project: Project, folder: Path, settings: str = "core.settings") -> None:
        self.project = project
        self.folder = folder
        self.settings = settings
        self.cwd = project.recipes
        self.recipe = ""  # the one under proof, if any
        self.processes: list[Process] = []
        self.port = 0
        self._overrides = 0
        folder.mkdir(parents=True, exist_ok=True)

    @classmethod
    @abstractmethod
    def prepare(cls, project: Project) -> None:
        """What is done once for a run, before any test: CookbookError when this backend cannot run here."""

    @abstractmethod
    def start_redis(self, **options: str) -> None:
        """Start the server; *options* are redis.conf directives, underscores for hyphens (``maxmemory="4mb"``)."""

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
        """Run *argv* in the project, with *settings* put over the recipe's and the variables of *env*.

        A local Python program is forked from a parent that has imported its libraries. It starts *cold* where memory,
        the time of the start or the tree of processes matter; in a container, always.
        """

    def enter(
        self, argv: list[str], settings: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
    ) -> Process:
        """`start`, for a program beside the services: on Compose it enters a container, like `docker compose exec`."""
        return self.start(argv, settings, env)

    @abstractmethod
    def environment(self, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
        """What a shell on this machine needs for `celery` and `redis-cli` to reach this stack."""

    @abstractmethod
    def owns(self, process: Process, address: str) -> bool:
        """Whether the client at *address* ("127.0.0.1:40312", as CLIENT LIST has it) is a connection of *process*."""

    @abstractmethod
    def versions(self) -> dict[str, str]:
        """What runs the tasks: the versions of python, django, celery, kombu and redis-py."""

    @abstractmethod
    def close(self) -> None:
        """End everything that this stack started, Redis last."""

    def redis(self, db: int = 0) -> redis.Redis:
        """A client of database *db*: 0 holds the queues, 1 the results (``core/settings/base.py``)."""
        if not self.port:
            self.start_redis()
        # Without redis-py's time-out: MONITOR is silent while a loaded machine starts a worker.
        return redis.Redis(port=self.port, db=db, decode_responses=True, socket_timeout=None)

    @property
    def server_version(self) -> str:
        """Name and version as the running server gives them: "Redis 7.0.15", "Valkey 8.1.8"."""
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
        """A worker with these command-line *flags*, *settings* put over the recipe's, and variables of its *env*.

        ``wait=False`` returns before it is ready (`wait_ready` awaits several at once); ``quiet=False`` lets it greet
        its neighbours (mingle, gossip, heartbeat), which costs a second or two.
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

        A worker says " ready." some milliseconds before it subscribes to the commands, and Redis keeps none for later:
        one that is published in between is lost. When a worker subscribes, only the server can tell.
        """
        server = self.redis()

        def listens(worker: Process) -> bool:
            subscribed = (each for each in server.client_list(_type="pubsub") if each["psub"] != "0")
            channels = 1 if "--without-gossip" in worker.argv else 2  # commands, and what its neighbors say
            return sum(self.owns(worker, each["addr"]) for each in subscribed) >= channels

        for worker in workers:
            worker.wait_for(" ready.", START)
            wait_until(partial(listens, worker), START, every=0.01)

    def beat(self, *flags: str, settings: Mapping[str, Any] | None = None) -> Process:
        """A `celery beat`, whose schedule file stays in the test's folder."""
        schedule = self.folder / f"schedule-{len(self.processes)}"
        argv = ["celery", "-A", "core", "beat", "--loglevel", "INFO", "--schedule", str(schedule), *flags]
        beat = self.start(argv, settings)
        beat.wait_for("beat: Starting...", START)
        return beat

    def django(self, settings: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None) -> Django:
        """A Django process that runs the code it is given."""
        script = self.folder / "shell.py"
        script.write_bytes(Path(shell.__file__).read_bytes())
        django = Django(self.enter(["python", str(script)], settings, env))
        django.wait_ready()
        return django

    def variables(self, redis_url: str, settings: Mapping[str, Any] | None) -> dict[str, str]:
        """The environment of every program of the stack, whatever runs it."""
        return {
            **INTERPRETER,
            "DJANGO_SETTINGS_MODULE": self._override(settings) if settings else self.settings,
            "DJANGO_SECRET_KEY": "for-proofs-only",
            "PUBLIC_ROOT": str(self.folder / "public"),
            "REDIS_URL": redis_url,
        }

    def _override(self, settings: Mapping[str, Any]) -> str:
        """The name of a settings module: the recipe's, with *settings* put over it."""
        self._overrides += 1
        name = f"overrides_{self._overrides}"
        lines = [f"from {self.settings} import *"]
        for key, value in settings.items():
            lines.append(f"del {key}" if value is ABSENT else f"{key} = {value!r}")
        (self.folder / f"{name}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return name


def write_jq(folder: Path) -> None:
    """Put a `jq` on the transcripts' PATH where the machine has none."""
    if not shutil.which("jq"):
        write_script(folder, "jq", f'PYTHONPATH= exec "{sys.executable}" -m cookbook.stack.jq "$@"')


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_script(folder: Path, name: str, body: str) -> None:
    """An executable shell script, for a folder at the front of PATH."""
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    script.chmod(0o755)
