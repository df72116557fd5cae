"""What pytest's reports on one test say together: those of its set-up, its call and its teardown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def function_of(nodeid: str) -> str:
    """The function of a test, whichever of its cases it is."""
    return nodeid.split("::")[1].partition("[")[0]


def outcome_of(reports: Sequence[pytest.TestReport]) -> str:
    """How the test ended: one of `evidence.WORST_FIRST`."""
    if any(report.failed for report in reports):
        return "failed"
    if any(hasattr(report, "stated") for report in reports):
        return "stated"
    if any(report.skipped for report in reports):
        return "xfailed" if any(hasattr(report, "wasxfail") for report in reports) else "skipped"
    return "passed"


def reason_of(reports: Sequence[pytest.TestReport]) -> str:
    """Why it did not pass: what its mark says, or the first line of the failure; empty when it passed."""
    for report in reports:
        if hasattr(report, "wasxfail"):
            return str(report.wasxfail).removeprefix("reason: ")
        if hasattr(report, "stated"):
            return str(report.stated)
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            return str(crash.message if crash else report.longrepr).strip().partition("\n")[0]
        if report.skipped and isinstance(report.longrepr, tuple):
            return str(report.longrepr[2]).removeprefix("Skipped: ")
    return ""


def seconds_of(reports: Sequence[pytest.TestReport]) -> float:
    """What it took, set-up and teardown included."""
    return sum(report.duration for report in reports)


def joined(rows: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The *rows* that cases of a proof recorded and those of one *more*: what is said of one "line" in one row.

    [{"line": "a", "5.6": 1}] and [{"line": "a", "5.7": 2}] become [{"line": "a", "5.6": 1, "5.7": 2}].
    """
    found = {row.get("line", number): row for number, row in enumerate(rows)}
    for row in more:
        line = row.get("line", len(found))
        found[line] = found.get(line, {}) | row
    return list(found.values())
