"""What failed in a run of the proofs, kept in build/failed/: a log for each proof, and the list for `proving`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from cookbook.evidence.reports import function_of, reason_of
from cookbook.project import Project


@dataclass(frozen=True)
class Failure:
    """A proof that failed, or a module that pytest could not read: *id* for pytest, *place* as file:line, the first
    line of the failure, and the path of its log from the root. *by_chance*: whether a second try can end otherwise."""

    id: str
    place: str
    expected: str
    log: str
    by_chance: bool = True


def folder(project: Project) -> Path:
    return project.root / "build" / "failed"


def load(project: Project) -> list[Failure]:
    """What failed in the last pytest of the run; nothing when it did not get that far."""
    file = folder(project) / "failures.json"
    return [Failure(**each) for each in json.loads(file.read_text(encoding="utf-8"))] if file.exists() else []


def save(project: Project, failures: Iterable[Failure]) -> None:
    folder(project).mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(each) for each in failures], ensure_ascii=False, indent=1)
    (folder(project) / "failures.json").write_text(text, encoding="utf-8")


def of_proof(project: Project, recipe: str, reports: Sequence[pytest.TestReport], attempt: int) -> Failure:
    """The failure that *reports*, of all cases of one proof of *recipe*, are about; its log is written."""
    proof = reports[0].nodeid.partition("[")[0]
    module = proof.partition("::")[0]
    log = _log(project, f"{recipe}.{function_of(proof)}", f"{proof}, try {attempt}", reports)
    line = (reports[0].location[1] or 0) + 1
    # A defect that is watched and gone is gone at the second try, too.
    return Failure(proof, f"{module}:{line}", reason_of(reports), log, by_chance="xfail" not in reports[0].keywords)


def of_module(project: Project, recipe: str, report: pytest.CollectReport) -> Failure:
    """The failure of the proofs of *recipe* that pytest could not even read; its log is written."""
    why = report.longreprtext.strip().rpartition("\n")[2].removeprefix("E").strip()
    log = _log(project, recipe, report.nodeid, [report])
    return Failure(report.nodeid, report.nodeid, why, log, by_chance=False)


def _log(
    project: Project, name: str, title: str, reports: Sequence[pytest.TestReport] | Sequence[pytest.CollectReport]
) -> str:
    """Add to the log *name* what *reports* say of a failure, with captured output and the logs of the programs that the
    test started; return its path from the root."""
    file = folder(project) / f"{name}.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    parts = [(title, "")]
    for report in reports:
        if report.failed:
            parts += [(f"{report.nodeid} ({report.when})", report.longreprtext), *report.sections]
            parts += getattr(report, "programs", ())
    with file.open("a", encoding="utf-8") as log:
        log.writelines(f"=== {heading}\n{text.rstrip()}\n\n" for heading, text in parts)
    return project.relative(file)
