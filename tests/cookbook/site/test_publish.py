import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from cookbook.checks import parity
from cookbook.project import CookbookError, Project
from cookbook.site import publish
from cookbook.stack.processes import wait_until
from tests.cookbook.mini import BLOCKS, cookbook, edit, make_project, write


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A project that was published once, and the result of the command. Tests change a copy: `copy`."""
    project = make_project(tmp_path_factory.mktemp("published"))
    return project, cookbook(project, "publish")


@pytest.fixture
def copy(published, tmp_path):
    """A copy of the published project, for a test to break."""
    return Project(shutil.copytree(published[0].root, tmp_path / "book", symlinks=True))


def state(folder):
    """The bytes and the time of change of every file: equal for a folder that nobody touched."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def beside(project):
    """What a publisher left in the folder of the project, except the cache."""
    return sorted(path.name for path in project.root.glob(".*") if path.name != ".cache")


def test_a_published_site_contains_both_languages_and_the_bundles(published):
    project, said = published
    assert said.returncode == 0, said.stderr
    assert f"4 pages; {BLOCKS} blocks equal their recipe byte for byte" in said.stdout
    assert "Saluer" in (project.site / "start/greet/index.html").read_text()
    assert "Greet" in (project.site / "en/start/greet/index.html").read_text()
    assert 'lang="fr"' in (project.site / "404.html").read_text()
    assert 'lang="en"' in (project.site / "en/404.html").read_text()
    assert (project.site / "bundles/greet.zip").is_file()
    assert beside(project) == []


def test_an_error_of_the_build_is_one_line_and_leaves_the_last_good_site(copy):
    edit(copy, "docs/fr/index.md", "start/greet.md#files", "start/gone.md")
    edit(copy, "docs/en/index.md", "start/greet.md#files", "start/gone.md")
    edit(copy, "docs/en/start/greet.md", "It greets.", '{@ nonsense("greet") @} greets.')
    edit(copy, "docs/fr/start/greet.md", "Elle salue.", '{@ nonsense("greet") @} salue.')
    parity.record(copy)
    before = state(copy.site)
    said = cookbook(copy, "publish")
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        "docs/fr/index.md:8: contains a link 'start/gone.md', but the target is not found among documentation files.",
        "docs/fr/start/greet.md:11: UndefinedError: 'nonsense' is undefined",
        "docs/en/index.md:8: contains a link 'start/gone.md', but the target is not found among documentation files.",
        "docs/en/start/greet.md:11: UndefinedError: 'nonsense' is undefined",
    ]
    assert state(copy.site) == before
    assert beside(copy) == []


def test_a_killed_publisher_leaves_the_last_good_site_and_the_next_one_cleans_up(copy):
    before = state(copy.site)
    publisher = subprocess.Popen([sys.executable, "-m", "cookbook", "publish"], cwd=copy.root, stdout=subprocess.PIPE)
    wait_until(lambda: (copy.root / ".site.new/fr").exists() or publisher.poll() is not None)
    publisher.send_signal(signal.SIGKILL)
    publisher.communicate()
    assert publisher.returncode == -signal.SIGKILL
    assert state(copy.site) == before
    assert beside(copy) == [".site.new"]

    # Its builders outlive it for a moment, and lock out other publishers.
    busy = f"{copy.site}: another publish is running in {copy.root}: wait until it ends"
    with pytest.raises(CookbookError, match=re.escape(busy)):
        publish.publish(copy)

    def next_publish():
        try:
            return publish.publish(copy)
        except CookbookError as error:
            assert str(error) == busy
            return None

    assert wait_until(next_publish, timeout=60) == copy.site
    assert beside(copy) == []
    assert state(copy.site).keys() == before.keys()
    assert state(copy.site) != before


def test_a_second_publisher_is_refused(copy):
    before = state(copy.site)
    other = os.open(copy.root, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(CookbookError) as failure:
        publish.publish(copy)
    os.close(other)
    assert str(failure.value) == f"{copy.site}: another publish is running in {copy.root}: wait until it ends"
    assert state(copy.site) == before


def test_a_folder_that_is_not_a_site_is_not_replaced(copy):
    letter = write(copy, "letters/to-ada.txt", "Dear Ada")
    with pytest.raises(CookbookError, match="letters: not a site, and publishing would remove what is there"):
        publish.publish(copy, letter.parent)
    with pytest.raises(CookbookError, match=r"to-ada\.txt: not a site"):
        publish.publish(copy, letter)
    assert letter.read_text() == "Dear Ada"


def test_a_swap_leaves_no_moment_without_a_site(tmp_path):
    new, target = tmp_path / "new", tmp_path / "site"
    for folder in (new, target):
        folder.mkdir()
        (folder / "index.html").write_text(folder.name)
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            seen.add((target / "index.html").exists())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(201):
        publish.swap(new, target)
    done.set()
    reader.join()
    assert seen == {True}
    assert (target / "index.html").read_text() == "new"
    assert (new / "index.html").read_text() == "site"


def test_folders_are_renamed_where_the_system_cannot_exchange_them(tmp_path, monkeypatch):
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())
    new, target = tmp_path / "new", tmp_path / "site"
    for folder in (new, target):
        folder.mkdir()
        (folder / "index.html").write_text(folder.name)
    publish.swap(new, target)
    assert (target / "index.html").read_text() == "new"
    assert (new / "index.html").read_text() == "site"
    assert sorted(tmp_path.iterdir()) == [new, target]


def test_a_swap_that_fails_puts_the_last_good_site_back(tmp_path):
    target = tmp_path / "site"
    target.mkdir()
    with pytest.raises(FileNotFoundError):
        publish.swap(tmp_path / "never-built", target)
    assert list(tmp_path.iterdir()) == [target]


def test_a_site_that_a_killed_publisher_moved_aside_is_restored(copy):
    before = {path.name for path in copy.site.iterdir()}
    copy.site.rename(copy.root / ".site.old")
    shutil.rmtree(copy.evidence)
    with pytest.raises(CookbookError, match="no evidence"):
        publish.publish(copy)
    assert {path.name for path in copy.site.iterdir()} == before
    assert beside(copy) == []


def test_a_region_that_no_page_shows_is_a_problem(copy):
    edit(
        copy,
        "recipes/greet/worker.conf",
        "# endregion: memory",
        "# endregion: memory\n# region: idle\na\n# endregion: idle",
    )
    assert publish.problems(copy, with_evidence=False) == [
        'recipes/greet/worker.conf: no page shows the region "idle": '
        'call code("greet/worker.conf", "idle"), or remove it'
    ]


def test_a_recipe_without_proofs_is_a_problem(copy):
    write(copy, "recipes/farewell/tasks.py", "")
    assert publish.problems(copy) == [
        "tests/recipes/test_farewell.py: missing, so nothing proves recipes/farewell: write it, or remove the recipe"
    ]


def test_a_page_of_a_recipe_that_does_not_exist_is_a_problem(copy):
    for language in ("fr", "en"):
        edit(copy, f"docs/{language}/start/greet.md", "recipe: greet", "recipe: great")
    assert publish.problems(copy) == [
        "tests/recipes/test_great.py: missing, so nothing proves recipes/great: write it, or remove the recipe"
    ]


def test_a_wrong_call_is_reported_with_its_page_and_line(copy):
    for language in ("fr", "en"):
        edit(copy, f"docs/{language}/start/greet.md", '"return f"', '"yield f"')
    assert [line.partition(": ") for line in publish.problems(copy) if "parity" not in line] == [
        (
            f"docs/{language}/start/greet.md:13",
            ": ",
            ("recipes/greet/tasks.py: a note is for 'yield f', which is in no line of the snippet: correct its key"),
        )
        for language in ("fr", "en")
    ]
