import re
from io import BytesIO
from unittest.mock import Mock

import pytest
from PIL import Image, ImageFont

from cookbook.site import cards
from cookbook.sources import pages
from tests.cookbook.mini import HOUSE

MISSING = "\U0010fffd"  # no font has it
TITLES = [str(pages.front_matter(file)["title"]) for language in ("fr", "en") for file in HOUSE.pages(language)]


def test_a_card_has_the_required_size_and_the_same_bytes_each_time():
    card = cards.card("Vider la file, et les quatre endroits où une tâche se trouve", "Celery", "Celery 5.7.0")
    assert Image.open(BytesIO(card)).size == (1200, 630)
    assert cards.card("Vider la file, et les quatre endroits où une tâche se trouve", "Celery", "Celery 5.7.0") == card
    assert cards.card("Another", "Celery", "Celery 5.7.0") != card


def test_a_card_is_drawn_once_for_the_same_texts(tmp_path, monkeypatch):
    texts = ("Vider la file", "Celery", "Celery 5.7.0")
    drawn = cards.cached_card(tmp_path / "cards", *texts)
    assert drawn == cards.card(*texts)
    monkeypatch.setattr(cards, "card", Mock(return_value=b"another"))
    assert cards.cached_card(tmp_path / "cards", *texts) == drawn
    assert cards.cached_card(tmp_path / "cards", "Another", *texts[1:]) == b"another"


def test_the_colors_are_those_of_the_light_palette():
    css = (HOUSE.root / "theme/assets/palette.css").read_text(encoding="utf-8")
    light = dict(re.findall(r"--([\w-]+): light-dark\((#\w{6}),", css))
    used = {"paper": cards.PAPER, "ink": cards.INK, "ink-soft": cards.SOFT, "leaf": cards.LEAF}
    assert used == {name: light[name] for name in used}


@pytest.mark.parametrize("font", [cards.BOLD, cards.PLAIN])
def test_the_font_has_every_character_of_both_languages(font):
    face = ImageFont.truetype(font, 40)
    missing = bytes(face.getmask(MISSING))
    signs = {*"".join(TITLES), *"éèêëàâäçîïôöùûüœŒæÉÈÀÇ’«»…–—·"}
    assert [sign for sign in signs if not sign.isspace() and bytes(face.getmask(sign)) == missing] == []
    assert bytes(ImageFont.truetype(cards.SIGNS, 40).getmask(cards.TICK))


@pytest.mark.parametrize("title", TITLES)
def test_every_title_fits(title):
    font, lines = cards._fitted(title)
    assert " ".join(lines) == title
    assert max(font.getlength(line) for line in lines) <= cards.SIZE[0] - 2 * cards.MARGIN
    assert len(lines) * font.size * cards.LINE_HEIGHT <= cards.TITLE_HEIGHT
