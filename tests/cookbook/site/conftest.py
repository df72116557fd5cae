"""What several test modules of this room share: sites that are served, and a site that is built."""

import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from cookbook.checks import parity
from cookbook.project import Project
from cookbook.site import build, machines
from tests.cookbook.mini import edit, make_project, write_evidence

ROWS = [
    {"line": "CELERY_OLD = 9", "5.5": 4, "5.6": 4, "5.7": 9},
    {"line": "worker_new | x", "5.5": False, "5.6": True, "5.7": True},
    {"line": "LLEN <celery>", "5.5": 0, "5.6": 0, "5.7": 0},
]
SHOWN = """\
{@ code("greet/apps.py") @}

{@ table("greet", "seen", columns={"line": "5.6", "5.6": "5.6"}, caption="C") @}

- """


@pytest.fixture(scope="session")
def built_book(tmp_path_factory):
    """A cookbook whose page shows a comparison of releases, and its site as built. Tests change a copy."""
    project = make_project(tmp_path_factory.mktemp("book"))
    for language in ("fr", "en"):
        edit(project, f"docs/{language}/start/greet.md", "- ", SHOWN)
    write_evidence(project, records={"seen": ROWS})
    parity.record(project)
    assert build.build(project, project.root / "built", {"COOKBOOK_PUBLISH": "true"}, strict=True) == (True, [])
    shutil.move(project.root / "built/fr", project.site)
    machines.write_copies(project.site)
    return project


@pytest.fixture
def book(built_book, tmp_path):
    """A copy of the cookbook and its site, for a test to change."""
    return Project(shutil.copytree(built_book.root, tmp_path / "book", symlinks=True))


class Serving:
    """A command that serves a site, and requests to it."""

    def __init__(self, project, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cookbook", *words], cwd=project.root, stdout=subprocess.PIPE, text=True
        )
        self.lines = []
        self.address = self.wait_for(r"http://127\.0\.0\.1:\d+/")

    def wait_for(self, pattern):
        """The first match of *pattern* in the lines that it prints from now on."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if found := re.search(pattern, line):
                return found[0]
        raise AssertionError(self.lines)

    def get(self, path):
        """The status and the text of *path*."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=60) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def shows(self, path, *texts):
        """Whether *path* is there and contains each of *texts*."""
        status, page = self.get(path)
        return status == 200 and all(text in page for text in texts)

    def end(self):
        """Press Ctrl-C, and return the last line of the output."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=240)
        return output.splitlines()[-1]

    def assert_each_language_has_its_own_404_page(self):
        for path, language in (("gone/", "fr"), ("en/gone/", "en")):
            status, page = self.get(path)
            assert status == 404
            assert f'<html lang="{language}"' in page


@pytest.fixture
def serve(project):
    """Start a command that serves; it is killed after the test."""
    started = []

    def start(*words):
        started.append(Serving(project, *words))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()
