"""The language of the reader: the switch keeps the place, and a page offers the language that the reader prefers."""

import datetime

import pytest
from babel.dates import format_date
from bs4 import BeautifulSoup


@pytest.fixture
def reader(browser, address):
    """A page in the browser of a reader who prefers languages, in order: `reader("fr-FR", "en-GB")`."""
    contexts = []

    def prefers(*locales):
        contexts.append(browser.new_context(base_url=address, locale=locales[0]))
        page = contexts[-1].new_page()
        page.add_init_script(f"Object.defineProperty(navigator, 'languages', {{ get: () => {[*locales]} }})")
        return page

    yield prefers
    for context in contexts:
        context.close()


def read_to(page, heading):
    # Content gets its height only when it comes into view: scroll until the page stops growing.
    page.wait_for_function(
        """id => {
            const before = document.documentElement.scrollHeight, place = document.getElementById(id);
            place.scrollIntoView();
            const isThere = window.tall === before && place.getBoundingClientRect().top < 73;
            window.tall = before;
            return isThere;
        }""",
        arg=heading,
        polling=200,
    )


def read_to_end(page):
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    page.wait_for_function("scrollY > 0")


@pytest.mark.parametrize(
    ("start", "language", "end"), [("redis/keys/", "en", "en/redis/keys/"), ("en/redis/keys/", "fr", "redis/keys/")]
)
def test_the_switch_keeps_the_section_in_view(reader, address, start, language, end):
    page = reader("fr-FR" if language == "en" else "en-GB")
    page.goto(start)
    read_to(page, "results")
    page.locator(f".language-switch[hreflang={language}]").first.click()
    page.wait_for_url(f"{address}{end}#results")
    assert page.locator("html").get_attribute("lang") == language


def test_the_switch_keeps_the_end_of_a_page_with_folded_proofs(reader, address):
    page = reader("fr-FR")
    page.goto("redis/keys/")
    last = page.locator("article h2").last.get_attribute("id")
    read_to_end(page)
    page.locator(".language-switch").first.click()
    page.wait_for_url(f"{address}en/redis/keys/#{last}")


def test_the_switch_keeps_the_proof_in_view(reader, address):
    page = reader("fr-FR")
    page.goto("redis/keys/")
    page.locator(".proofs summary").click()
    proof = page.locator(".proofs li").nth(5).get_attribute("id")
    read_to(page, proof)
    page.locator(".language-switch").first.click()
    page.wait_for_url(f"{address}en/redis/keys/#{proof}")


@pytest.mark.parametrize(
    ("locale", "path", "offered"),
    [("en-US", "run/prefetch/", "en"), ("fr-CA", "en/run/prefetch/", "fr"), ("en-US", "404.html", "en")],
)
def test_the_other_language_is_offered_in_that_language_to_a_reader_who_prefers_it(reader, locale, path, offered):
    page = reader(locale)
    page.goto(path)
    line = page.locator(".language-offer")
    line.wait_for()
    assert line.get_attribute("lang") == offered
    words = {"en": "Read this page in English", "fr": "Lire cette page en français"}[offered]
    assert line.locator("a").inner_text() == words


@pytest.mark.parametrize(
    ("locales", "path"),
    [(["fr-FR", "en-US"], "run/prefetch/"), (["en-GB", "fr"], "en/"), (["de-DE"], "run/prefetch/")],
)
def test_nothing_is_offered_on_a_page_in_the_preferred_language_or_without_a_matching_one(reader, locales, path):
    page = reader(*locales)
    page.goto(path)
    assert page.locator(".language-offer").count() == 0


def test_a_refusal_is_remembered(reader):
    page = reader("en-GB")
    page.goto("run/prefetch/")
    page.locator(".language-offer button").click()
    assert page.locator(".language-offer").count() == 0
    page.goto("redis/keys/")
    assert page.locator(".language-offer").count() == 0


def test_the_offer_leads_to_the_same_place_and_is_not_repeated(reader, address):
    page = reader("en-GB")
    page.goto("redis/keys/")
    read_to(page, "results")
    page.locator(".language-offer a").click()
    page.wait_for_url(f"{address}en/redis/keys/#results")
    page.goto("redis/keys/")  # the reader came back on purpose
    assert page.locator(".language-offer").count() == 0


@pytest.mark.parametrize(("language", "words"), [("fr", "Page introuvable"), ("en", "Page not found")])
def test_a_missing_page_is_in_the_language_of_its_address(site, language, words):
    page = site / ("" if language == "fr" else language) / "404.html"
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    assert soup.select("html")[0]["lang"] == language
    assert soup.select("h1")[0].get_text() == words


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            "fr",
            {
                "search": "Rechercher",
                "copy": "Copier la page",
                "toc": "Sur cette page",
            },
        ),
        (
            "en",
            {
                "search": "Search",
                "copy": "Copy page",
                "toc": "On this page",
            },
        ),
    ],
)
def test_the_text_of_the_theme_is_in_the_language_of_the_page(soup, language, expected):
    page = soup("redis/keys", language)
    assert page.select_one(".md-search__input")["aria-label"] == expected["search"]
    assert page.select_one(".copy-page").get_text(strip=True) == expected["copy"]
    assert expected["toc"] in page.select_one(".md-nav--secondary").get_text()
    day = page.select_one(".verified time")
    month = format_date(datetime.datetime.fromisoformat(day["datetime"]), "MMMM", locale=language)
    assert month in day.get_text()
