"""The plugin in whole runs of pytest, on a small project of its own: fixtures, refusals, and what runs leave behind."""

import re
import signal
from pathlib import Path

import psutil
import pytest

from cookbook.stack.processes import wait_until
from tests.cookbook.evidence.small import PROOF, evidence_of, pytest_run, rewrite, start


def test_a_proof_without_both_sentences_is_refused_with_its_line(small):
    rewrite(small, 'def test_it():\n    """Only English."""\n')
    code, output = pytest_run(small)
    assert code == 4
    assert "tests/recipes/test_one.py:1: test_it needs a docstring of two paragraphs" in output


def test_no_test_at_all_is_a_failure(small):
    rewrite(small, "")
    code, _ = pytest_run(small)
    assert code == 5


def test_a_transcript_is_run_on_the_live_server_and_recorded(small):
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


def test_a_run_killed_in_the_middle_leaves_nothing(small):
    # The proof prints its run, then waits for ever: for an element of a list that stays empty.
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
    """The processes that have the id of the run in their environment, or work in its folder."""
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


def test_two_runs_side_by_side_do_not_disturb_each_other(small, tmp_path_factory):
    first, second = start(small), start(small)
    for run in (first, second):
        output, _ = run.communicate(timeout=240)
        assert run.returncode == 0, output
