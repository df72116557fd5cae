"""The matrix in whole runs of `python -m cookbook matrix`, on a small project with one older Celery."""

import json
import re

import pytest

from cookbook.evidence import cells, columns, matrix
from cookbook.evidence.columns import Column
from cookbook.project import CookbookError
from cookbook.render import versions
from cookbook.site import publish
from tests.cookbook.mini import HOUSE, cookbook, edit, make_project, write

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


def make_small(folder):
    """Two recipes, `greet` and `two`, on Celery 5.6 and 5.7 and on the default server; nothing of it has run."""
    project = make_project(folder)
    for name in ("celery-5.6.txt", "valkey-8.txt"):
        text = (HOUSE.root / "tests" / "environments" / name).read_text()
        write(project, f"tests/environments/{name}", text)
    cache = HOUSE.root / ".cache"
    cache.mkdir(exist_ok=True)
    (project.root / ".cache").symlink_to(cache)  # the environments are by content: the house's are these
    write(project, "tests/recipes/test_two.py", PROOF.format(name="test_it_greets_too"))
    write(project, "recipes/two/settings.py", (project.recipes / "greet" / "settings.py").read_text())
    return project


@pytest.fixture
def project(tmp_path):
    return make_small(tmp_path)


def run(project, *args):
    return cookbook(project, "matrix", "--columns", "celery-5.6", *args)


def cell(project, recipe="greet", column=COLUMN, **changes):
    """Write a cell that is about the files as they are; *changes* to it."""
    known = {
        "column": column.name,
        "recipe": recipe,
        "date": "2026-11-22",
        "versions": {"celery": "5.6.3", "server": "Valkey 8.1.8", "django": "5.2.19", "python": "3.11.7"},
        "digest": cells.digest(project, column, recipe),
        "outcomes": {"test_it_greets_by_name": "passed"},
    }
    made = cells.Cell(**(known | changes))
    cells.write(project, made)
    return made


def test_a_second_run_runs_nothing_and_an_edited_recipe_alone_runs_again(project):
    said = run(project)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "== celery-5.6: 2 of 2 recipes to run" in said.stdout
    [greet] = cells.load(project, "greet", [COLUMN]).values()
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


# Of a proof that is stated for 5.7: how, what it does, and how it ends in 5.6, with what is said if it fails.
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
# Of a transcript: what the newest release prints (None: the same as 5.6), what is stated of 5.6, and how it ends there.
TRANSCRIPTS = {
    "differs_as_stated": ("5.7.0 (recovery)", "5.6", "passed"),
    "differs_otherwise": ("5.7.0 (recovery)", "5.5", "failed"),
    "does_not_differ": (None, "5.6", "failed"),
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The project after one run of a proof for each of these and of a known defect, what was said, and its cell."""
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
    [ended] = cells.load(project, "two", [COLUMN]).values()
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
def test_a_transcript_may_differ_as_stated_and_must(ran, name):
    assert ran[2].outcomes[f"test_{name}"] == TRANSCRIPTS[name][2]


def test_a_known_defect_is_one_of_the_newest_release(ran):
    assert ran[2].outcomes["test_known_defect"] == "passed"


def test_a_run_with_a_failure_says_so_and_one_line_for_each(ran):
    _, said, ended = ran
    failed = [name for name, outcome in ended.outcomes.items() if outcome == "failed"]
    assert said.returncode == 1
    assert len(failed) == len(said.stderr.splitlines()) == 4


def test_what_failed_runs_again(project):
    cell(project, outcomes={"test_it_greets_by_name": "failed"})
    assert matrix.due(project, COLUMN, ["greet"]) == ["greet"]
    cell(project)
    assert matrix.due(project, COLUMN, ["greet"]) == []


def test_a_recipe_whose_proofs_depend_on_no_version_is_done_too(project):
    write(project, "tests/recipes/test_two.py", ELSEWHERE)
    said = run(project, "two")
    assert said.returncode == 0, said.stdout + said.stderr
    assert matrix.due(project, COLUMN, ["two"]) == []
    assert versions.compat_rows(project, "two", "en")[0][-1] == "—"


def test_what_was_edited_since_counts_as_not_run(project):
    cell(project)
    before, *others = versions.compat_rows(project, "greet", "en")
    assert before[0] == "5.6.3"
    assert before[-1] == "1 ✓"
    assert {row[-1] for row in others} == {"not run"}
    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    after = versions.compat_rows(project, "greet", "en")[0]
    assert after[0] == "5.6"
    assert after[-1] == "not run"
    assert matrix.summary(project, [COLUMN], ["greet"]).splitlines()[1] == "greet  not run"


@pytest.mark.parametrize(
    ("path", "text", "counts"),
    [
        ("recipes/greet/tasks.py", "# edited", True),
        ("tests/recipes/test_greet.py", "edited = 1", True),
        ("tests/recipes/test_greet.py", "# edited", False),
        ("tests/environments/celery-5.6.txt", "# edited", True),
        ("tests/environments/valkey-8.txt", "# edited", True),
        ("tests/environments/celery-5.5.txt", "# edited", False),
        ("docker-compose.yml", "# edited", False),
        ("requirements.lock", "# edited", False),
    ],
)
def test_a_cell_depends_on_what_a_local_run_depends_on(project, path, text, counts):
    before = cells.digest(project, COLUMN, "greet")
    file = project.root / path
    write(project, path, (file.read_text() if file.exists() else "") + f"{text}\n")
    assert (cells.digest(project, COLUMN, "greet") != before) is counts


def test_a_docker_file_counts_for_the_proofs_that_read_it(project):
    edit(project, "tests/recipes/test_greet.py", "It greets by name.", "It greets as docker-compose.yml says.")
    before = cells.digest(project, COLUMN, "greet")
    write(project, "docker-compose.yml", "services: {}\n")
    assert cells.digest(project, COLUMN, "greet") == before
    write(project, "tests/recipes/services.py", 'FILE = "docker-compose.yml"\n')
    edit(project, "tests/recipes/test_greet.py", "def test_it", "from services import FILE\n\n\ndef test_it")
    before = cells.digest(project, COLUMN, "greet")
    write(project, "docker-compose.yml", "services: {redis: {}}\n")
    assert cells.digest(project, COLUMN, "greet") != before


def test_the_newest_celery_counts_by_its_pin_and_nothing_else_of_the_lock_does(project):
    newest = Column(server="redis-6.2")
    write(project, "requirements.lock", "celery==5.7.0 \\\n    --hash=sha256:0\nruff==1\n")
    before = cells.digest(project, newest, "greet")
    edit(project, "requirements.lock", "ruff==1", "ruff==2")
    assert cells.digest(project, newest, "greet") == before
    edit(project, "requirements.lock", "celery==5.7.0", "celery==5.7.1")
    assert cells.digest(project, newest, "greet") != before


def test_a_server_that_cannot_be_had_is_not_run_and_no_failure(project, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    said = cookbook(project, "matrix", "--columns", "redis-7.0", "greet", PATH=str(empty))
    assert said.returncode == 0, said.stderr
    assert "redis-7.0: not run: redis-7.0 cannot be had: no wheel is pinned for it" in said.stdout
    assert re.search(r"^greet +not run$", said.stdout, re.MULTILINE)


def test_an_unknown_column_names_those_that_there_are(project):
    said = cookbook(project, "matrix", "--columns", "celery-4.4")
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        "no column 'celery-4.4': join with '+' what there is: celery-5.6, redis-6.2, redis-7.0, redis-8, "
        "valkey-8, valkey-9"
    ]


def test_a_column_is_named_by_what_differs(project):
    assert [column.name for column in columns.columns(project)] == [
        "celery-5.6",
        "redis-6.2",
        "redis-7.0",
        "redis-8",
        "valkey-9",
    ]
    both = columns.parse(project, "celery-5.6+redis-6.2")
    assert both == Column("5.6", "redis-6.2")
    assert both.name == "celery-5.6+redis-6.2"


def test_a_cell_is_small_and_changes_line_by_line(project):
    file = project.root / "tests/evidence/matrix/celery-5.6/greet.json"
    cell(project)
    assert json.loads(file.read_text()).keys() == {
        "column",
        "recipe",
        "date",
        "versions",
        "digest",
        "seconds",
        "outcomes",
        "reasons",
    }
    assert '\n  "test_it_greets_by_name": "passed"\n' in file.read_text()


def test_a_file_that_is_no_cell_is_named(project):
    write(project, "tests/evidence/matrix/celery-5.6/greet.json", "{}")
    with pytest.raises(CookbookError, match=r"^tests/evidence/matrix/celery-5\.6/greet\.json: no cell of the matrix"):
        cells.load(project, "greet", [COLUMN])
