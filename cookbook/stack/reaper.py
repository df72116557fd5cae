"""Ends what a run started, however the run itself ends.

The run keeps the write end of this program's standard input. When the run exits, also by SIGKILL, that pipe closes:
every process of the run is killed and its folder removed. A process belongs to the run when its environment contains
the run's id, or when its pid was noted before it was executed (redis-server overwrites its own environment).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from docker.models.networks import Network

VARIABLE = "COOKBOOK_RUN"
COMPOSE = "compose-projects"  # in the run's folder: a line for each Compose project of the run
PROJECT_LABEL = "com.docker.compose.project"
REMOVAL = 60  # seconds for the engine to finish removals
COUNTED = "has active endpoints"  # also said of a container that is gone: https://github.com/moby/moby/issues/42119
COUNTED_FOR = 10  # seconds after the last container until that is the engine's fault
KILLING = 5  # seconds for killed processes to disappear
NOTED = "processes"  # in the run's folder: a line "pid seconds-since-epoch" for each program started


def main(run_id: str, folder: Path) -> None:
    """Wait until the run is over, then remove its processes, Compose projects and *folder*."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()  # blocks until the run is over
    deadline = time.monotonic() + KILLING
    while (left := list(processes_of(run_id, folder))) and time.monotonic() < deadline:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)
    if (folder / COMPOSE).exists():
        for name in (folder / COMPOSE).read_text().split():
            remove_project(name)
    shutil.rmtree(folder, ignore_errors=True)


def processes_of(run_id: str, folder: Path) -> Iterator[psutil.Process]:
    """Every live process of the run *run_id* except this one."""
    noted = dict(_noted(folder / NOTED))
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            # A process that reuses a noted pid started after the note was written.
            known = process.pid in noted and process.create_time() <= noted[process.pid] + 1
            if known or process.environ().get(VARIABLE) == run_id:
                yield process


def remove_project(name: str) -> None:
    """Remove the Compose project *name* from the engine: its containers, networks and volumes."""
    import docker  # noqa: PLC0415  # slow to import, and most runs have no engine

    engine = docker.from_env()
    labelled = {"label": f"{PROJECT_LABEL}={name}"}
    deadline, given_up = time.monotonic() + REMOVAL, time.monotonic() + COUNTED_FOR
    while True:
        containers = engine.containers.list(True, filters=labelled, ignore_removed=True)
        removals = [
            *(partial(each.remove, force=True, v=True) for each in containers),
            *(partial(_remove_network, each) for each in engine.networks.list(filters=labelled)),
            *(partial(each.remove, force=True) for each in engine.volumes.list(filters=labelled)),
        ]
        if not removals:
            return
        if containers:
            given_up = time.monotonic() + COUNTED_FOR
        for remove in removals:
            try:
                remove()
            except docker.errors.APIError as error:  # it is being removed, or a container that restarts still uses it
                if COUNTED in str(error) and time.monotonic() > given_up:
                    sys.stderr.write(f"{name}: Docker cannot remove this network until it restarts: {error}\n")
                    return
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.1)


def _remove_network(network: Network) -> None:
    """Remove *network*, with the connections that the engine keeps of containers removed while they started."""
    network.reload()
    for connected in network.attrs["Containers"].values():
        network.disconnect(connected["Name"], force=True)
    network.remove()


def _noted(file: Path) -> Iterator[tuple[int, float]]:
    if file.exists():
        for line in file.read_text().splitlines():
            pid, seconds = line.split()
            yield int(pid), float(seconds)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
