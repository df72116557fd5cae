from string import Formatter

from cookbook.mutation.changes import FORMS
from cookbook.project import LANGUAGES
from cookbook.render.words import WORDS


def fields(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_each_language_has_the_same_words_with_the_same_fields():
    assert set(WORDS) == set(LANGUAGES)
    first, *others = ({key: fields(text) for key, text in words.items()} for words in WORDS.values())
    assert others == [first] * len(others)


def test_each_kind_of_change_has_words():
    assert {f"change {kind}" for kind in FORMS} == {key for key in WORDS["en"] if key.startswith("change ")}
