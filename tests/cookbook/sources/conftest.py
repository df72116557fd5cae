from pathlib import Path

import pytest

from cookbook.project import Project
from tests.cookbook.sources.example import BASE, COMPOSE, LONG, SETTINGS, TASKS, write


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Recipes with a module of tasks, settings, long imports and a Compose file with regions."""
    write(tmp_path, "first/tasks.py", TASKS)
    write(tmp_path, "first/settings.py", SETTINGS)
    write(tmp_path, "core/settings/base.py", BASE)
    write(tmp_path, "first/long.py", LONG)
    write(tmp_path, "first/compose.yml", COMPOSE)
    return Project(tmp_path)
