"""What the tests of all rooms share."""

import pytest

from tests.cookbook.mini import make_project


@pytest.fixture
def project(tmp_path):
    """A small cookbook of its own for each test, with fresh evidence."""
    return make_project(tmp_path)
