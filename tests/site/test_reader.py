"""What a reader does with the site, in a real browser."""

import pytest
from axe import NARROW, WIDE
from playwright.sync_api import expect

from cookbook.project import find_project
from cookbook.sources import pages

DOCS = find_project().docs / "fr"
ADDRESSES = {page: f"{page.relative_to(DOCS).with_suffix('')}/".replace("index/", "") for page in DOCS.rglob("*.md")}
PAGES = sorted(ADDRESSES.values())
RECIPES = sorted(address for page, address in ADDRESSES.items() if pages.front_matter(page).get("recipe"))

# Elements of the article beyond the right side of the window.
BEYOND = """() => [...document.querySelectorAll("article *")]
    .filter(each => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth + 1)
    .map(each => each.outerHTML.slice(0, 120))"""
HIDDEN_NOTES = """() => [...document.querySelectorAll(".md-annotation__index")]
    .filter(each => each.checkVisibility() && each.getBoundingClientRect().right > innerWidth)
    .map(each => each.closest(".highlight").innerText.slice(0, 120))"""
# Blocks whose first line begins above the lower side of the copy button.
COVERED = """() => [...document.querySelectorAll(".highlight")].filter(block => {
    const button = block.querySelector(".md-code__nav"), code = block.querySelector("pre > code");
    if (!button || !code.checkVisibility()) return false;
    const { top } = code.getBoundingClientRect(), { paddingTop } = getComputedStyle(code);
    return button.getBoundingClientRect().bottom > top + parseFloat(paddingTop) + 1;
}).map(block => block.innerText.slice(0, 120))"""
SHADES = """() => Object.fromEntries(
    [...document.querySelectorAll("article :is(.md-typeset__scrollwrap, table.recorded, .diagram)")]
        .filter(each => each.scrollWidth > each.clientWidth)
        .map(each => [each.outerHTML.slice(0, 120), getComputedStyle(each).backgroundImage]))"""


@pytest.mark.parametrize(
    ("start", "language", "end"), [("redis/keys/", "en", "en/redis/keys/"), ("en/redis/keys/", "fr", "redis/keys/")]
)
def test_the_language_switch_keeps_the_page(tab, address, start, language, end):
    tab.goto(start)
    tab.locator(f".md-header a[hreflang={language}]").first.evaluate("link => link.click()")
    tab.wait_for_url(address + end)


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def reader(request, browser, address):
    """A phone with scripts, or without."""
    with browser.new_context(
        base_url=address, java_script_enabled=request.param, viewport=NARROW, has_touch=True
    ) as context:
        yield context.new_page()


def test_a_mark_opens_the_claim_the_versions_and_the_test_in_place_by_touch_and_keyboard(reader):
    reader.goto("redis/keys/")
    mark = reader.locator("article p button.proof").first
    box = mark.bounding_box()
    assert min(box["width"], box["height"]) >= 24
    panel = reader.locator(f"#{mark.get_attribute('popovertarget')}")
    mark.tap()
    expect(panel).to_contain_text("Celery 5.")
    expect(panel.locator("pre.proof-source")).to_contain_text("def test_")
    expect(panel).to_be_in_viewport()
    close = panel.locator("[popovertargetaction=hide]")
    close.tap()
    expect(panel).to_be_hidden()
    mark.press("Enter")
    expect(panel).to_be_visible()
    reader.keyboard.press("Tab")
    expect(close).to_be_focused()
    reader.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert reader.url.endswith("/redis/keys/")


def test_a_link_to_a_proof_unfolds_the_proofs_and_shows_it(reader, soup):
    last = soup("redis/keys").select(".proofs li")[-1]["id"]
    reader.goto("redis/keys/")
    expect(reader.locator(f"#{last}")).to_be_hidden()
    reader.goto(f"redis/keys/#{last}")
    expect(reader.locator(f"#{last}")).to_be_in_viewport()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_folded_proofs_take_at_most_a_twentieth_of_a_page(tab, size):
    tab.set_viewport_size(size)
    for path in ("start/settings/", "cancel/stamped-headers/", "run/prefetch/"):
        tab.goto(path)
        share = tab.evaluate("""() => {
            const height = selector => document.querySelector(selector).getBoundingClientRect().height;
            return height(".proofs") / height("article");
        }""")
        assert 0 < share <= 0.05, path


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


@pytest.mark.parametrize("path", ["start/settings/", "start/life-of-a-task/", "reference/versions/"])
def test_on_paper_there_are_no_proofs_and_nothing_is_cut_at_the_side(tab, path):
    tab.set_viewport_size({"width": 700, "height": 900})  # about the width of A4 between its margins
    tab.emulate_media(media="print")
    tab.goto(path)
    assert not tab.locator(".proofs").is_visible()
    assert tab.evaluate(BEYOND) == []


@pytest.mark.parametrize("path", ["start/settings/", "start/testing/", "start/life-of-a-task/"])
def test_on_a_phone_notes_are_in_sight_and_no_copy_button_covers_code(tab, path):
    tab.set_viewport_size(NARROW)
    tab.goto(path)
    tab.locator(".md-annotation__index").first.wait_for()
    assert tab.evaluate(HIDDEN_NOTES) == []
    assert tab.evaluate(COVERED) == []


def test_what_scrolls_sideways_on_a_phone_has_a_shade_at_its_side(tab):
    tab.set_viewport_size(NARROW)
    shades: dict[str, str] = {}
    for path in ("start/testing/", "start/life-of-a-task/", "redis/keys/"):
        tab.goto(path)
        shades |= tab.evaluate(SHADES)
    assert shades
    assert [what for what, image in shades.items() if "gradient" not in image] == []


def test_on_paper_the_notes_of_a_block_are_below_it(tab, soup):
    note = soup("start/first-task/").select_one("article > ol > li").get_text()
    tab.goto("start/first-task/")
    expect(tab.locator("article")).not_to_contain_text(note, use_inner_text=True)
    tab.evaluate("addEventListener('beforeprint', () => { printed = document.querySelector('article').innerText })")
    tab.pdf()
    assert note in tab.evaluate("printed")
