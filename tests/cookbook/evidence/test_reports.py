"""What several reports on a test, and several cases of a proof, come to."""

from dataclasses import asdict
from types import SimpleNamespace

import pytest

from cookbook.evidence import reports
from cookbook.evidence.records import Row
from cookbook.evidence.reports import Notes, Progress

LOCATION = ("tests/recipes/test_keys.py", 7, "test_depth")


def report(when="call", outcome="passed", name="test_depth", longrepr=None, duration=0.25, **extra):
    """A report as pytest makes it; *extra* are the attributes that plugins add."""
    nodeid = f"tests/recipes/test_keys.py::{name}"
    return pytest.TestReport(nodeid, LOCATION, {}, outcome, longrepr, when, duration=duration, **extra)


def ended(*calls, notes=None):
    """The reports on a test from set-up to teardown, around those on its *calls*."""
    carried = {} if notes is None else {"notes": asdict(notes)}
    return [report("setup"), *calls, report("teardown", **carried)]


SKIPPED = report(outcome="skipped", longrepr=("test_keys.py", 7, "Skipped: needs Sentinel"))
STATED = Notes(holds_from="5.3")


@pytest.mark.parametrize(
    ("seen", "outcome", "reason"),
    [
        (ended(report()), "passed", ""),
        (ended(report(outcome="failed", longrepr="E   assert 1 == 2\nmore")), "failed", "E   assert 1 == 2"),
        (ended(SKIPPED), "skipped", "needs Sentinel"),
        (ended(report(outcome="skipped", wasxfail="reason: upstream")), "xfailed", "upstream"),
        (
            ended(report(outcome="skipped", longrepr=("a", 1, "holds from 5.3"), notes=asdict(STATED)), notes=STATED),
            "stated",
            "5.3",
        ),
        ([report("setup"), report("???", "failed", longrepr="worker crashed")], "failed", "worker crashed"),
        ([report("setup"), report(), report("teardown", "failed", longrepr="left over")], "failed", "left over"),
    ],
)
def test_the_reports_on_a_test_come_to_one_outcome_and_its_reason(seen, outcome, reason):
    assert (reports.outcome_of(seen), reports.reason_of(seen)) == (outcome, reason)


def test_a_test_takes_the_time_of_its_set_up_and_teardown_too():
    assert reports.seconds_of(ended(report())) == 0.75


def test_the_function_of_a_test_is_without_its_case():
    assert reports.function_of("tests/recipes/test_keys.py::test_depth[a::b]") == "test_depth"


def test_rows_about_the_same_line_become_one_and_other_rows_stay():
    rows: list[Row] = [{"line": "a", "5.6": 1}, {"of": "5.6"}]
    more: list[Row] = [{"line": "a", "5.7": 2}, {"of": "5.7"}]
    assert reports.joined(rows, more) == [{"line": "a", "5.6": 1, "5.7": 2}, {"of": "5.6"}, {"of": "5.7"}]


def test_notes_reach_the_recorder_and_a_test_whose_process_died_has_none():
    notes = Notes({"celery": "5.7.0"}, ["keys/depth.console"], records=[("depth", [{"waiting": 5}])], drifted=True)
    assert reports.noted(report(notes=asdict(notes))) == notes
    assert reports.noted(report("???", "failed")) == Notes()


def test_the_notes_of_a_test_are_the_same_object_each_time():
    item = SimpleNamespace(stash=pytest.Stash())
    reports.notes_of(item).drifted = True  # type: ignore[arg-type]
    assert reports.notes_of(item).drifted  # type: ignore[arg-type]


@pytest.fixture
def progress():
    """The run of two proofs, one of which has two cases: the second one to run failed."""
    run = Progress({}, {"test_depth", "test_keys"})
    run.expected = {f"tests/recipes/test_keys.py::{name}" for name in ("test_depth[a]", "test_depth[b]", "test_keys")}
    versions = {"test_depth[a]": "5.6", "test_depth[b]": "5.7", "test_keys": "5.7"}
    for name, outcome in (("test_depth[b]", "passed"), ("test_depth[a]", "failed"), ("test_keys", "passed")):
        notes = Notes(versions={"celery": versions[name]})
        for when in ("setup", "call", "teardown"):
            made = report(when, outcome if when == "call" else "passed", name, "assert 0", notes=asdict(notes))
            run.reports[made.nodeid].append(made)
    return run


def test_a_proof_of_several_cases_ends_with_its_worst_one(progress):
    depth, keys = progress.ended()
    assert (depth.name, depth.outcome, depth.reason, depth.cases) == ("test_depth", "failed", "assert 0", 2)
    assert depth.id == "tests/recipes/test_keys.py::test_depth"
    assert depth.seconds == 1.5
    assert (keys.outcome, keys.cases) == ("passed", 1)


def test_the_notes_of_cases_come_in_the_order_of_their_names(progress):
    assert [notes.versions["celery"] for _, notes in progress.notes()] == ["5.6", "5.7", "5.7"]
    assert progress.versions() == {"celery": "5.6, 5.7"}


def test_a_run_is_finished_when_each_expected_test_had_its_teardown(progress):
    assert progress.is_finished()
    last = progress.reports["tests/recipes/test_keys.py::test_keys"].pop()
    assert not progress.is_finished()
    progress.reports[last.nodeid].append(report("???", "failed"))
    assert progress.is_finished()
    progress.expected.add("tests/recipes/test_keys.py::test_more")
    assert not progress.is_finished()


def test_a_run_of_some_proofs_does_not_run_them_all(progress):
    assert progress.runs_all_proofs()
    progress.proofs.add("test_more")
    assert not progress.runs_all_proofs()
