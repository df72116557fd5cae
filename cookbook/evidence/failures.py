"""What failed in a run of the proofs, kept in build/failed/: a log for each proof, and the list for `proving`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from cookbook.evidence.reports import Reports, function_of, noted, reason_of
from cookbook.project import Project


@dataclass(frozen=True)
class Failure:
    """A proof that failed, or a module that pytest could not read: its *id* for pytest, its *place* as file:line, the
    first line of the failure, the path of its log from the root, and whether a second try may pass, *by_chance*."""

    id: str
    place: str
    expected: str
    log: str
    by_chance: bool = True


def folder(project: Project) -> Path:
    """Where the logs of the last run are."""
    return project.root / "build" / "failed"


def load(project: Project) -> list[Failure]:
    """What failed in the last pytest of the run; nothing when that ended too early to save it."""
    file = folder(project) / "failures.json"
    return [Failure(**each) for each in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []


def save(project: Project, failures: Iterable[Failure]) -> None:
    """Write the list that `load` reads."""
    folder(project).mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(each) for each in failures], ensure_ascii=False, indent=1)
    (folder(project) / "failures.json").write_text(text, encoding="utf-8")


def of_proof(project: Project, recipe: str, reports: Reports, attempt: int) -> Failure:
    """Write the log of a proof of *recipe* that failed; *reports* are those of all its cases."""
    proof = reports[0].nodeid.partition("[")[0]
    module = proof.partition("::")[0]
    log = _log(project, f"{recipe}.{function_of(proof)}", f"{proof}, try {attempt}", reports)
    line = (reports[0].location[1] or 0) + 1
    # A known defect that is fixed stays fixed at the second try.
    return Failure(proof, f"{module}:{line}", reason_of(reports), log, by_chance="xfail" not in reports[0].keywords)


def of_module(project: Project, recipe: str, report: pytest.CollectReport) -> Failure:
    """Write the log of the module of *recipe* that pytest could not read."""
    why = report.longreprtext.strip().rpartition("\n")[2].removeprefix("E").strip()
    log = _log(project, recipe, report.nodeid, [report])
    return Failure(report.nodeid, report.nodeid, why, log, by_chance=False)


def _log(project: Project, name: str, title: str, reports: Reports | list[pytest.CollectReport]) -> str:
    """Add to the log *name* the failure in *reports*, with captured output and the logs of the programs that the test
    started; return its path from the root."""
    parts = [(title, "")]
    for report in reports:
        if report.failed:
            parts += [(f"{report.nodeid} ({report.when})", report.longreprtext), *report.sections]
            parts += noted(report).programs
    file = folder(project) / f"{name}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as log:
        log.writelines(f"=== {heading}\n{text.rstrip()}\n\n" for heading, text in parts)
    return project.relative(file)
