"""What a test notes of itself for the evidence, and what pytest's reports on it say: on set-up, call and teardown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from cookbook.evidence.records import WORST_FIRST, Proof, Row

Reports = Sequence[pytest.TestReport]


@dataclass
class Notes:
    """What a test notes of itself. It is a dictionary in each report, because pytest-xdist sends plain data only.

    ``versions`` maps packages to what its stack ran on, ``rewritten`` paths of transcripts to their new digests;
    ``transcripts`` are the paths of those that ran, ``records`` the names and rows of what it recorded, ``programs``
    the command lines and logs of what it started, if it failed. ``drifted`` is whether a transcript differed from its
    file as stated for an older release, ``holds_from`` the release before which the test failed as stated.
    """

    versions: dict[str, str] = field(default_factory=dict)
    transcripts: list[str] = field(default_factory=list)
    rewritten: dict[str, str] = field(default_factory=dict)
    records: list[tuple[str, list[Row]]] = field(default_factory=list)
    programs: list[tuple[str, str]] = field(default_factory=list)
    drifted: bool = False
    holds_from: str = ""


NOTES = pytest.StashKey[Notes]()


def notes_of(item: pytest.Item) -> Notes:
    """The notes of a test that runs in this process, for it to add to."""
    return item.stash.setdefault(NOTES, Notes())


def noted(report: pytest.TestReport | pytest.CollectReport) -> Notes:
    """The notes that *report* carries; empty ones when the process of the test died."""
    return Notes(**getattr(report, "notes", {}))


def function_of(nodeid: str) -> str:
    """The function of a test, without its case."""
    return nodeid.split("::")[1].partition("[")[0]


def outcome_of(reports: Reports) -> str:
    """How the test ended: one of `records.WORST_FIRST`."""
    if any(report.failed for report in reports):
        return "failed"
    if not any(report.skipped for report in reports):
        return "passed"
    if noted(reports[-1]).holds_from:
        return "stated"
    return "xfailed" if any(hasattr(report, "wasxfail") for report in reports) else "skipped"


def reason_of(reports: Reports) -> str:
    """Why it did not pass: the reason of its mark, or the first line of the failure; empty when it passed."""
    for report in reports:
        if hasattr(report, "wasxfail"):
            return str(report.wasxfail).removeprefix("reason: ")
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            return str(crash.message if crash else report.longrepr).strip().partition("\n")[0]
        if report.skipped and isinstance(report.longrepr, tuple):
            return noted(report).holds_from or str(report.longrepr[2]).removeprefix("Skipped: ")
    return ""


def seconds_of(reports: Reports) -> float:
    """How long it took, set-up and teardown included."""
    return sum(report.duration for report in reports)


def joined(rows: Iterable[Row], more: Iterable[Row]) -> list[Row]:
    """The *rows* that some cases of a proof recorded and those of one *more*; rows about the same "line" become one.

    [{"line": "a", "5.6": 1}] and [{"line": "a", "5.7": 2}] become [{"line": "a", "5.6": 1, "5.7": 2}].
    """
    found: dict[object, Row] = {row.get("line", number): row for number, row in enumerate(rows)}
    for row in more:
        line = row.get("line", len(found))
        found[line] = found.get(line, {}) | row
    return list(found.values())


@dataclass
class Progress:
    """The run of one recipe: the digests of its *files* and the names of its *proofs* as the run began, in a column
    also the digest of its *cell*; the ids of the tests that are *expected*, and the *reports* of each so far."""

    files: dict[str, str]
    proofs: set[str]
    cell: str = ""
    expected: set[str] = field(default_factory=set)
    reports: dict[str, list[pytest.TestReport]] = field(default_factory=lambda: defaultdict(list))

    def is_finished(self) -> bool:
        """Whether every expected test has ended: after its teardown, or with the process that ran it."""
        return all(
            nodeid in self.reports and self.reports[nodeid][-1].when not in ("setup", "call")
            for nodeid in self.expected
        )

    def runs_all_proofs(self) -> bool:
        """Whether each proof of the recipe is among the tests that ran."""
        return self.proofs <= {function_of(nodeid) for nodeid in self.reports}

    def notes(self) -> Iterator[tuple[str, Notes]]:
        """Each function and what it noted, in one order, so that the rows of several cases always come alike."""
        for nodeid, reports in sorted(self.reports.items()):
            yield function_of(nodeid), noted(reports[-1])

    def versions(self) -> dict[str, str]:
        """The versions that the stacks of the recipe had; several of one package in one text."""
        found: dict[str, set[str]] = defaultdict(set)
        for _, notes in self.notes():
            for package, number in notes.versions.items():
                found[package].add(number)
        return {package: ", ".join(sorted(numbers)) for package, numbers in found.items()}

    def cases(self) -> dict[str, list[list[pytest.TestReport]]]:
        """The reports of each proof, by its cases."""
        found: dict[str, list[list[pytest.TestReport]]] = defaultdict(list)
        for nodeid, reports in self.reports.items():
            found[function_of(nodeid)].append(reports)
        return found

    def ended(self) -> list[Proof]:
        """How each proof ended; the worst outcome counts where it has several cases."""
        return [
            Proof(
                name=name,
                id=cases[0][0].nodeid.partition("[")[0],
                outcome=min(map(outcome_of, cases), key=WORST_FIRST.index),
                reason=next(filter(None, map(reason_of, cases)), ""),
                seconds=round(sum(map(seconds_of, cases)), 2),
                cases=len(cases),
            )
            for name, cases in self.cases().items()
        ]
