"""Checks of the HTML of every page, without a browser: each page is parsed once for the tests of this module."""

import re

import pytest
from bs4.element import NavigableString
from test_pasted import copied
from test_reader import PAGES

from cookbook.project import LANGUAGES

AS_TYPED = re.compile(r".{0,20}\w'\w.{0,20}")
NOT_PROSE = ["code", "pre", "script", "style", "textarea"]


@pytest.fixture(scope="module", params=PAGES)
def both(request, soup):
    """The address of a page in French and the page in each language, for all tests of this module in turn."""
    return request.param, {language: soup(request.param, language) for language in LANGUAGES}


def test_a_page_names_its_language_and_its_translation(both):
    path, pages = both
    for language, page in pages.items():
        assert page.select_one("html")["lang"] == language
        own = path if language == "fr" else f"en/{path}"
        root = page.select_one("link[rel=canonical]")["href"].removesuffix(own)
        twins = {link["hreflang"]: link["href"] for link in page.select("link[hreflang]")}
        assert twins == {"fr": root + path, "en": f"{root}en/{path}", "x-default": root + path}


def test_every_drawing_has_a_name_and_a_text_with_the_same_content(both):
    for page in both[1].values():
        for drawing in page.select("article figure svg"):
            assert drawing["role"] == "img"
            assert drawing["aria-label"] == drawing.find_parent("figure").find("figcaption").get_text()
            assert drawing.find_parent("figure").select_one("details :is(li, td)").get_text()


def test_text_outside_code_has_typographic_apostrophes(both):
    for page in both[1].values():
        texts = page.find_all(string=lambda text: type(text) is NavigableString)
        prose = "".join(" " if text.find_parent(NOT_PROSE) else text for text in texts)
        assert AS_TYPED.findall(prose) == []


def test_both_languages_of_a_page_have_the_same_blocks_to_copy(both):
    french, english = (list(copied(page)) for page in both[1].values())
    assert french == english
