"""Runs proofs again and again, every second time beside a busy loop for each processor: it shows which are flaky."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from xml.etree import ElementTree

from cookbook.evidence import failures
from cookbook.project import Project

# Ends by itself when the process that started it is gone, also after a SIGKILL.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"
ROW = "{:>3}  {:7}  {:>7}  {:>6}  {:>6}"


def soak(project: Project, pytest: Sequence[str], times: int) -> bool:
    """Run the command *pytest* so many *times*, and print a row of a table for each run; whether nothing ever failed.

    The log of each failure is kept in ``build/soak/run-N/``; the evidence stays as it was.
    """
    folder = project.root / "build" / "soak"
    shutil.rmtree(folder, ignore_errors=True)
    print(ROW.format("run", "machine", "seconds", "proofs", "failed"), flush=True)
    failed_once = False
    for number in range(1, times + 1):
        start, loaded = time.monotonic(), number % 2 == 0
        with _busy_loops(os.cpu_count() or 1 if loaded else 0):
            proofs, failed = _run(project, pytest, folder / f"run-{number}")
        seconds = f"{time.monotonic() - start:.0f}"
        print(ROW.format(number, "loaded" if loaded else "idle", seconds, proofs, len(failed)), flush=True)
        for name, log in failed.items():
            print(f"     {name}: {project.relative(log)}", flush=True)
        failed_once = failed_once or bool(failed)
    return not failed_once


def _run(project: Project, pytest: Sequence[str], folder: Path) -> tuple[int, dict[str, Path]]:
    """Run the proofs once: how many ran, and the log of each that failed, in *folder*."""
    folder.mkdir(parents=True)
    report, log = folder / "report.xml", folder / "output.log"
    shutil.rmtree(failures.folder(project), ignore_errors=True)
    with log.open("w", encoding="utf-8") as output:
        command = [*pytest, "--try=1", "--no-evidence", f"--junitxml={report}"]
        process = subprocess.Popen(command, cwd=project.root, stdout=output, stderr=subprocess.STDOUT)
        try:
            status = process.wait()
        except BaseException:  # Ctrl-C, or the SystemExit that __main__ makes of a SIGTERM
            process.terminate()
            process.wait()  # until it has cleaned up
            raise
    proofs = len(list(ElementTree.parse(report).iter("testcase"))) if report.exists() else 0  # noqa: S314  # pytest's own
    failed = {each.id: folder / Path(each.log).name for each in failures.load(project)}
    for file in failed.values():
        shutil.move(failures.folder(project) / file.name, file)
    return proofs, failed or ({"pytest itself": log} if status else {})


@contextmanager
def _busy_loops(number: int) -> Iterator[None]:
    with ExitStack() as ending:
        for _ in range(number):
            loop = ending.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
            ending.callback(loop.kill)
        yield
