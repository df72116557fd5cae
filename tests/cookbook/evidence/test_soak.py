"""`cookbook soak` on a small project: a proof that fails only sometimes shows, and nothing is left behind."""

import os
import re
import signal
import subprocess
import sys

import psutil
import pytest

from cookbook.evidence.soak import BUSY
from cookbook.stack.processes import wait_until
from tests.cookbook.mini import cookbook, make_project, write

# It fails in the second of its runs, and notes how many programs run beside it each time.
SOMETIMES = '''
from pathlib import Path
import psutil

def test_it_greets_by_name():
    """It greets by name.

    Elle salue par le nom.
    """
    with Path("beside").open("a") as file:
        file.write(f"{len(psutil.Process().parent().children()) - 1} ")
    assert len(Path("beside").read_text().split()) != 2, "the second time"
'''
# It runs for as long as the program that started it does.
ENDLESS = '''
import os
from pathlib import Path

def test_it_greets_by_name():
    """It greets by name.

    Elle salue par le nom.
    """
    with Path("runs").open("a") as file:
        file.write("x")
    parent = os.getppid()
    while os.getppid() == parent and Path("runs").read_text() == "xx":
        pass
'''


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def test_a_proof_that_fails_sometimes_is_named_with_its_log(project):
    write(project, "tests/recipes/test_greet.py", SOMETIMES)
    before = (project.evidence / "local/greet.json").read_bytes()
    said = cookbook(project, "soak", "greet", "--times", "3", "--stack", "local")
    assert said.returncode == 1
    log = "build/soak/run-2/greet.test_it_greets_by_name.log"
    rows = [re.sub(r" +", " ", line).strip() for line in said.stdout.splitlines()]
    table = [
        re.sub(r"(idle|loaded) \d+", r"\1", row) for row in rows[rows.index("run machine seconds proofs failed") :]
    ]
    assert table[1:-1] == [
        "1 idle 1 0",
        "2 loaded 1 1",
        f"tests/recipes/test_greet.py::test_it_greets_by_name: {log}",
        "3 idle 1 0",
    ]
    assert "the second time" in (project.root / log).read_text()
    assert (project.root / "beside").read_text().split() == ["0", str(os.cpu_count()), "0"]
    assert (project.evidence / "local/greet.json").read_bytes() == before


def test_a_run_that_ends_before_its_proofs_is_a_failure(project):
    write(project, "tests/recipes/test_greet.py", 'def test_it():\n    """Only English."""\n')
    said = cookbook(project, "soak", "--times", "1", "--stack", "local")
    assert said.returncode == 1
    assert "pytest itself: build/soak/run-1/output.log" in said.stdout
    assert "needs a docstring of two paragraphs" in (project.root / "build/soak/run-1/output.log").read_text()


def test_a_killed_soak_leaves_no_busy_loop(project):
    write(project, "tests/recipes/test_greet.py", ENDLESS)
    command = [sys.executable, "-m", "cookbook", "soak", "--times", "2", "--stack", "local"]
    soaking = subprocess.Popen(command, cwd=project.root, stdout=subprocess.DEVNULL)
    runs = project.root / "runs"
    wait_until(lambda: runs.exists() and runs.read_text() == "xx", 60)
    loops = [each for each in psutil.Process(soaking.pid).children() if BUSY in each.cmdline()]
    assert len(loops) == os.cpu_count()
    soaking.send_signal(signal.SIGKILL)
    soaking.wait()
    wait_until(lambda: not any(loop.is_running() for loop in loops))
