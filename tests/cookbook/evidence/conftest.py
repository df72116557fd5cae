import pytest

from tests.cookbook.evidence.small import CONFIG, PROOF


@pytest.fixture
def small(tmp_path):
    """A project with one recipe, `one`, whose proof needs a live server."""
    for path, text in {
        "mkdocs.base.yml": "",
        "pyproject.toml": CONFIG,
        "recipes/core/__init__.py": "",
        "recipes/manage.py": "",
        "recipes/requirements.txt": "",
        "recipes/one/ping.console": "$ redis-cli ping\nPONG\n",
        "tests/recipes/test_one.py": PROOF,
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path
