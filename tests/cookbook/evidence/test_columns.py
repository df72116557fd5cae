"""The columns of the matrix: how they are named, and what of the pinned versions each depends on."""

import pytest

from cookbook.evidence import columns, environments
from cookbook.evidence.columns import Column
from cookbook.project import CookbookError, Project
from tests.cookbook.mini import edit, write


@pytest.fixture
def project(tmp_path):
    """A project with one older Celery."""
    project = Project(tmp_path)
    write(project, "tests/environments/celery-5.6.txt", "celery==5.6.0\n")
    return project


def test_the_error_for_an_unknown_column_names_the_known_ones(project):
    known = "celery-5.6, redis-6.2, redis-7.0, redis-8, valkey-8, valkey-9"
    with pytest.raises(CookbookError, match=rf"^no column 'celery-4\.4': choose from {known}, joined with '\+'$"):
        columns.parse(project, "celery-4.4")


def test_a_column_is_named_by_what_differs_from_the_ordinary_run(project):
    names = [column.name for column in columns.columns(project)]
    assert names == ["celery-5.6", "redis-6.2", "redis-7.0", "redis-8", "valkey-9"]
    assert Column().name == "valkey-8"
    both = columns.parse(project, "celery-5.6+redis-6.2")
    assert both == Column("5.6", "redis-6.2")
    assert both.name == "celery-5.6+redis-6.2"


def test_a_column_of_the_newest_celery_depends_on_the_pins_of_what_recipes_use(project):
    newest = Column(server="redis-6.2")
    write(project, "requirements.lock", "celery==5.7.0 \\\n    --hash=sha256:0\nruff==1\n")
    before = columns.pins(project, newest)
    edit(project, "requirements.lock", "ruff==1", "ruff==2")
    assert columns.pins(project, newest) == before
    edit(project, "requirements.lock", "celery==5.7.0", "celery==5.7.1")
    assert columns.pins(project, newest) != before


def test_a_column_depends_on_the_pins_of_its_own_celery_and_server(project):
    pinned = Column("5.6", "redis-6.2")
    before = columns.pins(project, pinned)
    write(project, "requirements.lock", "celery==5.7.0\n")
    write(project, "tests/environments/redis-8.txt", "redis==8\n")
    assert columns.pins(project, pinned) == before
    assert columns.pins(project, Column("5.6", "redis-7.0")) != before  # also without a file that pins it
    write(project, "tests/environments/redis-6.2.txt", "redis==6.2\n")
    assert columns.pins(project, pinned) != before


def test_the_programs_of_the_newest_celery_are_those_of_this_environment(project, monkeypatch):
    server = project.root / "redis-server"
    monkeypatch.setattr(environments, "find_server", lambda project, name: server)
    monkeypatch.setattr(environments, "environment", lambda project, release: project.root / release)
    assert columns.programs(project, Column(server="redis-6.2")) == (None, server)
    assert columns.programs(project, Column("5.6")) == (project.root / "5.6/bin", server)
