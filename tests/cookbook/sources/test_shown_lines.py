import pytest

from cookbook.project import CookbookError
from cookbook.sources import shown_lines
from tests.cookbook.mini import edit, make_project, write

TASKS = "recipes/greet/tasks.py"
EN, FR = "docs/en/start/greet.md", "docs/fr/start/greet.md"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def test_the_lines_that_pages_show_are_known_by_file(project):
    shown = shown_lines.shown_files(project)
    assert {path: file.recipes for path, file in shown.items()} == {
        "recipes/greet/tasks.py": ["greet"],
        "recipes/greet/worker.conf": ["greet"],
    }
    assert shown[TASKS].lines == {4, 5, 6, 9, 10, 11}  # two functions, without imports and blank lines
    assert shown["recipes/greet/worker.conf"].lines == {2}


def test_each_call_of_code_comes_with_its_page(project):
    calls = list(shown_lines.code_calls(project))
    assert [page for page, _ in calls] == [FR, FR, FR, EN, EN, EN]
    assert calls[0][1].args == ("greet/tasks.py", "greet")


def test_a_shared_file_counts_for_the_first_recipe_that_shows_it(project):
    edit(project, FR, '{@ code("greet/worker.conf", "memory") @}', '{@ code("core/apps.py") @}')
    assert shown_lines.shown_files(project)["recipes/core/apps.py"].recipes == ["greet"]
    assert "recipes/core/apps.py" in shown_lines.files_of_recipe(project, "greet")


def test_a_file_counts_for_its_own_recipe_and_is_judged_by_the_recipe_that_shows_it_too(project):
    write(project, "tests/recipes/test_other.py", "def test_it(): ...\n")
    write(project, "recipes/other/tasks.py", "LIMIT = 3\n")
    edit(project, FR, '{@ code("greet/worker.conf", "memory") @}', '{@ code("other/tasks.py", "LIMIT") @}')
    assert shown_lines.shown_files(project)["recipes/other/tasks.py"].recipes == ["other", "greet"]
    assert [*shown_lines.files_of_recipe(project, "other")] == ["recipes/other/tasks.py"]


def test_the_compose_file_counts_for_no_recipe(project):
    edit(project, FR, '{@ code("greet/worker.conf", "memory") @}', '{@ code("docker-compose.yml") @}')
    assert "docker-compose.yml" in shown_lines.shown_files(project)
    assert "docker-compose.yml" not in shown_lines.files_of_recipe(project, "greet")


def test_a_call_that_shows_nothing_is_an_error(project):
    edit(project, FR, '"greet/worker.conf", "memory"', '"greet/worker.conf", "memry"')
    with pytest.raises(CookbookError, match='no region "memry"'):
        shown_lines.shown_files(project)
