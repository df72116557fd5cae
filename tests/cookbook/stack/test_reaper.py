"""The reaper ends what a run left: processes with its id or a noted pid, and its folder; nothing else."""

import os
import subprocess
import sys
import time

import psutil
import pytest

from cookbook.stack import processes, reaper

SLEEP = [sys.executable, "-c", "input()"]


@pytest.fixture
def sleeper():
    """Start a program with these variables, of no run or of another one."""
    started = []

    def start(**env):
        own = {name: value for name, value in os.environ.items() if name != reaper.VARIABLE}
        started.append(subprocess.Popen(SLEEP, env=own | env, stdin=subprocess.PIPE))
        return started[-1]

    yield start
    for process in started:
        process.communicate()


def test_when_the_run_is_over_its_processes_and_its_folder_are_gone(sleeper, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    tagged, noted, other = sleeper(**{reaper.VARIABLE: "this-run"}), sleeper(), sleeper(**{reaper.VARIABLE: "another"})
    (folder / reaper.NOTED).write_text(f"{noted.pid} {time.time():.0f}\n")
    command = [sys.executable, "-m", "cookbook.stack.reaper", "this-run", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as running:
        assert [tagged.poll(), noted.poll()] == [None, None]
        running.communicate(timeout=60)
        assert running.returncode == 0
    assert [tagged.wait(10), noted.wait(10)] == [-9, -9]
    assert other.poll() is None
    assert not folder.exists()


def test_a_program_with_an_empty_path_is_noted_with_its_time(tmp_path, monkeypatch):
    monkeypatch.setenv(processes.FOLDER, str(tmp_path))
    subprocess.run(processes.noted([sys.executable, "-c", "pass"]), env={"PATH": str(tmp_path / "empty")}, check=True)
    [(pid, seconds)] = reaper._noted(tmp_path / reaper.NOTED)
    assert pid > 1
    assert abs(seconds - time.time()) < 60


def test_a_process_that_reuses_a_noted_pid_is_not_of_the_run(sleeper, tmp_path):
    later = sleeper()
    (tmp_path / reaper.NOTED).write_text(f"{later.pid} {psutil.Process(later.pid).create_time() - 60:.0f}\n")
    assert list(reaper.processes_of("this-run", tmp_path)) == []
