"""The matrix in whole runs of `python -m cookbook matrix`, on a small project with one older Celery."""

import re

import pytest

from cookbook.evidence import matrix
from cookbook.evidence.columns import Column
from cookbook.render import versions
from cookbook.site import publish
from tests.cookbook.evidence.small import make_pinned
from tests.cookbook.mini import HOUSE, cookbook, edit, write

COLUMN = Column(celery="5.6")
PROOF = '''
def {name}(django):
    """It greets by name.

    Elle salue par le nom.
    """
    assert django("from greet.tasks import greet; greet('Ada')") == "Hello Ada"
'''
STATED = """

@pytest.mark.{mark}
def test_{name}({fixture}):
    \"\"\"It came with 5.7.

    C'est venu avec 5.7.
    \"\"\"
    {body}
"""
ASKED = "django(\"from core.celery import app; app.conf['result_chord_expires']\")"
ELSEWHERE = '''
def test_it_reads_files_only():
    """It reads files only.

    Elle ne lit que des fichiers.
    """
'''
EDITS = '''
from pathlib import Path


def test_it_edits_its_recipe(django):
    """It edits its recipe.

    Elle modifie sa recette.
    """
    Path("recipes/two/settings.py").write_text("EDITED = True")
'''


def make_small(folder):
    """Two recipes, `greet` and `two`, of which no cell has run."""
    project = make_pinned(folder)
    cache = HOUSE.root / ".cache"
    cache.mkdir(exist_ok=True)
    (project.root / ".cache").symlink_to(cache)  # environments are kept by content: these are the same as ours
    write(project, "tests/recipes/test_two.py", PROOF.format(name="test_it_greets_too"))
    write(project, "recipes/two/settings.py", (project.recipes / "greet" / "settings.py").read_text())
    return project


@pytest.fixture
def project(tmp_path):
    return make_small(tmp_path)


def run(project, *args):
    return cookbook(project, "matrix", "--columns", "celery-5.6", *args)


def test_a_second_run_runs_nothing_and_an_edited_recipe_alone_runs_again(project):
    said = run(project)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "== celery-5.6: 2 of 2 recipes to run" in said.stdout
    [greet] = matrix.load(project, "greet", [COLUMN]).values()
    assert greet.outcomes == {"test_it_greets_by_name": "passed"}
    assert greet.versions["celery"].startswith("5.6.")

    said = run(project)
    assert said.returncode == 0
    assert "== celery-5.6: 0 of 2 recipes to run" in said.stdout
    assert "proofs," not in said.stdout  # the progress of pytest

    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    said = run(project)
    assert "== celery-5.6: 1 of 2 recipes to run" in said.stdout
    assert "[1/1] greet: 1 proofs" in said.stdout
    assert "two: " not in said.stdout


# For a proof that holds from 5.7: its mark, its body, how it ends in 5.6, and why if it fails.
STATEMENTS = {
    "fails_as_stated": ('fails="KeyError"', f"assert {ASKED} is None", "stated", ""),
    "passes": (
        'fails="KeyError"',
        "assert django('1') == 1",
        "failed",
        "it does not: the statement is wrong, correct it",
    ),
    "fails_with_something_else": (
        'fails="KeyError"',
        "assert django('1') == 2",
        "failed",
        "it fails with 'AssertionError: assert 1 == 2'",
    ),
    "is_a_gap": ('gap="it cannot be arranged"', "raise AssertionError", "skipped", ""),
    "skips": ('fails="KeyError"', "pytest.skip('it cannot be arranged')", "skipped", ""),
}
# For a transcript: what 5.7 prints (None: the same as 5.6), what is stated about 5.6, and how the proof ends there.
TRANSCRIPTS = {
    "differs_as_stated": ("5.7.0 (recovery)", "5.6", "passed"),
    "differs_otherwise": ("5.7.0 (recovery)", "5.5", "failed"),
    "does_not_differ": (None, "5.6", "failed"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The project after one run of a proof for each of these and for a known defect, the finished run, and its cell."""
    project = make_small(tmp_path_factory.mktemp("ran"))
    proofs = ["import pytest\n"]
    for name, (how, body, *_) in STATEMENTS.items():
        proofs.append(STATED.format(mark=f'since("5.7", {how})', name=name, fixture="django", body=body))
    for name, (recorded, prints, _) in TRANSCRIPTS.items():
        code = f"import celery; print('{recorded}' if celery.VERSION[1] > 6 else celery.__version__)"
        code = code if recorded else "print('the same')"
        write(project, f"recipes/two/{name}.console", f'$ python -c "{code}"\n{recorded or "the same"}\n')
        mark, body = f'since("5.7", prints="{prints}")', f"console('{name}.console')"
        proofs.append(STATED.format(mark=mark, name=name, fixture="console", body=body))
    defect = "xfail(strict=True, reason='5.7.0')"
    proofs.append(STATED.format(mark=defect, name="known_defect", fixture="django", body="assert django('1') == 1"))
    write(project, "tests/recipes/test_two.py", "".join(proofs))
    said = run(project, "two")
    [ended] = matrix.load(project, "two", [COLUMN]).values()
    return project, said, ended


@pytest.mark.parametrize("name", STATEMENTS)
def test_before_its_release_a_proof_fails_as_stated_or_the_statement_is_wrong(ran, name):
    project, said, ended = ran
    _, _, outcome, why = STATEMENTS[name]
    assert ended.outcomes[f"test_{name}"] == outcome, said.stdout + said.stderr
    where = f"tests/recipes/test_two.py: test_{name} failed in celery-5.6: "
    lines = [line for line in said.stderr.splitlines() if line.startswith(where)]
    assert [f"stated for before 5.7: fails /KeyError/; in celery-5.6 {why}" in line for line in lines] == [True] * bool(
        why
    )
    reason = ended.reasons[f"test_{name}"]
    assert reason == {"stated": "5.7", "skipped": "it cannot be arranged"}.get(outcome, reason)
    assert [line for line in publish.problems(project) if line.startswith(where)] == lines


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_transcript_must_differ_as_stated(ran, name):
    assert ran[2].outcomes[f"test_{name}"] == TRANSCRIPTS[name][2]


def test_an_older_release_ignores_a_known_defect_of_the_newest(ran):
    assert ran[2].outcomes["test_known_defect"] == "passed"


def test_a_run_with_failures_fails_with_one_line_for_each(ran):
    _, said, ended = ran
    failed = [name for name, outcome in ended.outcomes.items() if outcome == "failed"]
    assert said.returncode == 1
    assert len(failed) == len(said.stderr.splitlines()) == 4


def test_a_recipe_whose_proofs_depend_on_no_version_is_not_due_again(project):
    write(project, "tests/recipes/test_two.py", ELSEWHERE)
    said = run(project, "two")
    assert said.returncode == 0, said.stdout + said.stderr
    assert matrix.due(project, COLUMN, ["two"]) == []
    assert versions.matrix_table(project, {"two": "Two"}, "en")[1][0][1] == "—"


def test_a_server_that_is_unavailable_is_not_a_failure_and_the_next_column_runs(project, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    said = cookbook(project, "matrix", "--columns", "redis-7.0,celery-5.6", "greet", PATH=str(empty))
    assert said.returncode == 0, said.stderr
    assert "redis-7.0: not run: redis-7.0 is unavailable: no wheel is pinned for it" in said.stdout
    assert re.search(r"^greet +not run +1$", said.stdout, re.MULTILINE)


def test_a_run_during_which_the_recipe_is_edited_fails_and_is_due_again(project):
    write(project, "tests/recipes/test_two.py", EDITS)
    said = run(project, "two")
    assert said.returncode == 1, said.stdout
    assert said.stderr.splitlines() == [
        "tests/recipes/test_two.py: its run in celery-5.6 did not finish, or it was edited meanwhile: "
        "run `make matrix RECIPE=two` again"
    ]
    assert matrix.due(project, COLUMN, ["two"]) == ["two"]
