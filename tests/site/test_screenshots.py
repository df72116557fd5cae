"""Finds changes of style: each type of page is compared with its picture in the repository.

The pictures are of a site of two pages in our theme, so that only the style changes them, and of our own home page.
What differs from run to run is hidden. Chromium compares the pictures: no library is needed.
"""

import base64
import os
from pathlib import Path

import pytest
from tabs import SETTLED

from cookbook.checks import parity
from cookbook.site import publish
from cookbook.site.serve import served
from tests.cookbook.mini import edit, make_project, write_evidence

REFERENCES = Path(__file__).with_name("screenshots")
UPDATE = "UPDATE_SCREENSHOTS"
FONT = "DejaVu Sans"
# One font on every machine; nothing that blinks; nothing that a run writes.
STYLE = f"""
body {{ --md-text-font-family: "{FONT}"; --md-code-font-family: "{FONT} Mono"; }}
* {{ caret-color: transparent !important; scrollbar-width: none !important; }}
.hero :is(.verified, .count) {{ display: none !important; }}
"""
SEVERAL = 40  # pixels that may differ, for rounding
NOTICED = 32  # of 255: the smallest difference of a color that counts
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 780}

# What recipe pages contain besides the blocks of the small cookbook.
PROSE = """
## More { #more }

| Setting | Default |
| --- | --- |
| {@ setting("result_expires") @} | {@ default("result_expires") @} |

{@ sequence("greet", "hello", actors={"django": "Django", "redis": "Redis", "worker": "Worker"}, caption="Hello") @}

{@ timeline("greet", "bars", lanes={"one": "Worker A", "two": "Worker B"}, caption="Who did what") @}

"""
RECORDS = {
    "hello": [
        {"at": 0.0, "source": "django", "target": "redis", "text": "LPUSH"},
        {"at": 0.1, "source": "redis", "target": "worker", "text": "BRPOP"},
    ],
    "bars": [
        {"lane": "one", "start": 0.0, "end": 2.5, "text": "A"},
        {"lane": "two", "start": 0.5, "end": 1.0, "text": "B"},
    ],
}

COMPARE = """async ([expected, given, noticed]) => {
    const decode = async (png) => createImageBitmap(await (await fetch("data:image/png;base64," + png)).blob());
    const [before, now] = [await decode(expected), await decode(given)];
    if (before.width !== now.width || before.height !== now.height) return {differ: Infinity, png: given};
    const pixels = (image) => {
        const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, image.width, image.height);
    };
    const [old, fresh] = [pixels(before), pixels(now)];
    let differ = 0;
    for (let at = 0; at < old.data.length; at += 4) {
        const far = [0, 1, 2].some((part) => Math.abs(old.data[at + part] - fresh.data[at + part]) > noticed);
        differ += far;
        [230, 0, 60].forEach((red, part) => (fresh.data[at + part] = far ? red : 160 + fresh.data[at + part] / 3));
    }
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [now.width, now.height];
    canvas.getContext("2d").putImageData(fresh, 0, 0);
    return {differ, png: canvas.toDataURL().split(",")[1]};
}"""
HAS_FONT = """(font) => {
    const context = document.createElement("canvas").getContext("2d");
    const width = (family) => (context.font = `40px ${family}`, context.measureText("Celery, 1234").width);
    return width(`"${font}", monospace`) !== width("monospace") && width(`"${font}", serif`) !== width("serif");
}"""


@pytest.fixture(scope="module")
def specimen(tmp_path_factory):
    """The address of a small site in our theme."""
    project = make_project(tmp_path_factory.mktemp("specimen"))
    for language in ("fr", "en"):
        end = '{@ transcript("greet/hello.console") @}\n'
        edit(project, f"docs/{language}/start/greet.md", end, end + PROSE)
    write_evidence(project, records=RECORDS)
    parity.record(project)
    folder = publish.publish(project)
    with served(folder) as address:
        yield address


def top(page):
    pass


def block(page):
    page.locator(".md-annotation__index").first.wait_for()
    page.locator(".highlight").first.evaluate("each => each.scrollIntoView()")


def drawings(page):
    page.locator("#more").evaluate("each => each.scrollIntoView()")


def proofs(page):
    page.locator(".proofs summary").click()
    page.locator("#proofs").evaluate("each => each.scrollIntoView()")
    page.locator("#proofs button").first.click()


def search(page):
    page.locator(".md-search__input").press_sequentially("greet")
    page.locator(".md-search-result__item").first.wait_for()


SHOTS = {
    "home-wide-light": ("address", "", WIDE, "light", top),
    "home-narrow-dark": ("address", "en/", NARROW, "dark", top),
    "recipe-wide-dark": ("specimen", "en/start/greet/", WIDE, "dark", block),
    "recipe-narrow-light": ("specimen", "start/greet/", NARROW, "light", top),
    "drawings-wide-light": ("specimen", "start/greet/", WIDE, "light", drawings),
    "drawings-narrow-dark": ("specimen", "en/start/greet/", NARROW, "dark", drawings),
    "proofs-wide-light": ("specimen", "start/greet/", WIDE, "light", proofs),
    "search-wide-dark": ("specimen", "en/", WIDE, "dark", search),
    "missing-narrow-light": ("specimen", "404.html", NARROW, "light", top),
}


@pytest.mark.parametrize("name", SHOTS)
def test_a_page_looks_as_before(request, browser, project, name):
    where, path, size, palette, arrange = SHOTS[name]
    own_style = {"bypass_csp": True}  # the policy would block it
    with browser.new_context(viewport=size, color_scheme=palette, reduced_motion="reduce", **own_style) as context:
        page = context.new_page()
        if not page.evaluate(HAS_FONT, FONT):
            say = pytest.fail if os.environ.get("CI") else pytest.skip
            say(f"the pictures were taken with the font {FONT}: install it (Debian: fonts-dejavu-core)")
        page.goto(request.getfixturevalue(where) + path)
        page.evaluate(SETTLED)
        page.add_style_tag(content=STYLE)
        arrange(page)
        taken = page.screenshot(animations="disabled")
        reference = REFERENCES / f"{name}.png"
        if os.environ.get(UPDATE):
            reference.parent.mkdir(exist_ok=True)
            reference.write_bytes(taken)
            return
        here = project.relative(reference)
        assert reference.exists(), f"{here}: no such picture: run with {UPDATE}=1"
        blank = context.new_page()
        pictures = [base64.b64encode(picture).decode() for picture in (reference.read_bytes(), taken)]
        found = blank.evaluate(COMPARE, [*pictures, NOTICED])
    if found["differ"] > SEVERAL:
        shown = project.root / "build/screenshots" / f"{name}.png"
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_bytes(base64.b64decode(found["png"]))
        count, picture = found["differ"], project.relative(shown)
        pytest.fail(
            f"{here}: {count} pixels differ, red in {picture}: if they should, run with {UPDATE}=1", pytrace=False
        )
