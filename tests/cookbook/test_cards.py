from io import BytesIO

import pytest
from mini import HOUSE
from PIL import Image, ImageFont

from cookbook import cards, pages

MISSING = "\U0010fffd"  # no font has it
TITLES = [str(pages.front_matter(file)["title"]) for language in ("fr", "en") for file in HOUSE.pages(language)]


def test_a_card_has_the_size_that_is_asked_for_and_the_same_bytes_each_time():
    card = cards.card("Vider la file, et les quatre endroits où une tâche se trouve", "Celery", "Celery 5.7.0")
    assert Image.open(BytesIO(card)).size == (1200, 630)
    assert cards.card("Vider la file, et les quatre endroits où une tâche se trouve", "Celery", "Celery 5.7.0") == card
    assert cards.card("Another", "Celery", "Celery 5.7.0") != card


@pytest.mark.parametrize("font", [cards.BOLD, cards.PLAIN])
def test_the_font_has_every_sign_of_both_languages(font):
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
    assert len(lines) * font.size * 1.2 <= cards.TITLE_HEIGHT
