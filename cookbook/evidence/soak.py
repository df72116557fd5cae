"""Runs proofs again and again, every second time beside a busy loop for each processor: it shows which are flaky."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from cookbook.evidence import failures
from cookbook.project import Project

# Ends by itself when the process that started it is gone, also after a SIGKILL.
BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"


@dataclass(frozen=True)
class Round:
    """One run of the proofs: ``failures`` maps what failed to its log; ``loaded`` is with busy loops beside it."""

    number: int
    loaded: bool
    seconds: float
    proofs: int
    failures: dict[str, Path]


def soak(project: Project, pytest: Sequence[str], times: int) -> bool:
    """Run the command *pytest* so many *times* and print a table of the runs; whether nothing ever failed.

    The log of each failure is kept in ``build/soak/run-N/``; the evidence stays as it was.
    """
    folder = project.root / "build" / "soak"
    shutil.rmtree(folder, ignore_errors=True)
    rounds: list[Round] = []
    try:
        for number in range(1, times + 1):
            rounds.append(_round(project, pytest, folder / f"run-{number}", number))
            last = rounds[-1]
            print(f"run {number} of {times}: {last.seconds:.0f} s, {len(last.failures)} failed", flush=True)
    finally:
        print(_table(project, rounds), flush=True)
    return not any(each.failures for each in rounds)


def _round(project: Project, pytest: Sequence[str], folder: Path, number: int) -> Round:
    folder.mkdir(parents=True)
    loaded = number % 2 == 0
    report, log = folder / "report.xml", folder / "output.log"
    command = [*pytest, "--try=1", "--no-evidence", f"--junitxml={report}"]
    shutil.rmtree(failures.folder(project), ignore_errors=True)
    start = time.monotonic()
    with _busy_loops(os.cpu_count() or 1 if loaded else 0), log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=project.root, stdout=output, stderr=subprocess.STDOUT)
        try:
            status = process.wait()
        except BaseException:  # Ctrl-C, or the SIGTERM that __main__ makes a SystemExit of
            process.terminate()
            process.wait()  # until it has tidied up
            raise
    cases = len(list(ElementTree.parse(report).iter("testcase"))) if report.exists() else 0  # noqa: S314  # pytest's own
    failed = {each.id: folder / Path(each.log).name for each in failures.load(project)}
    for file in failed.values():
        shutil.move(failures.folder(project) / file.name, file)
    if status and not failed:
        failed["pytest itself"] = log
    return Round(number, loaded, time.monotonic() - start, cases, failed)


@contextlib.contextmanager
def _busy_loops(number: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(number)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _table(project: Project, rounds: Sequence[Round]) -> str:
    lines = [f"{'run':>3}  {'machine':7}  {'seconds':>7}  {'proofs':>6}  {'failed':>6}"]
    for each in rounds:
        machine = "loaded" if each.loaded else "idle"
        lines.append(f"{each.number:>3}  {machine:7}  {each.seconds:>7.0f}  {each.proofs:>6}  {len(each.failures):>6}")
        lines += [f"     {name}: {project.relative(log)}" for name, log in each.failures.items()]
    return "\n".join(lines)
