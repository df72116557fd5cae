"""The list of what failed, and its logs."""

from dataclasses import asdict

import pytest

from cookbook.evidence import failures
from cookbook.evidence.failures import Failure
from cookbook.evidence.reports import Notes
from cookbook.project import Project

PROOF = "tests/recipes/test_keys.py::test_depth"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def report(name=PROOF, keywords=None, **extra):
    """A failed report of pytest at line 8 of its module."""
    at = ("tests/recipes/test_keys.py", 7, "test_depth")
    return pytest.TestReport(name, at, keywords or {}, "failed", "assert 1 == 2\nmore", "call", **extra)


def test_the_log_of_a_proof_has_each_case_that_failed_with_its_output_and_its_programs(project):
    notes = asdict(Notes(programs=[("celery worker", "Connected to redis")]))
    cases = [
        report(f"{PROOF}[{case}]", sections=[("Captured stdout", f"printed {case}")], notes=notes) for case in "ab"
    ]
    failure = failures.of_proof(project, "keys", cases, attempt=1)
    assert failure == Failure(
        PROOF, "tests/recipes/test_keys.py:8", "assert 1 == 2", "build/failed/keys.test_depth.log"
    )
    failures.of_proof(project, "keys", cases[:1], attempt=2)
    log = (project.root / failure.log).read_text()
    assert [line for line in log.splitlines() if line.startswith("=== ")] == [
        f"=== {PROOF}, try 1",
        *[f"=== {each}" for case in "ab" for each in (f"{PROOF}[{case}] (call)", "Captured stdout", "celery worker")],
        f"=== {PROOF}, try 2",
        f"=== {PROOF}[a] (call)",
        "=== Captured stdout",
        "=== celery worker",
    ]
    for part in ("assert 1 == 2\nmore", "printed b", "Connected to redis"):
        assert part in log


def test_a_known_defect_that_is_fixed_does_not_fail_by_chance(project):
    assert not failures.of_proof(project, "keys", [report(keywords={"xfail": 1})], attempt=1).by_chance


def test_a_module_that_cannot_be_read_is_named_with_the_last_line_of_its_error(project):
    unread = pytest.CollectReport(
        "tests/recipes/test_keys.py", "failed", "import nowhere\nE   ModuleNotFoundError: No module named 'nowhere'", []
    )
    failure = failures.of_module(project, "keys", unread)
    assert (failure.expected, failure.by_chance) == ("ModuleNotFoundError: No module named 'nowhere'", False)
    assert "import nowhere" in (project.root / failure.log).read_text()


def test_what_was_saved_is_loaded_and_nothing_when_nothing_was(project):
    assert failures.load(project) == []
    failure = Failure(PROOF, "tests/recipes/test_keys.py:8", "échec", "build/failed/keys.test_depth.log")
    failures.save(project, [failure])
    assert failures.load(project) == [failure]
