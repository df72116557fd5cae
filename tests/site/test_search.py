"""Real searches, typed or pasted into the search box of the site: the page with the answer comes first."""

import tomllib
from pathlib import Path

import pytest

SEARCHES = tomllib.loads(Path(__file__).with_name("searches.toml").read_text(encoding="utf-8"))
MISSES = 0.1  # of the queries, at most

# The line above the results says "type to start" until the results are there.
IDLE = """() => {
    const { translations } = JSON.parse(document.querySelector("#__config").textContent);
    const says = document.querySelector(".md-search-result__meta").textContent.trim();
    return says === translations["search.result.placeholder"];
}"""
ANSWERED = f"() => !({IDLE})()"


def first_result(tab, words):
    """The address that the first result leads to, without its place in the page; None when nothing is found."""
    box = tab.locator("input.md-search__input")
    box.fill("")
    tab.wait_for_function(IDLE)
    box.fill(words)
    tab.wait_for_function(ANSWERED)
    found = tab.locator(".md-search-result__item > a").first
    return found.evaluate("link => link.pathname") if found.count() else None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page_with_the_answer_comes_first(tab, language):
    root = "/" if language == "fr" else "/en/"
    queries = [(words, pages.split(" | ")) for pages, each in SEARCHES[language].items() for words in each]
    assert len(queries) >= 40
    tab.goto(root.removeprefix("/"))
    missed = []
    for words, pages in queries:
        found = first_result(tab, words)
        if found not in [root + page for page in pages]:
            missed.append(f"{words!r}: {found} instead of {' or '.join(pages)}")
    assert len(missed) <= MISSES * len(queries), "\n".join(missed)


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
