"""Child programs: their logs, their exit codes, and the conditions that tests wait for."""

import os
import sys

import pytest

from cookbook.stack.processes import Process, wait_until


@pytest.fixture
def start(tmp_path):
    """Start Python source as a child program, which ends with the test."""
    started = []

    def run(source):
        started.append(Process([sys.executable, "-c", source], env=os.environ, cwd=tmp_path))
        return started[-1]

    yield run
    for process in started:
        process.kill_group()


def test_a_line_of_the_log_is_found_from_a_position_on(start):
    program = start("print('one a'); print('one b')")
    assert program.wait_for("one") == "one a"
    assert program.wait_for("one", start=1) == "one b"


@pytest.mark.timeout(100)
def test_a_line_that_never_comes_is_an_error_with_the_log(start):
    with pytest.raises(TimeoutError, match=r"(?s)waited for 'ready', it ended:\nnot yet$"):
        start("print('not yet')").wait_for("ready", timeout=300)
    with pytest.raises(TimeoutError, match=r"waited for 'ready', it did not within 0\.1 s"):
        start("input()").wait_for("ready", timeout=0.1)


def test_a_program_that_runs_on_is_an_error_with_the_log(start):
    program = start("print('busy', flush=True); input()")
    program.wait_for("busy")
    with pytest.raises(TimeoutError, match=r"still running after 0\.1 s:\nbusy$"):
        program.wait(0.1)


def test_exit_codes_are_those_of_the_program_or_its_signal(start):
    assert start("raise SystemExit(3)").wait() == 3
    assert start("input()").stop() == -15
    assert start("input()").kill() == -9


def test_pipes_are_closed_when_the_program_has_ended(start):
    program = start("input()")
    program.kill_group()
    assert program.popen.stdin.closed
    wait_until(lambda: program.popen.stdout.closed)


def test_a_condition_is_awaited_and_its_value_returned():
    values = iter([0, "", "there"])
    assert wait_until(lambda: next(values), every=0) == "there"
    with pytest.raises(TimeoutError, match=r"^still 0 after 0\.01 s: "):
        wait_until(lambda: 0, timeout=0.01, every=0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe can be set on Linux only")
def test_the_log_of_a_program_that_has_ended_is_whole(tmp_path):
    # It ends at once, and leaves in the pipe what takes longer to read.
    source = (
        "import fcntl, os; fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20); os.write(1, b'\\n' * 150_000 + b'last\\n'); "
    )
    process = Process([sys.executable, "-c", f"{source}os._exit(0)"], env=os.environ, cwd=tmp_path)
    assert process.wait() == 0
    assert process.lines[-1:] == ["last"]
