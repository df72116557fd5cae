"""The backend ``local``: a server from PATH or from an installed wheel, and workers as child processes."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from cookbook.project import Project
from cookbook.stack import warm
from cookbook.stack.interface import Stack, free_port, write_jq, write_script
from cookbook.stack.processes import TEMPORARY, Process, run_folder
from cookbook.stack.programs import find_client, find_server
from cookbook.stack.reaper import VARIABLE

PACKAGES = {"django": "django", "celery": "celery", "kombu": "kombu", "redis-py": "redis"}
TELL = (  # prints the versions of the Python environment that runs it, under the names that evidence uses
    "import json, platform; from importlib.metadata import version; "
    f"print(json.dumps({{'python': platform.python_version(), **{{n: version(p) for n, p in {PACKAGES!r}.items()}}}}))"
)


class LocalStack(Stack):
    """A stack of child processes on this machine.

    They run in this Python environment, or in the one whose ``bin`` folder is *programs*; *server* is the server
    program (default: the one that `find_server` finds).
    """

    backend = "local"

    def __init__(
        self,
        project: Project,
        folder: Path,
        settings: str = "core.settings",
        programs: Path | None = None,
        server: Path | None = None,
    ) -> None:
        super().__init__(project, folder, settings)
        self._server_program = str(server or find_server())
        self._programs = programs or Path(sys.executable).parent
        self._is_own = programs is None
        self._server: Process | None = None
        self._options: dict[str, str] = {}

    @classmethod
    def prepare(cls, project: Project) -> None:
        find_server()
        find_client()

    def start_redis(self, **options: str) -> None:
        self._options = options
        while True:
            port = self.port or free_port()
            directives = {"port": str(port), "bind": "127.0.0.1", "dir": str(self.folder), "save": "", **options}
            argv = [self._server_program]
            for name, value in directives.items():
                argv += [f"--{name.replace('_', '-')}", value]
            self._server = Process(argv, env=os.environ, cwd=self.folder)
            self.processes.append(self._server)
            try:
                self._server.wait_for("Ready to accept connections")
            except TimeoutError:
                if "Address already in use" not in self._server.log:
                    raise
                self.port = 0  # another program took the port after `free_port` chose it
            else:
                self.port = port
                return

    def restart_redis(self, *, crash: bool = False) -> None:
        assert self._server is not None, "no server to restart: nothing used it yet"
        if crash:
            self._server.kill()
        else:
            self._server.stop()
        self.start_redis(**self._options)

    def start(
        self,
        argv: list[str],
        settings: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        *,
        cold: bool = False,
    ) -> Process:
        variables = {**self._environment(settings), **(env or {})}
        cold = cold or self._is_first_start(argv)
        fork = None if cold else warm.start(self._programs, argv, env=variables, cwd=self.cwd)
        process = Process(argv, env=variables, cwd=self.cwd, started=fork)
        self.processes.append(process)
        return process

    def _is_first_start(self, argv: list[str]) -> bool:
        """Whether this is the first `celery` of the recipe in this run, which starts cold, as in production."""
        if argv[0] != "celery" or not self.recipe:
            return False
        try:
            (run_folder() / f"cold-{self.recipe}").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def environment(self, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
        variables = self._environment(settings)
        for name in (*warm.SCRIPTS, "python"):
            write_script(self.folder / "warm", name, warm.script(self._programs, name))
        return variables | {"PATH": os.pathsep.join((str(self.folder / "warm"), variables["PATH"]))}

    def _environment(self, settings: Mapping[str, Any] | None) -> dict[str, str]:
        """The variables of a program that starts cold, like every program that it starts."""
        if not self.port:
            self.start_redis()
        # The first `redis-cli` on PATH is one that connects to this stack's server.
        write_script(self.folder / "bin", "redis-cli", f'exec "{find_client()}" -p {self.port} "$@"')
        write_jq(self.folder / "bin")
        return {
            "PATH": os.pathsep.join((str(self.folder / "bin"), str(self._programs), os.environ["PATH"])),
            "HOME": str(self.folder),
            **{name: os.environ[name] for name in (TEMPORARY, VARIABLE)},
            "PYTHONPATH": os.pathsep.join((str(self.folder), str(self.cwd))),
            **self.variables(f"redis://127.0.0.1:{self.port}", settings),
        }

    def owns(self, process: Process, address: str) -> bool:
        connections = psutil.Process(process.pid).net_connections("tcp")
        return address in {f"{each.laddr.ip}:{each.laddr.port}" for each in connections if each.laddr}

    def versions(self) -> dict[str, str]:
        return installed_versions() if self._is_own else versions_of(self._programs)

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill_group()
        self.processes.clear()


def installed_versions() -> dict[str, str]:
    """The versions of this Python environment."""
    packages = {name: version(package) for name, package in PACKAGES.items()}
    return {"python": platform.python_version(), **packages}


@cache
def versions_of(programs: Path) -> dict[str, str]:
    """The versions of the Python environment whose ``bin`` folder is *programs*."""
    done = subprocess.run([str(programs / "python"), "-c", TELL], capture_output=True, text=True, check=True)
    versions: dict[str, str] = json.loads(done.stdout)
    return versions
