"""Ends what a run started, however the run itself ends.

The run holds the write end of this program's standard input. When the run exits, also by SIGKILL, that pipe closes:
every process of the run is killed and its folder removed. A process belongs to the run when its environment carries
the run's id, or when its pid was noted before it was executed (redis-server overwrites its own environment).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil

VARIABLE = "COOKBOOK_RUN"
COMPOSE = "compose-projects"  # in the run's folder: a line for each Compose project of the run
PROJECT_LABEL = "com.docker.compose.project"
REMOVAL = 60  # seconds for the engine to let go of what it is asked to remove
NOTED = "processes"  # in the run's folder: a line "pid seconds-since-epoch" for each program started


def main(run_id: str, folder: Path) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.stdin.buffer.read()  # blocks until the run is over
    deadline = time.monotonic() + 5
    while (left := list(processes_of(run_id, folder))) and time.monotonic() < deadline:
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=1)
    if (folder / COMPOSE).exists():
        for name in (folder / COMPOSE).read_text().split():
            remove_project(name)
    shutil.rmtree(folder, ignore_errors=True)


def processes_of(run_id: str, folder: Path) -> Iterator[psutil.Process]:
    """Every live process of the run *run_id*, this one excepted."""
    noted = dict(_noted(folder / NOTED))
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            # A pid that the system gave away again started after the note was written.
            known = process.pid in noted and process.create_time() <= noted[process.pid] + 1
            if known or process.environ().get(VARIABLE) == run_id:
                yield process
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def remove_project(name: str) -> None:
    """Take the Compose project *name* off the engine: its containers, networks and volumes."""
    import docker  # noqa: PLC0415  # slow to import, and most runs have no engine

    engine = docker.from_env()
    labelled = {"label": f"{PROJECT_LABEL}={name}"}
    deadline = time.monotonic() + REMOVAL
    while True:
        removals = [
            *(
                partial(each.remove, force=True, v=True)
                for each in engine.containers.list(True, filters=labelled, ignore_removed=True)
            ),
            *(each.remove for each in engine.networks.list(filters=labelled)),
            *(partial(each.remove, force=True) for each in engine.volumes.list(filters=labelled)),
        ]
        if not removals:
            return
        for remove in removals:
            try:
                remove()
            except docker.errors.APIError:  # it goes by itself, or a container that starts again still holds it
                if time.monotonic() > deadline:
                    raise
        time.sleep(0.1)


def _noted(file: Path) -> Iterator[tuple[int, float]]:
    if file.exists():
        for line in file.read_text().splitlines():
            pid, seconds = line.split()
            yield int(pid), float(seconds)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
