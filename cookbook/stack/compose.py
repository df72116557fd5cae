"""The backend ``compose``: the project's own docker-compose.yml, one Compose project for each process of the run."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import redis
from docker.models.containers import Container

from cookbook.project import CookbookError, Project
from cookbook.stack import containers
from cookbook.stack.docker_engine import PREFIX, answers, engine, sweep
from cookbook.stack.interface import Stack, free_port, write_jq, write_script
from cookbook.stack.local import TELL
from cookbook.stack.processes import Process, run_folder, wait_until
from cookbook.stack.reaper import COMPOSE, VARIABLE


class ComposeStack(Stack):
    """Redis as docker-compose.yml says, and each program in a container of the service `worker`."""

    backend = "compose"

    def __init__(self, project: Project, folder: Path, settings: str = "core.settings") -> None:
        super().__init__(project, folder, settings)
        self._changed: dict[str, str] = {}
        self._toolboxes: dict[Path, Container] = {}  # for each project that the stack was pointed to

    @classmethod
    def prepare(cls, project: Project) -> None:
        if not answers():
            raise CookbookError("compose: no Docker engine answers: start one, set DOCKER_HOST, or use --stack=local")
        sweep()
        compose(project, "build", "--quiet", "migrate")

    def start_redis(self, **options: str) -> None:
        name, self.port = project_of_this_process(self.project)
        self._redis_container = f"{name}-redis-1"
        client = self.redis()
        client.flushall()
        client.config_resetstat()
        for option, value in options.items():
            directive = option.replace("_", "-")
            self._changed[directive] = _directive(client, directive)
            client.config_set(directive, value)

    def restart_redis(self, *, crash: bool = False) -> None:
        container = engine().containers.get(self._redis_container)
        kept = {name: _directive(self.redis(), name) for name in self._changed}
        if crash:
            container.kill()
            container.start()
        else:
            container.restart()
        wait_for_redis(self.redis())
        for name, value in kept.items():
            self.redis().config_set(name, value)

    def start(
        self,
        argv: list[str],
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        *,
        cold: bool = True,
    ) -> Process:
        variables = {**self._container_variables(settings), **(env or {})}
        container = containers.copy(template(self.project), argv, variables, self._mounts())
        self.processes.append(containers.Service(container, argv, self.project.root))
        return self.processes[-1]

    def enter(
        self, argv: list[str], settings: Mapping[str, Any] | None = None, env: Mapping[str, str] | None = None
    ) -> Process:
        variables = {**self._container_variables(settings), **(env or {})}
        noted = self.folder / f"entered-{len(self.processes)}"
        self.processes.append(containers.Entered(self._toolbox(), argv, variables, noted))
        return self.processes[-1]

    def environment(self, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
        toolbox = self._toolbox().name
        variables = self.variables("redis://redis:6379", settings)
        passed = " ".join(f"-e {name}" for name in (*variables, "TERM", "COLUMNS", "PYTHONPATH"))
        # A program that prints to a terminal here must find one there too.
        enter = "way=-i; [ -t 1 ] && way=-t\nexec docker exec $way"
        for name in ("celery", "python", "django-admin"):
            # Docker carries output and errors apart, in no certain order: what the shell joins is joined there already.
            join = (
                f'[ /dev/fd/1 -ef /dev/fd/2 ] && set -- sh -c \'exec "$@" 2>&1\' sh {name} "$@" || set -- {name} "$@"'
            )
            write_script(self.folder / "bin", name, f'{join}\n{enter} -u {containers.USER} {passed} {toolbox} "$@"')
        write_script(self.folder / "bin", "redis-cli", f'{enter} {self._redis_container} redis-cli "$@"')
        write_jq(self.folder / "bin")
        return {
            "PATH": os.pathsep.join((str(self.folder / "bin"), os.environ["PATH"])),
            "HOME": str(self.folder),
            "PYTHONPATH": f"{self.folder}:/app",
            **{name: value for name, value in os.environ.items() if name.startswith("DOCKER_")},
            **variables,
        }

    def owns(self, process: Process, address: str) -> bool:
        assert isinstance(process, containers.Contained)
        return address.rpartition(":")[0] in process.addresses()

    def versions(self) -> dict[str, str]:
        return dict(versions(self.project))

    def close(self) -> None:
        entered = [each for each in self.processes if isinstance(each, containers.Entered)]
        for process in reversed(self.processes):
            if process not in entered:
                process.kill_group()
        for toolbox in self._toolboxes.values():
            containers.run_inside(toolbox, containers.END_ALL)
        for program in entered:
            program.detach()
        for cwd, toolbox in self._toolboxes.items():
            if cwd != self.project.recipes:
                containers.remove(toolbox)
        self.processes.clear()
        self._toolboxes.clear()
        if self.port:
            for name, value in self._changed.items():
                self.redis().config_set(name, value)

    def _toolbox(self) -> Container:
        """The container that programs enter: this process's, or for a changed copy of the project one of this stack."""
        self._need_redis()
        if self.cwd == self.project.recipes:
            self._toolboxes[self.cwd] = toolbox(self.project)
        elif self.cwd not in self._toolboxes:
            self._toolboxes[self.cwd] = containers.start_toolbox(template(self.project), self._mounts())
        return self._toolboxes[self.cwd]

    def _mounts(self) -> list[str]:
        changed = [] if self.cwd == self.project.recipes else [f"{self.cwd}:/app:ro"]
        return [f"{self.folder}:{self.folder}", *changed]

    def _need_redis(self) -> None:
        if not self.port:
            self.start_redis()

    def _container_variables(self, settings: Mapping[str, Any] | None) -> dict[str, str]:
        self._need_redis()
        return {"PYTHONPATH": f"{self.folder}:/app", **self.variables("redis://redis:6379", settings)}


def files(project: Project) -> list[str]:
    """The options that name docker-compose.yml, and what a run puts over it: an env file of its own."""
    over = run_folder() / "compose.override.yml"
    if not over.exists():
        (run_folder() / "env").write_bytes((project.root / ".env.example").read_bytes())
        services = ("migrate", "worker", "beat")
        lines = [f"  {service}:\n    env_file: !override [{run_folder() / 'env'}]" for service in services]
        over.write_text("services:\n" + "\n".join(lines) + "\n")
    return ["--env-file", str(run_folder() / "env"), "--file", "docker-compose.yml", "--file", str(over)]


def compose(project: Project, *args: str, name: str = "", over: str = "") -> str:
    """What `docker compose ARGS` prints, with the YAML text *over* over the file; CookbookError with its last line when
    it fails."""
    named = ("--project-name", name) if name else ()
    command = ["docker", "compose", *named, *files(project), *(("--file", "-") if over else ()), *args]
    done = subprocess.run(command, cwd=project.root, input=over, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no output"]
        raise CookbookError(
            f"docker compose {args[0]}: {said[-1]}: without a registry, make the images with "
            '`eval "$(.ci/engine)"`, or run with --stack=local'
        )
    return done.stdout


def own_project(suffix: str) -> str:
    """The name of a Compose project of this run, which is removed when the run ends, however it ends."""
    name = f"{PREFIX}{os.environ[VARIABLE][:12]}-{suffix}"
    with (run_folder() / COMPOSE).open("a") as noted:
        noted.write(f"{name}\n")
    return name


@functools.cache
def project_of_this_process(project: Project) -> tuple[str, int]:
    """Start Redis in this process's own Compose project; its name and the port of Redis on this machine.

    A container of the service `worker` is created beside it and never started: the template of all the others.
    """
    name = own_project(str(os.getpid()))
    port = free_port()
    os.environ["REDIS_PORT"] = str(port)
    services = ("redis", "worker")
    compose(project, "up", "--no-start", "--no-build", "--no-deps", *services, name=name, over=_unchecked(services))
    engine().containers.get(f"{name}-redis-1").start()
    wait_for_redis(redis.Redis(port=port))
    return name, port


def _unchecked(services: Sequence[str]) -> str:
    """What turns the health checks of *services* off: nobody reads them here, each costs a tenth of a second of a core
    every five seconds, and Redis would show them among the commands of its clients."""
    return json.dumps({"services": {service: {"healthcheck": {"disable": True}} for service in services}})


@functools.cache
def template(project: Project) -> Container:
    """The container that Compose made of the service `worker`, which those of programs are copies of."""
    return engine().containers.get(f"{project_of_this_process(project)[0]}-worker-1")


@functools.cache
def toolbox(project: Project) -> Container:
    """A container of this process that Django and the commands of transcripts enter, test after test."""
    return containers.start_toolbox(template(project), [f"{run_folder()}:{run_folder()}"])


@functools.cache
def versions(project: Project) -> dict[str, str]:
    """The versions in the image, by the names that evidence calls them."""
    _, said = toolbox(project).exec_run(["python", "-c", TELL], stderr=False)
    found: dict[str, str] = json.loads(said)
    return found


def _directive(client: redis.Redis, name: str) -> str:
    found: dict[str, str] = client.config_get(name)  # type: ignore[assignment]
    return found[name]


def wait_for_redis(client: redis.Redis) -> None:
    def ready() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:  # also while it loads its file
            return False

    wait_until(ready)
