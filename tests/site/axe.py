"""Runs axe on the current page: every rule on the whole page, but contrast on a sample of the texts that look alike."""

from axe_playwright_python.base import AXE_SCRIPT, AxeResults

# Contrast takes three quarters of the time of a run, and most of a page has the same few colors on the same few
# backgrounds. Of the texts that share all that contrast depends on, only the first ones are checked.
SAMPLED = "axe.configure({ rules: [{ id: 'color-contrast', selector: '[data-contrast]' }] });"
SAME = 3
SAMPLE = """(same) => {
    const grounds = new Map([[null, ""]]), counts = new Map();
    function ground(element) {
        if (!grounds.has(element)) {
            const style = getComputedStyle(element);
            const { backgroundColor, backgroundImage, opacity, filter, mixBlendMode } = getComputedStyle(element);
            const own = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode].join(" ");
            const shown = own === "rgba(0, 0, 0, 0) none 1 none normal" ? "" : `${own} / `;
            grounds.set(element, ground(element.parentElement) + shown);
        }
        return grounds.get(element);
    }
    for (const element of document.querySelectorAll("body, body *")) {
        delete element.dataset.contrast;
        const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!hasText || !element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })) continue;
        const { color, fontSize, fontWeight, textShadow } = getComputedStyle(element);
        const looks = [color, fontSize, fontWeight, textShadow, ground(element)].join();
        const count = counts.get(looks) ?? 0;
        counts.set(looks, count + 1);
        if (count < same) element.dataset.contrast = "";
    }
}"""
OPTIONS = {
    "rules": {"target-size": {"enabled": True}},  # off by default in axe, on in Lighthouse
    "resultTypes": ["violations"],  # no details of what passed: this halves the time
}
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PALETTES = {"light": "default", "dark": "slate"}  # and their names in Material


def look(page, size, palette):
    """Show *page* in a window of *size* and in a palette, "light" or "dark", without animations."""
    page.set_viewport_size(size)
    page.emulate_media(color_scheme=palette, reduced_motion="reduce")
    page.wait_for_function("(name) => document.body.dataset.mdColorScheme === name", arg=PALETTES[palette])


def assert_axe_finds_nothing(page):
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT + SAMPLED)
    page.evaluate(SAMPLE, SAME)
    found = AxeResults(page.evaluate("(options) => axe.run(options)", OPTIONS))
    assert not found.violations_count, found.generate_report()[:2000]
