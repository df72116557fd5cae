import os

import pytest

from cookbook.site.build import Builder, Request
from tests.cookbook.mini import edit


@pytest.fixture
def builder(project):
    """The process that builds English, and built it once into ``built/``."""
    builder = Builder(project, "en", {})
    builder.begin(Request(project.root / "built"))
    assert builder.end() == (True, [])
    yield builder
    builder.close()


def written(folder):
    """The files in *folder*, except the sitemap, which contains the time of the build."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and "sitemap" not in file.name}


def test_a_page_is_built_again_alone_exactly_as_with_the_whole_language(project, builder):
    folder = project.root / "built"
    edit(project, "docs/en/start/greet.md", "It greets.", "It greets you, [from home](../index.md).")
    edit(project, "docs/en/start/greet.md", "- In a list:", "## More { #more }\n\nMuch more.\n\n- In a list:")
    edit(project, "recipes/greet/tasks.py", "Hello", "Good morning")
    for file in folder.rglob("*"):
        os.utime(file, (0, 0))
    builder.begin(Request(pages=["start/greet.md"]))
    assert builder.end() == (True, [])
    rebuilt = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file() and mtime(file)}
    assert rebuilt == {"start/greet/index.html", "search/search_index.json"}
    page = (folder / "start/greet/index.html").read_text(encoding="utf-8")
    assert "Good morning" in page
    assert 'class="gap"' in page  # its evidence is stale
    assert "Much more." in (folder / "search/search_index.json").read_text(encoding="utf-8")

    in_steps = written(folder)
    builder.begin(Request(folder))
    assert builder.end() == (True, [])
    assert written(folder) == in_steps


def mtime(file):
    return file.stat().st_mtime


def test_a_fault_of_a_page_built_alone_is_reported_until_it_is_fixed(project, builder):
    edit(project, "docs/en/start/greet.md", "It greets.", "It greets, [here](#nowhere).")
    builder.begin(Request(pages=["start/greet.md"]))
    [line] = builder.end().warnings
    assert line.startswith("docs/en/start/greet.md:11: contains a link '#nowhere', but there is no such anchor")
    edit(project, "docs/en/start/greet.md", "[here](#nowhere)", "[here](#files)")
    builder.begin(Request(pages=["start/greet.md"]))
    assert builder.end() == (True, [])
