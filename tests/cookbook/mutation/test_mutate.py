import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from cookbook.mutation import mutate, verdicts
from cookbook.project import Project
from cookbook.render import accounts
from cookbook.stack.processes import wait_until
from tests.cookbook.mini import HOUSE, cookbook, edit, make_project, write

PROOF = '''\
from pathlib import Path

from greet.tasks import greet, part


def test_it_greets_by_name(project):
    """It greets by name.

    Elle salue par le nom.
    """
    assert (greet("Ada"), greet.name) == ("Hello Ada", "greet.tasks.greet")
    assert part("Ada").startswith("Goodbye")
    assert "maxmemory" in (project.recipes / "greet/worker.conf").read_text()
'''
TASKS, CONF = "recipes/greet/tasks.py", "recipes/greet/worker.conf"
WHY = (
    "no proof failed: write one in tests/recipes/test_greet.py, remove the line, or state why in "
    "tests/recipes/untestable.toml"
)
STATED = """\
[[line]]
file = "recipes/greet/tasks.py"
text = "@shared_task"
en = "Nothing here runs a worker."
fr = "Rien ici ne lance un worker."

[[line]]
file = "recipes/greet/tasks.py"
text = 'return f"Goodbye {name}"'
change = '`f"Goodbye {name}"` is `f"Goodbye {name}x"`'
en = "Any farewell will do."
fr = "Tout adieu convient."

[[line]]
file = "recipes/greet/worker.conf"
text = "maxmemory 100mb"
en = "How much is the reader's choice."
fr = "Combien, le lecteur choisit."
"""


@pytest.fixture(autouse=True)
def own_machinery(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HOUSE.root))


@pytest.fixture
def project(tmp_path):
    project = make_project(tmp_path)
    write(project, "tests/recipes/test_greet.py", PROOF)
    return project


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The project after `mutate`, and its output. Tests change only copies of it: see `judged`."""
    project = make_project(tmp_path_factory.mktemp("judged"))
    write(project, "tests/recipes/test_greet.py", PROOF)
    return project, cookbook(project, "mutate", PYTHONPATH=str(HOUSE.root))


@pytest.fixture
def judged(once, tmp_path):
    """A copy of the project after `mutate`, for a test to change, and its output."""
    project, said = once
    return Project(shutil.copytree(project.root, tmp_path / "book", symlinks=True)), said


def account(project):
    [found] = accounts.accounts(project)
    return found.testable, found.proven


def test_what_no_proof_detects_is_reported_by_file_and_line_until_its_reason_is_stated(judged):
    project, said = judged
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        f"{TASKS}:9: without `@shared_task`: {WHY}",
        f'{TASKS}:11: `f"Goodbye {{name}}"` is `f"Goodbye {{name}}x"`: {WHY}',
        f"{CONF}:2: `100` is `101`: {WHY}",
    ]
    assert account(project) == (5, 4)

    write(project, verdicts.UNTESTABLE, STATED)
    said = cookbook(project, "mutate")
    assert (said.returncode, said.stderr) == (0, "")
    assert "8 mutants, 3 SURVIVED, all known" in said.stdout

    edit(project, verdicts.UNTESTABLE, "maxmemory 100mb", "maxmemory 200mb")
    said = cookbook(project, "mutate")
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        f"{CONF}:2: `100` is `101`: {WHY}",
        "tests/recipes/untestable.toml:14: no survivor on a line `maxmemory 200mb` of recipes/greet/worker.conf: "
        "remove the entry, or correct its text",
    ]


def test_verdicts_about_edited_files_do_not_count_and_their_mutants_are_judged_again(judged):
    project, _ = judged
    edit(project, "tests/recipes/test_greet.py", "It greets by name.", "It says hello.")
    assert account(project) == (5, 4)
    edit(project, "tests/recipes/test_greet.py", '.startswith("Goodbye")', ' == "Goodbye Ada"')
    assert account(project) == (5, 0)
    assert accounts.survivors(project, "en") == "<p>There are none.</p>"
    said = cookbook(project, "mutate")
    assert f"{TASKS}:11" not in said.stderr
    assert account(project) == (5, 4)


def test_the_next_run_continues_an_interrupted_one(project):
    file = project.root / "tests/evidence/mutations/greet.json"
    argv = [sys.executable, "-m", "cookbook", "mutate", "--jobs", "1"]
    running = subprocess.Popen(argv, cwd=project.root, env=os.environ, stdout=subprocess.DEVNULL)
    wait_until(file.exists, 60)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 128 + signal.SIGINT
    about, first = verdicts.load(project, "greet")
    assert 0 < len(first) < 8
    marked = [replace(each, seconds=1234.5) for each in first]
    verdicts.save(project, "greet", about, marked)
    said = cookbook(project, "mutate")
    assert "[1/1] greet: 8 mutants, 3 SURVIVED" in said.stdout, said.stderr
    _, whole = verdicts.load(project, "greet")
    assert len(whole) == 8
    assert [each for each in whole if each.seconds == 1234.5] == marked


def test_proofs_that_fail_without_any_change_judge_nothing(project):
    edit(project, "tests/recipes/test_greet.py", "Hello Ada", "Hello Bob")
    said = cookbook(project, "mutate", "greet")
    assert said.returncode == 1
    [line] = said.stderr.splitlines()
    assert line.startswith("tests/recipes/test_greet.py: fails without any change: ")
    assert not (project.root / "tests/evidence").exists()


def test_an_untestable_line_without_both_languages_is_an_error(judged):
    project, _ = judged
    write(project, verdicts.UNTESTABLE, STATED.replace("fr = ", "de = "))
    said = cookbook(project, "mutate")
    assert said.returncode == 1
    assert (
        "tests/recipes/untestable.toml: 'fr': give each [[line]] its file, its text, and the reason as" in said.stderr
    )


def test_a_recipe_with_packages_of_its_own_is_judged_on_compose(project):
    assert mutate.stack_of(project, "greet", "auto") == "local"
    write(project, "recipes/greet/requirements.txt", "psycopg\n")
    assert mutate.stack_of(project, "greet", "auto") == "compose"
    assert mutate.stack_of(project, "greet", "local") == "local"
