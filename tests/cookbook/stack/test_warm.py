"""The warm parents of a run: one for each Python environment, from which programs are forked."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from cookbook.project import CookbookError
from cookbook.stack import warm


def test_its_group_can_be_ended_as_soon_as_its_pid_is_known(local):
    script = local.folder / "script.py"
    script.write_text("input()\n")
    env, parent = local.environment(), warm.parent(Path(sys.executable).parent)
    for _ in range(50):
        program = warm.Fork(parent, [str(script)], env=env, cwd=local.folder)
        os.killpg(program.pid, signal.SIGKILL)
        assert program.wait(30) == -signal.SIGKILL
        program.close()


def test_the_programs_are_forks_of_one_parent_and_a_cold_one_is_not(both):
    cold, warm_ = (psutil.Process(program.pid) for program in both("input()"))
    assert warm_.ppid() != os.getpid()
    assert "warm_parent" in " ".join(warm_.parent().cmdline())
    assert cold.ppid() == os.getpid()


def test_a_parent_that_cannot_start_is_reported_in_one_line(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "python").write_text("#!/bin/sh\necho 'no such library' >&2\nexit 1\n")
    (programs / "python").chmod(0o755)
    with pytest.raises(CookbookError, match="no warm parent: no such library") as raised:
        warm.parent(programs)
    assert "\n" not in str(raised.value)
