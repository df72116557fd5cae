from pathlib import Path

import pytest

from cookbook.checks import parity
from cookbook.project import Project
from tests.cookbook.checks.parity_example import ENGLISH, FRENCH, write


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A page in both languages, recorded in the lock."""
    project = Project(tmp_path)
    write(project, "fr", FRENCH)
    write(project, "en", ENGLISH)
    parity.record(project)
    return project
