"""Starts what a reader starts with Docker, under a unique name, and removes all of it."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from cookbook.stack import docker_engine
from cookbook.stack.interface import free_port
from cookbook.stack.reaper import remove_project


@contextlib.contextmanager
def brought_up(folder: Path, command: str) -> Iterator[Callable[..., str]]:
    """Run the reader's *command* in *folder*; yield a function that runs `docker compose` there, for its output."""
    name = f"{docker_engine.PREFIX}{os.environ['COOKBOOK_RUN'][:12]}-{folder.name}"
    env = {**os.environ, "COMPOSE_PROJECT_NAME": name, "REDIS_PORT": str(free_port()), "APP_IMAGE": name}

    def docker_compose(*args: str) -> str:
        command = ["docker", "compose", *args]
        return subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout

    try:
        started = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, shell=True, check=False)
        assert started.returncode == 0, started.stderr
        yield docker_compose
    finally:
        remove_project(name)
        for image in (name, f"{name}-worker"):  # the stack names its image itself, Compose that of a lone worker
            docker_engine.remove_image(image)
