"""Automatic accessibility checks: axe on what opens over a page, and what axe does not check."""

import re

import pytest
from axe import NARROW, PALETTES, WIDE, assert_axe_finds_nothing, look

COLOR = re.compile(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);")
GROUNDS, NO_TEXT = ("paper", "ground"), ("paper", "ground", "line", "on-leaf")


@pytest.mark.parametrize("path", ["", "contribute/", "404.html", "start/first-task/", "run/prefetch/"])
def test_axe_finds_nothing_on_a_page_of_each_type_with_everything_open(tab, path):
    """With each palette at each size."""
    tab.goto(path)
    tab.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    for size in (WIDE, NARROW):
        for palette in PALETTES:
            look(tab, size, palette)
            assert_axe_finds_nothing(tab)


def open_note(tab):
    tab.locator(".md-annotation__index").first.click()
    tab.locator(".md-tooltip--active").wait_for()


def open_proof(tab):
    tab.locator("button.proof").first.click()
    tab.locator(".claim:popover-open").wait_for()


def open_menu(tab):
    tab.set_viewport_size(NARROW)
    tab.locator(".md-header__button[for=__drawer]").press("Enter")
    tab.locator(".md-nav--primary .md-nav__link >> visible=true").first.wait_for()


def open_search(tab):
    tab.set_viewport_size(NARROW)
    tab.locator(".md-header__button[for=__search]").press("Enter")
    tab.keyboard.type("unacked")
    tab.locator(".md-search-result__item").first.wait_for()


@pytest.mark.parametrize("opened", [open_note, open_proof, open_menu, open_search])
def test_axe_finds_nothing_in_what_opens_over_a_page(tab, opened):
    tab.emulate_media(reduced_motion="reduce")
    tab.goto("start/first-task/")
    opened(tab)
    assert_axe_finds_nothing(tab)


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_color_of_text_and_code_has_enough_contrast_on_both_backgrounds_in_both_palettes(project):
    css = (project.root / "theme/assets/palette.css").read_text()
    palettes = [{name: both[at] for name, *both in COLOR.findall(css)} for at in (0, 1)]
    low = []
    for palette in palettes:
        assert len(palette) == 13
        pairs = [(name, ground) for name in palette if name not in NO_TEXT for ground in GROUNDS]
        for name, ground in [*pairs, ("on-leaf", "leaf"), ("on-leaf", "leaf-deep")]:
            one, other = sorted(luminance(palette[each]) for each in (name, ground))
            contrast = (other + 0.05) / (one + 0.05)
            low += [f"{name} {palette[name]} on {ground}: {contrast:.2f}"] if contrast < 4.5 else []
    assert low == []


FOCUS = """() => {
    let element = document.activeElement;
    if (element === document.body) return null;
    const what = element.outerHTML.slice(0, 300);
    if (element.matches(".md-option")) element = element.nextElementSibling;  // what is drawn for it
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    const marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return [what, marked && box.right > 0 && box.left < innerWidth && box.bottom > 0 && box.top < innerHeight];
}"""


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("path", ["", "start/first-task/"])
def test_the_focus_is_visible_at_each_step_through_a_page_by_keyboard(tab, size, path):
    tab.set_viewport_size(size)
    tab.emulate_media(reduced_motion="reduce")
    tab.goto(path)
    if path:
        tab.locator(".md-annotation__index").first.wait_for()
    walked = {}
    for _ in range(60):
        tab.keyboard.press("Tab")
        if not (step := tab.evaluate(FOCUS)):
            break
        walked[step[0]] = step[1]
    assert [what for what, seen in walked.items() if not seen] == []
    for needed in ("md-skip", "language-switch", "search", "__palette", *(["__drawer"] if size is NARROW else [])):
        assert any(needed in what for what in walked), needed
    assert not path or any("md-annotation__index" in what for what in walked)


def test_nothing_moves_for_a_reader_who_prefers_reduced_motion(tab):
    tab.emulate_media(reduced_motion="reduce")
    tab.goto("start/first-task/")
    moving = tab.evaluate("""() => [...document.querySelectorAll("*")].filter(each => {
        const style = getComputedStyle(each);
        return [style.transitionDuration, style.animationDuration].some(time => time.split(", ").some(parseFloat))
            || style.scrollBehavior === "smooth";
    }).map(each => each.outerHTML.slice(0, 120))""")
    assert moving == []
