"""Real searches, typed or pasted into the search box of the site: the page with the answer comes first."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from test_reader import RECIPES

SEARCHES = tomllib.loads(Path(__file__).with_name("searches.toml").read_text(encoding="utf-8"))
ROOTS = {"fr": "/", "en": "/en/"}
MISSES = 0.1  # of the queries, at most
MOST = 10  # pages listed for an error
ABSENT = {"fr": r"Pas encore traité\.( Le plus proche : .+)?", "en": r"Not covered yet\.( Nearest: .+)?"}
MESSAGE_WORDS = 3  # at least, in a troubleshooting entry
# What comes with a message that is copied from a terminal. Its words are those of other pages.
TERMINAL = """$ celery -A core inspect scheduled
->  worker1@cookbook: OK
    - empty -
Traceback (most recent call last):
  File "/srv/site-packages/celery/app/trace.py", line 451, in trace_task
    R = retval = fun(*args, **kwargs)
SomeError: {}"""
# The line above the results says "type to start" until the results are there.
IDLE = """() => {
    const { translations } = JSON.parse(document.querySelector("#__config").textContent);
    const says = document.querySelector(".md-search-result__meta").textContent.trim();
    return says === translations["search.result.placeholder"];
}"""
ANSWERED = f"() => !({IDLE})()"


def results(tab, query):
    """The addresses of the pages found, without their places in the page, and what the line above them says."""
    box = tab.locator("input.md-search__input")
    box.fill("")
    tab.wait_for_function(IDLE)
    box.fill(" ".join(query.split()))  # a browser makes one line of what is pasted into a box
    tab.wait_for_function(ANSWERED)
    found = tab.locator(".md-search-result__item > a").evaluate_all("links => links.map((link) => link.pathname)")
    return found, tab.locator(".md-search-result__meta").inner_text().replace("\u00a0", " ")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ROOTS)
def test_the_page_with_the_answer_comes_first(tab, language):
    tables = {**SEARCHES[language], **SEARCHES["both"]}
    queries = [
        (words, pages.split(" | ")) for table in tables.values() for pages, each in table.items() for words in each
    ]
    assert len(queries) >= 60
    tab.goto(ROOTS[language].removeprefix("/"))
    missed = []
    for words, pages in queries:
        found, says = results(tab, words)
        first = found[0].removeprefix(ROOTS[language]) if found else "nothing"
        if first not in pages or re.fullmatch(ABSENT[language], says):
            missed.append(f"{words!r}: {first} ({says}) instead of {' or '.join(pages)}")
    assert len(missed) <= MISSES * len(queries), "\n".join(missed)


@pytest.mark.parametrize("language", ROOTS)
def test_a_subject_that_no_page_covers_is_named_so(tab, language):
    queries = SEARCHES["absent"][language]
    assert len(queries) >= 10
    tab.goto(ROOTS[language].removeprefix("/"))
    wrong = []
    for words in queries:
        found, says = results(tab, words)
        match = re.fullmatch(ABSENT[language], says)
        if not match or bool(match[1]) != bool(found):  # it names the page that is listed, if there is one
            wrong.append(f"{words!r}: {found} ({says})")
    assert len(wrong) <= MISSES * len(queries), "\n".join(wrong)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("language", ROOTS)
def test_a_pasted_message_finds_the_page_whose_troubleshooting_quotes_it(tab, soup, language):
    quoting: dict[str, list[str]] = {}
    for path in RECIPES:
        heading = soup(path, language).select_one("#pitfalls")
        entries = heading.find_next_sibling("ul").select("li > strong code") if heading else []
        for text in (code.get_text() for code in entries):
            is_command = text.split()[0] in {"celery", "docker", "kill", "pip", "python", "redis-cli"}
            if len(text.split()) >= MESSAGE_WORDS and "…" not in text and not is_command:
                quoting.setdefault(text, []).append(f"{ROOTS[language]}{path}")
    assert quoting
    tab.goto(ROOTS[language].removeprefix("/"))
    for message, pages in quoting.items():
        found, _ = results(tab, TERMINAL.format(message))
        assert found[0] in pages or "troubleshoot" in found[0], message
        assert len(found) <= MOST, message


def test_a_long_error_lists_few_pages_and_a_snippet_has_no_marker_of_a_note(tab):
    tab.goto("en/")
    found, _ = results(tab, next(error for each in SEARCHES["both"]["pasted"].values() for error in each))
    assert 0 < len(found) <= MOST
    results(tab, "stamped_headers scan_id")
    tab.locator(".md-search-result__more summary").first.click()
    snippets = " ".join(tab.locator(".md-search-result__item article").all_inner_texts())
    assert "scan_id=str(scan_id)" in snippets
    assert not re.search(r"\(\d\)!", snippets)


@pytest.mark.parametrize("language", ROOTS)
def test_proofs_gaps_and_tables_of_releases_are_not_searched(site, language):
    folder = site / ROOTS[language].strip("/")
    docs = json.loads((folder / "search/search_index.json").read_text(encoding="utf-8"))["docs"]
    assert [doc["location"] for doc in docs if doc["location"].endswith("#proofs")] == []
    assert [doc["location"] for doc in docs if re.search(r"5\.3\s+5\.4\s+5\.5", doc["text"])] == []
    assert "data-search-exclude" not in (folder / "start/upgrade/index.html").read_text(encoding="utf-8")


def test_text_pasted_with_the_mouse_is_searched_too(tab):
    """Material searches only after a key."""
    tab.goto("")
    tab.locator("input.md-search__input").focus()
    tab.wait_for_function(IDLE)
    tab.locator("input.md-search__input").evaluate(
        "box => { box.value = 'unacked'; box.dispatchEvent(new InputEvent('input', { bubbles: true })); }"
    )
    tab.locator(".md-search-result__item").first.wait_for()


def test_a_result_highlights_the_words_of_the_search(tab):
    tab.goto("")
    tab.locator("input.md-search__input").fill("execution <tache>")
    marks = tab.locator(".md-search-result__item mark")
    marks.first.wait_for()
    found = {text.lower() for text in marks.all_inner_texts()}
    assert "tâche" in found
    assert any(text.startswith("exécut") for text in found)
    assert tab.wrong == []
