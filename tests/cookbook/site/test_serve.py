import gzip
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from unittest.mock import Mock

import pytest

from cookbook.checks import parity
from cookbook.site.serve import SiteServer
from cookbook.stack.processes import wait_until
from tests.cookbook.mini import QUICK_PROOF, cookbook, edit, make_project, write

STALE = "modifié depuis la dernière exécution"


class Serving:
    """A command that serves, and what a browser gets from it."""

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
        try:
            with urllib.request.urlopen(self.address + path, timeout=60) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def shows(self, path, *texts):
        status, page = self.get(path)
        return status == 200 and all(text in page for text in texts)

    def end(self):
        """Ctrl-C, and the last line of what it said."""
        self.process.send_signal(signal.SIGINT)
        said, _ = self.process.communicate(timeout=240)
        return said.splitlines()[-1]


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def serve(project):
    """Start a command that serves; it is ended with the test."""
    started = []

    def start(*words):
        started.append(Serving(project, *words))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def assert_each_language_has_its_own_page_for_what_is_not_there(serving):
    for path, language in (("gone/", "fr"), ("en/gone/", "en")):
        status, page = serving.get(path)
        assert status == 404
        assert f'<html lang="{language}"' in page


def test_drafts_are_served_and_built_again_at_each_edit_and_no_mistake_ends_it(project, serve):
    edit(project, "mkdocs.en.yml", "docs_dir: docs/en", "docs_dir: docs/de")
    drafts = serve("serve")
    assert drafts.shows("", "Not built", "docs/de")

    edit(project, "mkdocs.en.yml", "docs_dir: docs/de", "docs_dir: docs/en")
    drafts.wait_for("^Built in")
    wait_until(lambda: drafts.shows("start/greet/", "Saluer", 'class="language-switch" href="../../en/start/greet/"'))
    assert drafts.shows("en/start/greet/", "Greet", 'class="language-switch" href="../../../start/greet/"')
    assert drafts.get("bundles/greet.zip")[0] == 200
    assert drafts.shows("en/start/greet/index.md", "# Greet")  # what the button "copy page" gives
    assert_each_language_has_its_own_page_for_what_is_not_there(drafts)

    edit(project, "recipes/greet/tasks.py", "Hello", "Good morning")
    edit(project, "docs/en/start/greet.md", '"part"', '"gone"')
    drafts.wait_for('^docs/en/start/greet.md:17: recipes/greet/tasks.py: no function, class or assignment "gone"')
    wait_until(lambda: drafts.shows("en/start/greet/", "Good morning", "no function, class or assignment"))

    edit(project, "mkdocs.en.yml", "docs_dir: docs/en", "docs_dir: docs/de")
    drafts.wait_for("^NOT built in")
    assert drafts.shows("en/start/greet/", "Good morning")
    assert drafts.end().startswith("serve: done in ")


def written(folder):
    """When each file below *folder* was written."""
    return {file.as_posix(): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_an_edited_page_alone_is_built_again_and_a_recipe_in_both_languages(project, serve, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    drafts = serve("serve")
    drafts.wait_for("^Building…")
    drafts.wait_for("^Built in")
    assert [line.split()[0] for line in drafts.lines] == ["Serving", "Building…", "Built"]
    [folder] = (tmp_path / "temporary").glob("cookbook-serve-*")

    before = written(folder).items()
    edit(project, "docs/en/start/greet.md", "It greets.", "It greets you.")
    drafts.wait_for("^Built in")
    assert drafts.shows("en/start/greet/", "It greets you.")
    assert {name.rpartition("/en-1/")[2] for name, _ in written(folder).items() - before} == {
        "start/greet/index.html",
        "search/search_index.json",
    }

    edit(project, "docs/en/start/greet.md", "It greets you.", 'It greets you.{@ proven("greet::test_gone") @}')
    drafts.wait_for("^docs/en/start/greet.md:11: tests/recipes/test_greet.py: no test 'test_gone'")
    drafts.wait_for("^Built in")
    assert drafts.shows("en/start/greet/", "no test &#x27;test_gone&#x27;")
    edit(project, "docs/en/start/greet.md", '{@ proven("greet::test_gone") @}', "")
    drafts.wait_for("^Built in")
    assert drafts.lines[-2] == "Building…"
    assert not drafts.shows("en/start/greet/", "test_gone")

    assert not drafts.shows("start/greet/", STALE)
    edit(project, "recipes/greet/tasks.py", "Hello", "Good morning")
    drafts.wait_for("^Built in")
    assert drafts.shows("start/greet/", "Good morning", STALE)
    assert drafts.shows("en/start/greet/", "Good morning", "edited since the last run")

    edit(project, "docs/en/start/greet.md", "title: Greet", "title: Say hello")
    drafts.wait_for("^Built in")
    assert drafts.shows("en/", "Say hello")  # in its navigation
    assert drafts.get("how-we-know.json")[0] == 200


def test_the_site_is_run_published_and_served_by_one_command(project, serve):
    write(project, "tests/recipes/test_greet.py", QUICK_PROOF)
    for language in ("fr", "en"):
        edit(project, f"docs/{language}/start/greet.md", '{@ transcript("greet/hello.console") @}\n', "")
    parity.record(project)
    site = serve("site", "--serve", "--stack", "local")
    assert any("[1/1] greet: " in line for line in site.lines)
    assert f"The site is in {project.site}" in site.lines
    assert site.shows("en/start/greet/", "Greet")
    asked = urllib.request.Request(f"{site.address}en/start/greet", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked, timeout=60) as page:  # as a static host gives it
        assert page.url == f"{site.address}en/start/greet/"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert b"Greet" in gzip.decompress(page.read())
    assert_each_language_has_its_own_page_for_what_is_not_there(site)
    assert site.end().startswith("site: done in ")


def test_a_port_that_is_taken_is_told_in_one_line(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = cookbook(project, "serve", "--port", str(port))
    assert said.returncode == 1
    assert said.stderr == f"port {port} of 127.0.0.1: Address already in use: name another one, or none\n"


def test_a_connection_that_a_browser_drops_is_no_error_and_everything_else_is(tmp_path, capfd, monkeypatch):
    with SiteServer(tmp_path) as server:
        for wrong in (ConnectionResetError, BrokenPipeError, ValueError):
            monkeypatch.setattr(server, "finish_request", Mock(side_effect=wrong))
            server.process_request_thread(socket.socket(), ("127.0.0.1", 1))
    assert re.findall(r"^\w+Error$", capfd.readouterr().err, re.M) == ["ValueError"]
