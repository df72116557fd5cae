"""The Docker engine of this machine: whether it answers, and what runs leave on it."""

from __future__ import annotations

import functools
from contextlib import suppress

import docker
import psutil
from docker.errors import DockerException

from cookbook.project import COMPOSE_FILE, Project
from cookbook.stack import containers
from cookbook.stack.reaper import PROJECT_LABEL, remove_project

PREFIX = "cookbook-"  # of the names of Compose projects of runs


@functools.cache
def engine() -> docker.DockerClient:
    """The client of the Docker engine that the environment names."""
    return docker.from_env()


def answers() -> bool:
    """Whether a Docker engine answers here."""
    try:
        return bool(engine().ping())
    except DockerException:
        return False


def usable(project: Project) -> bool:
    """Whether this project has a docker-compose.yml and an engine to run it on."""
    return (project.root / COMPOSE_FILE).exists() and answers()


def chosen(project: Project, stack: str) -> str:
    """The backend that the option ``--stack`` means here."""
    if stack == "auto":
        return "compose" if usable(project) else "local"
    return stack


def remove_container(name: str) -> None:
    """Remove the container called *name*; one that is gone is no error."""
    with suppress(docker.errors.NotFound):
        containers.remove(engine().containers.get(name))


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
