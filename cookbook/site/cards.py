"""The picture that a link to a page becomes where it is shared: its title, and what it was verified on."""

from __future__ import annotations

import hashlib
import os
from io import BytesIO
from pathlib import Path

import mkdocs
import PIL
from PIL import Image, ImageDraw, ImageFont

SIZE = (1200, 630)  # pixels: what Open Graph asks for
MARGIN = 84
PAPER, INK, SOFT, LEAF = "#fdfdfb", "#1b241f", "#545f58", "#1a6844"  # theme/assets/palette.css, light
# Lato has every letter of both languages, and comes with a theme of MkDocs; Font Awesome, beside it, has the tick.
FONTS = Path(mkdocs.__file__).parent / "themes/readthedocs/css/fonts"
BOLD, PLAIN, SIGNS = FONTS / "lato-bold.woff", FONTS / "lato-normal.woff", FONTS / "fontawesome-webfont.ttf"
TICK = "\uf00c"
TITLE_SIZES = range(84, 40, -4)
TITLE_HEIGHT = 340


def kept_card(folder: Path, title: str, site_name: str, versions: str) -> bytes:
    """The `card` of these texts: from *folder* if it was drawn before by the same code, else drawn and put there."""
    drawn_by = (Path(__file__).read_bytes(), PIL.__version__, mkdocs.__version__)
    file = folder / f"{hashlib.sha256(repr((title, site_name, versions, drawn_by)).encode()).hexdigest()}.png"
    if not file.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(f".{os.getpid()}")
        aside.write_bytes(card(title, site_name, versions))
        aside.replace(file)
    return file.read_bytes()


def card(title: str, site_name: str, versions: str) -> bytes:
    """A PNG of 1200 × 630 pixels; the same bytes for the same texts."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 18, SIZE[1]), fill=LEAF)
    draw.text((MARGIN, 72), TICK, font=ImageFont.truetype(SIGNS, 44), fill=LEAF)
    draw.text((MARGIN + 62, 70), site_name, font=ImageFont.truetype(BOLD, 38), fill=LEAF)
    font, lines = _fitted(title)
    height = font.size * 1.2
    top = 150 + (TITLE_HEIGHT - height * len(lines)) / 2
    for number, line in enumerate(lines):
        draw.text((MARGIN, top + number * height), line, font=font, fill=INK)
    draw.text((MARGIN, 530), versions, font=ImageFont.truetype(PLAIN, 32), fill=SOFT)
    file = BytesIO()
    image.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()


def _fitted(title: str) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """*title* in lines that fit, as large as they do."""
    for size in TITLE_SIZES:
        font = ImageFont.truetype(BOLD, size)
        lines = _wrapped(title, font)
        if len(lines) * size * 1.2 <= TITLE_HEIGHT:
            break
    return font, lines


def _wrapped(title: str, font: ImageFont.FreeTypeFont) -> list[str]:
    """*title* cut at its spaces, but for no-break ones, into lines no wider than the card."""
    lines = [""]
    for word in title.split(" "):
        longer = f"{lines[-1]} {word}".strip(" ")
        if lines[-1] and font.getlength(longer) > SIZE[0] - 2 * MARGIN:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
