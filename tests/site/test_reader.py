"""What a reader does with the site, in a real browser."""

import pytest
from playwright.sync_api import expect

from cookbook.project import find_project
from cookbook.sources import pages

DOCS = find_project().docs / "fr"
ADDRESSES = {page: f"{page.relative_to(DOCS).with_suffix('')}/".replace("index/", "") for page in DOCS.rglob("*.md")}
PAGES = sorted(ADDRESSES.values())
RECIPES = sorted(address for page, address in ADDRESSES.items() if pages.front_matter(page).get("recipe"))


@pytest.mark.parametrize(
    ("start", "language", "end"), [("redis/keys/", "en", "en/redis/keys/"), ("en/redis/keys/", "fr", "redis/keys/")]
)
def test_the_language_switch_keeps_the_page(tab, address, start, language, end):
    tab.goto(start)
    tab.locator(f".md-header a[hreflang={language}]").first.evaluate("link => link.click()")
    tab.wait_for_url(address + end)


def test_a_proof_mark_leads_to_its_proof(tab):
    tab.goto("redis/keys/")
    mark = tab.locator("a.proof").first
    target = mark.get_attribute("href")
    mark.click()
    assert tab.locator(f"li{target}").is_visible()


def test_the_search_index_is_fetched_only_when_the_reader_searches(tab):
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto("")
    tab.wait_for_load_state("networkidle")
    assert not [url for url in asked if "search_index" in url]
    tab.locator("input.md-search__input").focus()
    tab.keyboard.type("unacked")
    tab.locator(".md-search-result__item").first.wait_for()
    assert [url for url in asked if "search_index" in url]


@pytest.mark.parametrize(("path", "words"), [("nowhere/", "Page"), ("en/nowhere/", "Page")])
def test_each_language_has_a_404_page(site, path, words):
    assert words in (site / path.replace("nowhere/", "404.html")).read_text(encoding="utf-8")


def test_on_paper_a_page_is_light(tab):
    tab.emulate_media(color_scheme="dark")
    tab.goto("start/first-task/")
    tab.emulate_media(media="print")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(253, 253, 251)"


def test_on_paper_the_notes_of_a_block_are_below_it(tab, soup):
    note = soup("start/first-task/").select_one("article > ol > li").get_text()
    tab.goto("start/first-task/")
    expect(tab.locator("article")).not_to_contain_text(note, use_inner_text=True)
    tab.evaluate("addEventListener('beforeprint', () => { printed = document.querySelector('article').innerText })")
    tab.pdf()
    assert note in tab.evaluate("printed")
