"""What each macro puts on a page, and what it reports instead when its call or its evidence is wrong."""

import pytest
from bs4 import BeautifulSoup
from mkdocs.structure.files import File
from mkdocs.structure.pages import Page

from cookbook.evidence.records import Proof
from cookbook.render.reference import setting, written
from tests.cookbook.mini import FILES, QUICK_PROOF, edit, write, write_evidence

PAGE = "docs/en/start/greet.md"
ROWS = [{"command": "LLEN <celery>", "waits": 0.5, "kept": True}, {"command": "PING", "waits": 2, "kept": False}]
MESSAGES = [{"at": 0.0, "source": "app", "target": "redis", "text": "LPUSH"}]
BARS = [{"lane": "one", "start": 0.0, "end": 1.5, "text": "first"}]
ENTERED = '''

def test_the_container_is_entered(console):
    """The container is entered.

    On entre dans le conteneur.
    """
    console("hello.console")
'''
ABOUT = "about-greet-0"
NEVER_RAN = "docs/{}/start/greet.md:{}: recipes/greet/hello.console: no run of greet executed it"


@pytest.fixture
def called(project, rendered):
    """Render a page that contains only *calls*: its text, and the warnings without the path of the page."""

    def render(calls, language="en"):
        write(project, f"docs/{language}/calls.md", f"# Calls\n\n{calls}\n")
        text, warnings = rendered("calls.md", language)
        return text, [each.removeprefix(f"docs/{language}/calls.md:") for each in warnings]

    return render


def soup(text):
    return BeautifulSoup(text, "html.parser")


def test_the_notes_of_a_block_are_numbered_in_it_and_explained_below(called):
    text, warnings = called('{@ code("greet/tasks.py", "greet", notes={"return f": "One.\\n\\nTwo.", "def": "In."}) @}')
    assert warnings == []
    assert 'title="greet/tasks.py" data-source="greet/tasks.py:greet"' in text
    assert "def greet(name: str) -> str:  # (1)!\n" in text
    assert text.endswith("```\n\n1. In.\n2. One.\n\n    Two.")


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ('code("greet/tasks.py", "gone")', 'recipes/greet/tasks.py: no function, class or assignment "gone"'),
        ('code("<b>.py")', "recipes/<b>.py: "),
        ("code()", "code() missing 1 required positional argument: 'path'"),
        ('transcript("greet/tasks.py")', "recipes/greet/tasks.py: no such transcript: name a .console file"),
        ('transcript("greet/gone.console")', "recipes/greet/gone.console: no such transcript"),
        ('table("greet", "rows", columns={"delay": "Delay"})', "record 'rows' of greet has no ['delay']: it has ["),
        ('timeline("greet", "bars", lanes={}, caption="C")', "record 'bars' of greet has bars in the lanes ['one']"),
    ],
)
def test_a_wrong_call_is_one_warning_with_its_line_and_a_mark_on_the_page(project, called, call, why):
    write_evidence(project, records={"rows": ROWS, "bars": BARS})
    text, [warning] = called(f"First.\n\n{{@ {call} @}}")
    assert warning.startswith(f"5: {why}")
    assert soup(text).select_one("strong.mark-stale").get_text() == warning.removeprefix("5: ")


@pytest.mark.parametrize("outcome", ["skipped", None])
def test_a_transcript_without_a_run_is_refused_unless_its_proof_was_skipped_with_a_reason(
    project, rendered, outcome, monkeypatch
):
    monkeypatch.setenv("COOKBOOK_PUBLISH", "true")
    write(project, "tests/recipes/test_greet.py", QUICK_PROOF + ENTERED)
    tests = write_evidence(project, transcripts={}).tests
    if outcome:
        name = "test_the_container_is_entered"
        tests = [*tests, Proof(name, f"tests/recipes/test_greet.py::{name}", outcome, 0.0, "no engine")]
        write_evidence(project, transcripts={}, tests=tests)
    line = FILES[PAGE].split("\n").index('{@ transcript("greet/hello.console") @}') + 1
    for language in ("fr", "en"):
        text, warnings = rendered(language=language)
        assert warnings == ([] if outcome else [NEVER_RAN.format(language, line)])
        assert 'class="unproven"' in text
        assert '``` {.console data-source="greet/hello.console"}\n$ celery' in text


def test_a_claim_has_a_mark_and_its_page_one_panel_which_links_to_the_test_on_the_page_of_its_recipe(called):
    call = '{@ proven("greet::test_it_greets_by_name") @}'
    page = soup(called(f"{call} {call}")[0])
    assert [mark["popovertarget"] for mark in page.select(".tick > button.proof")] == [ABOUT, ABOUT]
    [panel] = page.select("section.proofs > .claim[popover]")
    assert panel["id"] == ABOUT
    assert panel.a["href"] == "../start/greet/#proof-test_it_greets_by_name"
    assert not page.select("pre.proof-source, details")
    assert page.section["data-search-exclude"] == "true"


def test_publishing_refuses_a_claim_whose_evidence_is_stale(project, rendered, monkeypatch):
    monkeypatch.setenv("COOKBOOK_PUBLISH", "true")
    assert rendered()[1] == []
    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    assert any("test_it_greets_by_name: edited since the last run" in each for each in rendered()[1])


def test_a_setting_links_to_its_manual_entry_with_its_default_as_tooltip(called):
    found = setting("accept_content")
    text, _ = called('{@ setting("accept_content") @} {@ default("accept_content") @}')
    assert f"[`CELERY_ACCEPT_CONTENT`]({found.url}){{ .setting title=" in text
    assert text.count('"') == 2
    assert f"`{written(found.default)}`" in text


def test_a_table_shows_the_chosen_columns_as_the_language_writes_them(project, called):
    write_evidence(project, records={"rows": ROWS})
    call = '{@ table("greet", "rows", columns={"kept": "It\'s kept", "command": "Line"}, caption="It\'s C") @}'
    table = soup(called(call, "fr")[0])
    assert [cell.get_text() for cell in table.select("caption, th")] == ["It’s C", "It’s kept", "Line"]
    assert [cell.decode_contents() for cell in table.select("td")] == [
        "oui",
        "<code>LLEN &lt;celery&gt;</code>",
        "non",
        "<code>PING</code>",
    ]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ('sequence("greet", "sent", actors={"app": "App", "redis": "Redis"}, caption="A <b>")', "App → Redis: LPUSH"),
        ('timeline("greet", "bars", lanes={"one": "Worker"}, caption="A <b>")', "Worker"),
    ],
)
def test_a_drawing_has_a_caption_and_the_same_as_text_which_alone_is_searched(project, called, call, text):
    write_evidence(project, records={"sent": MESSAGES, "bars": BARS})
    figure = soup(called(f"{{@ {call} @}}")[0]).select_one("figure.diagram")
    assert figure.select_one("svg")["data-search-exclude"] == "true"
    assert figure.figcaption.get_text() == "A <b>"
    assert text in figure.details.get_text()
    assert not figure.details.has_attr("data-search-exclude")


@pytest.mark.parametrize("rows", [None, []])
def test_in_the_place_of_a_record_that_no_run_made_stands_a_sentence_rather_than_an_empty_table(project, called, rows):
    write_evidence(project, records={} if rows is None else {"rows": rows})
    text, warnings = called('{@ table("greet", "rows", columns={}) @}')
    assert [each.get_text() for each in soup(text).select("p.unproven")] == ["Not recorded in this run: not run."]
    assert (warnings, soup(text).table) == ([], None)


def test_a_table_of_versions_without_a_row_is_a_sentence(called):
    page = soup(called('{@ later(caption="Later") @}')[0])
    assert (page.p.get_text(), page.table) == ("Later: none.", None)


def test_a_page_of_a_recipe_starts_with_what_it_was_verified_on_and_ends_with_its_folded_proofs(rendered):
    text, _ = rendered()
    parts = ("# Greet\n", 'class="verified"', "## The files", 'class="proofs"', "<details>", 'class="claim"')
    assert [text.count(each) for each in parts] == [1] * len(parts)
    assert sorted(parts, key=text.index) == list(parts)
    assert soup(text).select_one(".claim pre.proof-source")


def test_a_page_has_no_panel_of_the_page_before(context_at):
    found = context_at()
    assert found.cited
    macros, config = found.env, found.env.conf
    home = Page(None, File("index.md", config.docs_dir, config.site_dir, use_directory_urls=True), config)
    home.read_source(config)
    assert "popover" not in macros.on_page_markdown(home.markdown, page=home, config=config)


def test_another_page_is_left_as_it_is(rendered):
    assert rendered("index.md") == (FILES["docs/en/index.md"].partition("---\n\n")[2].rstrip("\n"), [])


def test_a_page_whose_evidence_is_unreadable_is_a_warning(project, rendered):
    write(project, "docs/en/page.md", "---\nrecipe: greet\n---\n\n# Page\n")
    write(project, "evidence/local/greet.json", "{}")
    text, [warning] = rendered("page.md")
    assert text.strip() == "# Page"
    assert warning.startswith("docs/en/page.md: evidence/local/greet.json: ")


def test_the_description_and_the_keywords_of_a_page_are_searched(project, context_at):
    edit(project, PAGE, "recipe: greet\n", "recipe: greet\nkeywords: [hello, hi]\n")
    assert context_at().page.meta["tags"] == ["A task that greets.", "hello", "hi"]
    assert context_at("index.md").page.meta["tags"] == ["A small book."]
