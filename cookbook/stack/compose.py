"""The backend ``compose``: the project's own docker-compose.yml, one Compose project for each process of the run."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import psutil
import redis
from docker.errors import DockerException

from cookbook.project import CookbookError, Project
from cookbook.stack.interface import Stack, free_port, write_jq, write_script
from cookbook.stack.local import TELL
from cookbook.stack.processes import Process, run_folder, wait_until
from cookbook.stack.reaper import COMPOSE, PROJECT_LABEL, VARIABLE, remove_project

PREFIX = "cookbook-"


class Container(Process):
    """A program in a container of its own, attached through `docker compose run`: signals go to the container."""

    def __init__(self, name: str, argv: list[str], *, env: Mapping[str, str], cwd: Path) -> None:
        self.name = name
        super().__init__(argv, env=env, cwd=cwd)

    def signal(self, number: int) -> None:
        container = engine().containers.get(self.name)
        if number == signal.SIGSTOP:  # docker's init would stop, and the program behind it go on
            container.pause()
        elif number == signal.SIGCONT:
            container.unpause()
        else:
            container.kill(number)

    def kill(self) -> int:
        self.signal(signal.SIGKILL)
        return self.wait()

    def kill_group(self) -> None:
        remove_container(self.name)
        super().kill_group()

    def wait(self, timeout: float = 30) -> int:
        code = super().wait(timeout)
        return 128 - code if code > 128 else code  # 137 is what Docker makes of signal 9


class ComposeStack(Stack):
    """Redis as docker-compose.yml says, and each program in a container of the service `worker`."""

    backend = "compose"

    def __init__(self, project: Project, folder: Path, settings: str = "core.settings") -> None:
        super().__init__(project, folder, settings)
        self._changed: dict[str, str] = {}
        self._shell = ""

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
        project, name = self._project(), self._name()
        command = [*self._run(project, name, {**self._container_variables(settings), **(env or {})}), *argv]
        process = Container(name, command, env=os.environ, cwd=self.project.root)
        self.processes.append(process)
        return process

    def environment(self, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
        project = self._project()
        if not self._shell:
            self._shell = self._name()
            command = self._run(project, self._shell, self._container_variables(None), "--detach")
            subprocess.run([*command, "sleep", "infinity"], cwd=self.project.root, check=True, capture_output=True)
        variables = self.variables("redis://redis:6379", settings)
        passed = " ".join(f"-e {name}" for name in (*variables, "TERM", "COLUMNS", "PYTHONPATH"))
        # A program that prints to a terminal here must find one there too.
        enter = "way=-i; [ -t 1 ] && way=-t\nexec docker exec $way"
        for name in ("celery", "python", "django-admin"):
            write_script(self.folder / "bin", name, f'{enter} {passed} {self._shell} {name} "$@"')
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
        assert isinstance(process, Container)
        networks = engine().containers.get(process.name).attrs["NetworkSettings"]["Networks"].values()
        return address.rpartition(":")[0] in {network["IPAddress"] for network in networks}

    def versions(self) -> dict[str, str]:
        return dict(versions(self._project()))

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill_group()
        self.processes.clear()
        if self._shell:
            remove_container(self._shell)
        if self.port:
            for name, value in self._changed.items():
                self.redis().config_set(name, value)

    def _project(self) -> str:
        if not self.port:
            self.start_redis()
        return project_of_this_process(self.project)[0]

    def _name(self) -> str:
        return f"{self._project()}-{os.urandom(4).hex()}"

    def _container_variables(self, settings: Mapping[str, Any] | None) -> dict[str, str]:
        return {"PYTHONPATH": f"{self.folder}:/app", **self.variables("redis://redis:6379", settings)}

    def _run(self, project: str, name: str, env: Mapping[str, str], *flags: str) -> list[str]:
        changed = () if self.cwd == self.project.recipes else ("--volume", f"{self.cwd}:/app:ro")
        return [
            *("docker", "compose", "--project-name", project, *files(self.project), "run"),
            *("--rm", "--no-deps", "--no-TTY", "--quiet-pull", "--name", name, *flags),
            *("--user", f"{os.getuid()}:{os.getgid()}", "--volume", f"{self.folder}:{self.folder}", *changed),
            *(part for variable, value in env.items() for part in ("--env", f"{variable}={value}")),
            "worker",
        ]


@functools.cache
def engine() -> docker.DockerClient:
    return docker.from_env()


def answers() -> bool:
    """Whether a Docker engine answers here."""
    try:
        return bool(engine().ping())
    except DockerException:
        return False


def usable(project: Project) -> bool:
    """Whether this project has a docker-compose.yml and an engine to run it on."""
    return (project.root / "docker-compose.yml").exists() and answers()


def chosen(project: Project, stack: str) -> str:
    """The backend that the option ``--stack`` means here."""
    if stack == "auto":
        return "compose" if usable(project) else "local"
    return stack


def files(project: Project) -> list[str]:
    """The options that name docker-compose.yml, and what a run puts over it: an env file of its own."""
    over = run_folder() / "compose.override.yml"
    if not over.exists():
        (run_folder() / "env").write_bytes((project.root / ".env.example").read_bytes())
        services = ("migrate", "worker", "beat")
        lines = [f"  {service}:\n    env_file: !override [{run_folder() / 'env'}]" for service in services]
        over.write_text("services:\n" + "\n".join(lines) + "\n")
    return ["--env-file", str(run_folder() / "env"), "--file", "docker-compose.yml", "--file", str(over)]


def compose(project: Project, *args: str, name: str = "") -> str:
    """What `docker compose ARGS` prints; CookbookError with its last line when it fails."""
    command = ["docker", "compose", *(("--project-name", name) if name else ()), *files(project), *args]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
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
    """Start this process's own Compose project, with Redis only; its name and the port of Redis on this machine."""
    name = own_project(str(os.getpid()))
    port = free_port()
    os.environ["REDIS_PORT"] = str(port)
    compose(project, "up", "--detach", "--no-build", "redis", name=name)
    wait_for_redis(redis.Redis(port=port))
    return name, port


@functools.cache
def versions(project: str) -> dict[str, str]:
    image = os.environ.get("APP_IMAGE", "celery-redis-cookbook")
    said: bytes = engine().containers.run(image, ["python", "-c", TELL], remove=True, labels={PROJECT_LABEL: project})
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


def remove_container(name: str) -> None:
    try:
        container = engine().containers.get(name)
        if container.status == "paused":  # Docker thaws it to kill it: nothing that it does in between must get out
            for network in container.attrs["NetworkSettings"]["Networks"]:
                engine().networks.get(network).disconnect(container, force=True)
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "already in progress" not in str(error):
            raise


def remove_image(name: str) -> None:
    """Remove an image of ours; one that was never built is no error."""
    with suppress(docker.errors.ImageNotFound):
        engine().images.remove(name, force=True)


def sweep() -> None:
    """Remove what killed runs left on the engine: Compose projects of ours whose run has no process any more."""
    alive = " ".join(" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))
    listed = engine().containers.list(all=True, filters={"label": PROJECT_LABEL}, ignore_removed=True)
    for name in {container.labels[PROJECT_LABEL] for container in listed}:
        if name.startswith(PREFIX) and name.removeprefix(PREFIX).partition("-")[0] not in alive:
            remove_project(name)
