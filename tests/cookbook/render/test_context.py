"""Addresses, gaps and positions, as the macros of a page see them."""

import logging

import pytest

from cookbook.evidence.records import Proof
from cookbook.project import CookbookError
from cookbook.render import context
from cookbook.snapshot import Snapshot
from tests.cookbook.mini import edit, write, write_evidence

RECORDS = '''
def test_rows(record):
    """It records rows.

    Elle note des lignes.
    """
    record("rows", [])
'''


@pytest.fixture
def logged(context_at, caplog, monkeypatch):
    """Begin a build with variables of the environment: the context of a page, and what it logs from then on."""

    def begin(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        found = context_at("index.md")
        caplog.clear()
        return found, lambda: [(each.levelname, each.getMessage()) for each in caplog.records]

    caplog.set_level(logging.INFO, "mkdocs.cookbook")
    return begin


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("# T\n\n", 3),
        ("---\ntitle: T\n---\n\n# T\n\n", 7),
        ("\ufeff---\ntitle: T\n---\n# T\n\n", 6),
        ("---\ntitle: T\n---\n\n# T\n\n---\n\nBelow a rule.\n\n---\n\n", 13),
    ],
)
def test_a_call_is_reported_at_its_line_in_the_file(project, rendered, before, line):
    write(project, "docs/fr/redis/keys.md", f'{before}{{@ code("gone.py") @}}\n')
    _, [warning] = rendered("redis/keys.md", "fr")
    assert warning.startswith(f"docs/fr/redis/keys.md:{line}: recipes/gone.py: ")


def test_outside_a_call_the_position_is_the_page(context_at):
    assert context_at().caller() == "docs/en/start/greet.md"


@pytest.mark.parametrize(
    ("page", "to_root", "to_greet"),
    [
        ("fr/index.md", "./", "start/greet/"),
        ("en/index.md", "../", "start/greet/"),
        ("fr/start/other.md", "../../", "../../start/greet/"),
        ("en/start/other.md", "../../../", "../../start/greet/"),
        ("en/start/greet.md", "../../../", ""),
    ],
)
def test_addresses_are_relative_to_the_page(project, context_at, page, to_root, to_greet):
    language, _, path = page.partition("/")
    write(project, f"docs/{language}/start/other.md", "# Other\n")
    found = context_at(path, language)
    assert (found.to_root(), found.link_to("greet")) == (to_root, to_greet)


def test_a_link_to_a_recipe_without_a_page_is_an_error(context_at):
    with pytest.raises(CookbookError, match=r"^no page says `recipe: nobody` in its front matter$"):
        context_at().link_to("nobody")


def test_the_titles_of_recipes_are_links_in_the_order_of_the_titles(project, context_at):
    write(project, "docs/en/start/a.md", "---\ntitle: Zones & times\nrecipe: zones\n---\n\n# Z\n")
    write(project, "docs/en/start/z.md", "---\ntitle: apply\nrecipe: apply\n---\n\n# A\n")
    assert list(context_at("index.md").titles().items()) == [
        ("apply", '<a href="start/z/">apply</a>'),
        ("greet", '<a href="start/greet/">Greet</a>'),
        ("zones", '<a href="start/a/">Zones &amp; times</a>'),
    ]


@pytest.mark.parametrize(
    ("publishing", "stated", "level"), [("", False, "INFO"), ("true", False, "WARNING"), ("true", True, "INFO")]
)
def test_only_publishing_refuses_a_gap_and_only_one_without_a_stated_reason(logged, publishing, stated, level):
    found, messages = logged(COOKBOOK_PUBLISH=publishing)
    found.report("a < b", stated=stated)
    assert messages() == [(level, "docs/en/index.md: a < b")]


@pytest.mark.parametrize(("outcome", "level"), [("skipped", "INFO"), ("failed", "WARNING")])
def test_a_missing_record_is_a_stated_gap_if_its_proof_was_skipped(project, logged, outcome, level):
    write(project, "tests/recipes/test_greet.py", RECORDS)
    write_evidence(project, tests=[Proof("test_rows", "tests/recipes/test_greet.py::test_rows", outcome, 0.0, "why")])
    found, messages = logged(COOKBOOK_PUBLISH="true")
    said = found.unrecorded("greet", "rows", "no rows")
    assert ("Not recorded in this run: why." in said) is (outcome == "skipped")
    assert messages() == [(level, "docs/en/index.md: no rows")]


def test_the_address_of_the_files_is_that_of_the_repository_or_empty(project, context_at):
    found = context_at()
    found.env.conf["extra"]["repository"] = {"url": "https://example.org/a/b/", "view": "blob/main/"}
    assert found.repository() == "https://example.org/a/b/blob/main/"
    found.env.conf["extra"]["repository"]["url"] = ""
    assert found.repository() == ""


def test_a_build_that_continues_reads_the_project_as_given_to_it(project, context_at):
    found = context_at("index.md")
    assert "greet" in found.titles()
    edit(project, "docs/en/start/greet.md", "title: Greet", "title: Say hello")
    context.give(found.env, Snapshot(project.root))
    assert "Say hello" in found.titles()["greet"]
    assert context.begin(found.env).project is found.project
