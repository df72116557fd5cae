"""What a reader starts with Docker, under a name of this run's own, and removed whole."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from cookbook.stack import compose
from cookbook.stack.interface import free_port
from cookbook.stack.reaper import remove_project


@contextlib.contextmanager
def brought_up(folder: Path, command: str) -> Iterator[Callable[..., str]]:
    """Run the reader's *command* in *folder*, then give `docker compose` there: arguments, and what it printed."""
    name = f"{compose.PREFIX}{os.environ['COOKBOOK_RUN'][:12]}-{folder.name}"
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
        for image in (name, f"{name}-worker"):  # the stack names its own, and Compose that of a lone worker
            compose.remove_image(image)
