"""Draws the picture that social networks show for a link to a page: its title, and the versions it was verified on."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import mkdocs
import PIL
from PIL import Image, ImageDraw, ImageFont

from cookbook.project import write_whole

SIZE = (1200, 630)  # pixels, as Open Graph recommends; all lengths below are in pixels too
MARGIN = 84
EDGE = 18  # width of the bar at the left
PAPER, INK, SOFT, LEAF = "#fdfdfb", "#1b241f", "#545f58", "#1a6844"  # the light colors of theme/assets/palette.css
COLORS = 64  # enough for the edges of the letters
# Lato has every letter of both languages, and comes with a theme of MkDocs; Font Awesome, beside it, has the tick.
FONTS = Path(mkdocs.__file__).parent / "themes/readthedocs/css/fonts"
BOLD, PLAIN, SIGNS = FONTS / "lato-bold.woff", FONTS / "lato-normal.woff", FONTS / "fontawesome-webfont.ttf"
TICK = "\uf00c"
TICK_SIZE, TICK_TOP = 44, 72
NAME_SIZE, NAME_TOP, NAME_INDENT = 38, 70, 62  # of the site, behind the tick
TITLE_SIZES, TITLE_TOP, TITLE_HEIGHT = range(84, 40, -4), 150, 340
LINE_HEIGHT = 1.2  # times the size of the font
VERSIONS_SIZE, VERSIONS_TOP = 32, 530


def cached_card(folder: Path, title: str, site_name: str, versions: str) -> bytes:
    """The `card` of these texts, from *folder* if the same code drew it before; else it is drawn and added there."""
    drawn_by = (Path(__file__).read_bytes(), PIL.__version__, mkdocs.__version__)
    file = folder / f"{hashlib.sha256(repr((title, site_name, versions, drawn_by)).encode()).hexdigest()}.png"
    if not file.is_file():
        write_whole(file, card(title, site_name, versions))
    return file.read_bytes()


def card(title: str, site_name: str, versions: str) -> bytes:
    """The card as PNG of `SIZE`; the same bytes for the same texts."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, EDGE, SIZE[1]), fill=LEAF)
    draw.text((MARGIN, TICK_TOP), TICK, font=ImageFont.truetype(SIGNS, TICK_SIZE), fill=LEAF)
    draw.text((MARGIN + NAME_INDENT, NAME_TOP), site_name, font=ImageFont.truetype(BOLD, NAME_SIZE), fill=LEAF)
    font, lines = _fitted(title)
    height = font.size * LINE_HEIGHT
    top = TITLE_TOP + (TITLE_HEIGHT - height * len(lines)) / 2
    for number, line in enumerate(lines):
        draw.text((MARGIN, top + number * height), line, font=font, fill=INK)
    draw.text((MARGIN, VERSIONS_TOP), versions, font=ImageFont.truetype(PLAIN, VERSIONS_SIZE), fill=SOFT)
    file = BytesIO()
    image.quantize(COLORS).save(file, "PNG", optimize=True)
    return file.getvalue()


def _fitted(title: str) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """*title* in lines, and the largest font in which they fit."""
    for size in TITLE_SIZES:
        font = ImageFont.truetype(BOLD, size)
        lines = _wrapped(title, font)
        if len(lines) * size * LINE_HEIGHT <= TITLE_HEIGHT:
            break
    return font, lines


def _wrapped(title: str, font: ImageFont.FreeTypeFont) -> list[str]:
    """*title* split at its spaces, except no-break spaces, into lines that fit the width of the card."""
    lines = [""]
    for word in title.split(" "):
        longer = f"{lines[-1]} {word}".strip(" ")
        if lines[-1] and font.getlength(longer) > SIZE[0] - 2 * MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
