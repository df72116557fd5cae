import pytest

from cookbook.site import edits
from tests.cookbook.mini import make_project, write


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A project, and the front matter of its pages at their last build. One of its pages counts all recipes."""
    project = make_project(tmp_path_factory.mktemp("built"))
    for language in ("fr", "en"):
        write(project, f"docs/{language}/about.md", "---\ntitle: T\n---\n\n# T\n\n{@ tally() @}\n")
    return project, edits.front_matters(project)


def due(built, *names):
    project, known = built
    return edits.due(project, [project.root / name for name in names], known)


def test_an_edited_page_is_built_alone(built):
    assert due(built, "docs/en/start/greet.md") == {"fr": set(), "en": {"start/greet.md"}}


def test_an_edited_recipe_affects_the_pages_that_show_it_and_those_that_count_all_recipes(built):
    shown = {"start/greet.md", "about.md"}
    for name in ("recipes/greet/tasks.py", "tests/recipes/test_greet.py", "evidence/local/greet.json"):
        assert due(built, name) == {"fr": shown, "en": shown}
    assert due(built, "recipes/greet/tasks.py", "docs/fr/index.md") == {"fr": shown | {"index.md"}, "en": shown}


@pytest.mark.parametrize(
    "name",
    [
        "recipes/core/celery.py",
        "recipes/unproven/tasks.py",
        "tests/recipes/situations.py",
        "docker-compose.yml",
        "theme/main.html",
        "mkdocs.base.yml",
    ],
)
def test_a_file_that_any_page_may_use_affects_both_languages(built, name):
    assert due(built, name) == {"fr": None, "en": None}


@pytest.mark.parametrize("name", ["mkdocs.en.yml", "docs/en/new.md", "docs/en/picture.svg", "docs/en/gone.md"])
def test_the_nav_a_new_page_and_a_removed_page_affect_their_language(built, name):
    assert due(built, name, "docs/en/start/greet.md") == {"fr": set(), "en": None}


def test_a_page_with_changed_front_matter_affects_its_language_because_the_nav_shows_it(built):
    project, known = built
    titles = {**known, project.docs / "fr/start/greet.md": {"title": "Avant"}}
    assert edits.due(project, [project.docs / "fr/start/greet.md"], titles) == {"fr": None, "en": set()}


def test_a_file_that_no_page_shows_affects_nothing(built):
    assert due(built, "docs/parity.lock") == {"fr": set(), "en": set()}


def test_a_page_with_unreadable_calls_is_affected_by_every_recipe(built):
    project, _ = built
    broken = write(project, "docs/fr/broken.md", "# B\n\n{@ code( @}\n")
    try:
        assert due(built, "recipes/greet/tasks.py")["fr"] == {"start/greet.md", "about.md", "broken.md"}
    finally:
        broken.unlink()


def test_a_file_counts_as_changed_by_its_time_or_size_and_generated_files_are_ignored(tmp_path):
    kept, left = tmp_path / "a/kept.py", tmp_path / "a/__pycache__/kept.pyc"
    left.parent.mkdir(parents=True)
    kept.write_text("1")
    left.write_text("1")
    before = edits.states([tmp_path / "a", tmp_path / "gone"])
    assert before.keys() == {kept}
    kept.write_text("12")
    assert edits.states([tmp_path / "a"]) != before
