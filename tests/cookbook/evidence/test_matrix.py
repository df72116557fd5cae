"""What counts in the matrix and what is due, from cells that are written by hand."""

import json

import pytest

from cookbook.evidence import matrix
from cookbook.evidence.columns import Column
from cookbook.project import CookbookError
from cookbook.render import versions
from tests.cookbook.evidence.small import make_pinned
from tests.cookbook.mini import edit, write

NOT_RUN = '<span class="gap">not run</span>'  # in a table of versions
COLUMN = Column(celery="5.6")


@pytest.fixture
def project(tmp_path):
    return make_pinned(tmp_path)


def cell(project, recipe="greet", column=COLUMN, **changes):
    """Write a cell that ran on the files as they are; *changes* to it."""
    known = {
        "column": column.name,
        "recipe": recipe,
        "date": "2026-11-22",
        "versions": {"celery": "5.6.3", "server": "Valkey 8.1.8", "django": "5.2.19", "python": "3.11.7"},
        "digest": matrix.digest(project, column, recipe),
        "outcomes": {"test_it_greets_by_name": "passed"},
    }
    made = matrix.Cell(**(known | changes))
    matrix.write(project, made)
    return made


def test_what_failed_runs_again(project):
    cell(project, outcomes={"test_it_greets_by_name": "failed"})
    assert matrix.due(project, COLUMN, ["greet"]) == ["greet"]
    cell(project)
    assert matrix.due(project, COLUMN, ["greet"]) == []


def test_a_recipe_that_was_edited_counts_as_not_run(project):
    cell(project)
    head, [row] = versions.matrix_table(project, {"greet": "Greet"}, "en")
    assert dict(zip(head, row, strict=True))["Celery 5.6, Valkey 8"] == "1 ✓"
    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    _, [row] = versions.matrix_table(project, {"greet": "Greet"}, "en")
    assert set(row[1:]) == {NOT_RUN}
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
    before = matrix.digest(project, COLUMN, "greet")
    file = project.root / path
    write(project, path, (file.read_text() if file.exists() else "") + f"{text}\n")
    assert (matrix.digest(project, COLUMN, "greet") != before) is counts


def test_a_docker_file_counts_for_the_proofs_that_read_it(project):
    edit(project, "tests/recipes/test_greet.py", "It greets by name.", "It greets as docker-compose.yml says.")
    before = matrix.digest(project, COLUMN, "greet")
    write(project, "docker-compose.yml", "services: {}\n")
    assert matrix.digest(project, COLUMN, "greet") == before
    write(project, "tests/recipes/services.py", 'FILE = "docker-compose.yml"\n')
    edit(project, "tests/recipes/test_greet.py", "def test_it", "from services import FILE\n\n\ndef test_it")
    before = matrix.digest(project, COLUMN, "greet")
    write(project, "docker-compose.yml", "services: {redis: {}}\n")
    assert matrix.digest(project, COLUMN, "greet") != before


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


def test_the_error_for_a_file_that_is_not_a_cell_names_it(project):
    write(project, "tests/evidence/matrix/celery-5.6/greet.json", "{}")
    with pytest.raises(CookbookError, match=r"^tests/evidence/matrix/celery-5\.6/greet\.json: not a cell"):
        matrix.load(project, "greet", [COLUMN])
