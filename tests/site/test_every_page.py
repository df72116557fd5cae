"""Checks of every page in a browser: each page is opened once for these tests, which run in this order."""

import pytest
from axe import NARROW, WIDE, assert_axe_finds_nothing, look
from tabs import open_tab
from test_reader import PAGES, RECIPES

from cookbook.sources import transcripts
from cookbook.sources.snippets import cut

BUTTON = """async (block) => {
    const button = block.querySelector("button.md-clipboard, .md-code__button[data-md-type=copy]");
    let before;
    for (let frame = 0; frame < 600; frame++) {
        button.scrollIntoView({ block: "center", behavior: "instant" });
        await new Promise(requestAnimationFrame);
        const { x, y, width, height } = button.getBoundingClientRect(), place = [x + width / 2, y + height / 2];
        if (`${place}` === `${before}`) return place;
        before = place;
    }
}"""
COPIED = """async () => {
    for (let frame = 0; frame < 600; frame++) {
        const text = await navigator.clipboard.readText();
        if (text) return navigator.clipboard.writeText("").then(() => text);
        await new Promise(requestAnimationFrame);
    }
    return "nothing was copied";
}"""


CUT_OFF = """() => {
    const isCut = (each) => each.getBoundingClientRect().right > innerWidth && each.checkVisibility();
    const article = document.querySelector("article");
    return [...article.querySelectorAll("*")].filter(isCut).filter((each) => {
        for (let box = each.parentElement; box !== article; box = box.parentElement) {
            if (["auto", "scroll"].includes(getComputedStyle(box).overflowX)) return false;  // the reader scrolls it
        }
        return true;
    }).map((each) => each.outerHTML.slice(0, 120));
}"""


@pytest.fixture(scope="module", params=[f"{language}{path}" for path in PAGES for language in ("", "en/")])
def opened(request, browser, address):
    """A page of the site, opened once for all tests of this module: pytest groups the tests of one page."""
    with browser.new_context(base_url=address, permissions=["clipboard-read", "clipboard-write"]) as context:
        page = open_tab(context, address)
        page.path = request.param
        page.goto(page.path)
        yield page


def test_axe_finds_nothing_on_a_page_wide_and_light_nor_narrow_and_dark(opened):
    for size, palette in ((WIDE, "light"), (NARROW, "dark")):
        look(opened, size, palette)
        assert_axe_finds_nothing(opened)


def test_no_part_of_a_page_is_cut_off_on_a_phone(opened):
    opened.set_viewport_size(NARROW)
    assert opened.evaluate(CUT_OFF) == []


def test_every_copy_button_copies_the_recipe_or_the_commands(opened, project):
    """Click in the middle of each button with the mouse: an element above a button would catch the click."""
    opened.set_viewport_size(WIDE)
    opened.locator("article details").evaluate_all("folded => folded.forEach(each => { each.open = true; })")
    blocks = opened.query_selector_all(".highlight[data-source]")
    assert blocks or opened.path.removeprefix("en/") not in RECIPES
    for block in blocks:
        source = block.get_attribute("data-source")
        file, _, symbols = source.partition(":")
        opened.mouse.click(*block.evaluate(BUTTON))
        copied = opened.evaluate(COPIED)
        if file.endswith(".console"):
            expected = transcripts.commands((project.recipes / file).read_text())
        else:
            expected = cut(project, file, *filter(None, symbols.split(","))).text
        assert copied.rstrip("\n") == expected, source


def test_a_page_works_without_errors_and_without_requests_to_other_hosts(opened):
    assert opened.wrong == []
