"""What whole runs of pytest record, on a small project of its own."""

import hashlib

from tests.cookbook.evidence.small import PROOF, evidence_of, pytest_run, rewrite, sha256, start

"The plugin in whole runs of pytest, on a small project of its own: what is recorded, refused and left behind."


def test_a_run_leaves_evidence_of_versions_files_and_proofs(small):
    code, output = pytest_run(small)
    assert code == 0, output
    record = evidence_of(small)
    [proof] = record["tests"]
    assert proof["outcome"] == "passed"
    assert record["versions"].keys() == {"python", "django", "celery", "kombu", "redis-py", "server"}
    assert record["versions"]["server"].split()[0] in ("Redis", "Valkey")
    assert "recipes/one/ping.console" in record["files"]


def test_progress_names_the_recipe_and_how_many_are_left(small):
    (small / "tests/recipes/test_two.py").write_text(PROOF)
    _, output = pytest_run(small)
    assert "[1/2] one: 1 proofs" in output
    assert "(1 left)" in output
    assert "[2/2] two: 1 proofs" in output


def test_the_same_evidence_comes_out_when_xdist_spreads_the_tests(small):
    rewrite(small, PROOF + PROOF.replace("test_it", "test_too"))
    code, output = pytest_run(small, "-n", "2")
    assert code == 0, output
    assert {proof["name"] for proof in evidence_of(small)["tests"]} == {"test_it", "test_too"}


def test_the_cases_of_a_proof_record_one_table(small):
    rewrite(
        small,
        "import pytest\n\n@pytest.mark.parametrize('release', ['5.6', '5.7'])"
        + PROOF.replace("(redis, console)", "(record, release)").replace(
            "assert redis.ping()",
            "record('seen', [{'line': 'a', release: 1}, {'line': 'b', release: 2}]); record('all', [{'of': release}])",
        ),
    )
    code, output = pytest_run(small, "-n", "2")
    assert code == 0, output
    assert evidence_of(small)["records"] == {
        "seen": [{"line": "a", "5.6": 1, "5.7": 1}, {"line": "b", "5.6": 2, "5.7": 2}],
        "all": [{"of": "5.6"}, {"of": "5.7"}],
    }


def test_a_failing_proof_is_recorded_as_failed(small):
    rewrite(small, PROOF.replace("assert redis.ping()", "assert not redis.ping()"))
    code, output = pytest_run(small)
    assert code == 1
    assert "1 of 1 proofs FAILED" in output
    assert evidence_of(small)["tests"][0]["outcome"] == "failed"


def test_a_skip_is_recorded_with_its_reason(small):
    rewrite(small, PROOF.replace("assert", "import pytest; pytest.skip('needs Sentinel'); assert"))
    pytest_run(small)
    [proof] = evidence_of(small)["tests"]
    assert (proof["outcome"], proof["reason"]) == ("skipped", "needs Sentinel")


def test_a_known_defect_that_is_fixed_fails_the_run(small):
    rewrite(small, "import pytest\n\n@pytest.mark.xfail(reason='upstream')" + PROOF)
    code, _ = pytest_run(small)
    assert code == 1
    assert evidence_of(small)["tests"][0]["outcome"] == "failed"


def test_a_part_of_the_proofs_leaves_the_evidence_alone(small):
    rewrite(small, PROOF + PROOF.replace("test_it", "test_too"))
    _, output = pytest_run(small, "-k", "too")
    assert "one: only some of its proofs ran: its evidence stays as it was" in output
    assert not (small / "evidence").exists()


def test_what_ended_before_an_interruption_is_kept(small):
    stuck = PROOF.replace("assert redis.ping()", "print('stuck', flush=True); redis.blpop('never')")
    (small / "tests/recipes/test_two.py").write_text(stuck)
    run = start(small, "-s", "-o", "timeout=0")
    assert any("stuck" in line for line in run.stdout)
    run.kill()
    run.communicate()
    assert evidence_of(small)["tests"][0]["outcome"] == "passed"
    assert not (small / "evidence/local/two.json").exists()


def test_an_edit_during_the_run_does_not_count_as_run(small):
    before = sha256(small / "recipes/one/ping.console")
    rewrite(small, PROOF.replace("assert", "open('recipes/one/ping.console', 'a').write('# edited'); assert"))
    code, output = pytest_run(small)
    assert code == 0, output
    assert evidence_of(small)["files"]["recipes/one/ping.console"] == before


def test_a_rewritten_transcript_counts_as_run_and_a_later_edit_does_not(small):
    file = small / "recipes/one/ping.console"
    later = "console('ping.console'); later()\n\ndef later():\n    pass"
    rewrite(small, PROOF.replace("assert redis.ping()", later))
    file.write_text("$ redis-cli ping\nPING\n")
    code, output = pytest_run(small, "--record")
    assert code == 0, output
    assert evidence_of(small)["files"]["recipes/one/ping.console"] == sha256(file)

    rewrite(
        small, PROOF.replace("assert redis.ping()", later.replace("pass", f"open({str(file)!r}, 'a').write('# x')"))
    )
    file.write_text("$ redis-cli ping\nPING\n")
    code, output = pytest_run(small, "--record")
    assert code == 0, output
    assert file.read_text() == "$ redis-cli ping\nPONG\n# x"
    assert (
        evidence_of(small)["files"]["recipes/one/ping.console"]
        == hashlib.sha256(b"$ redis-cli ping\nPONG\n").hexdigest()
    )
