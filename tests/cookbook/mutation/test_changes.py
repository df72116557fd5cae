import pytest

from cookbook.mutation.changes import Change, read_change

NAMED = {
    'without `queue="x"`': Change("removed", 'queue="x"'),
    "`depth` does nothing": Change("emptied", "depth"),
    "`not (a\nor b)`": Change("negated", "a\nor b"),
    "`2 * 60` is `(2 * 60 + 1)`": Change("replaced", "2 * 60", "(2 * 60 + 1)"),
    "`1` is `2` (3)": Change("replaced", "1", "2", nth=3),
    "without `f(1) (2)`": Change("removed", "f(1) (2)"),
}


@pytest.mark.parametrize("text", NAMED)
def test_the_text_of_a_change_is_read_back_as_the_same_change(text):
    assert str(NAMED[text]) == text
    assert read_change(text) == NAMED[text]


def test_only_removals_remove():
    assert [change.removes for change in NAMED.values()] == [True, True, False, False, False, True]


def test_any_other_text_names_no_change():
    with pytest.raises(ValueError, match="no change: with `a`"):
        read_change("with `a`")
