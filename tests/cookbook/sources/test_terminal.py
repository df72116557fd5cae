import pytest

from cookbook.sources.terminal import displayed, displayed_in


@pytest.mark.parametrize(
    "sequence",
    [
        "\x1b[1;31m",
        "\x1b[0m",
        "\x1b[38:2::255:0:0m",
        "\x1b[?25l",
        "\x1b[>4;2m",
        "\x1b[2 q",
        "\x1b[3A",
        "\x9b1m",
        "\x1b]8;;https://example.org\x1b\\",
        "\x1b]8;id=a;https://example.org\x07",
        "\x1b]0;a title\x07",
        "\x9d0;a title\x9c",
        "\x1b]0;two\nlines\x07",
        "\x1bP1$r0m\x1b\\",
        "\x1b_apc\x1b\\",
        "\x1b^pm\x1b\\",
        "\x1bXsos\x1b\\",
        "\x1b(B",
        "\x1b)0",
        "\x1b%G",
        "\x1b#8",
        "\x1b7",
        "\x1b=",
        "\x1bM",
        "\x1bc",
        "\x00",
        "\x07",
        "\x0e",
        "\x7f",
        "\x85",
    ],
)
def test_a_sequence_that_displays_nothing_is_removed(sequence):
    assert displayed(f"one{sequence}two\n\tthree") == "onetwo\n\tthree"


@pytest.mark.parametrize(
    ("printed", "left"),
    [
        ("10 %\r100 %\n", "100 %\n"),
        ("done\r\n", "done\n"),
        ("done\r\r\n", "done\n"),
        ("longer\rshort", "shortr"),
        ("longer\r\x1b[Kshort", "short"),
        ("longer\x1b[2K\rshort", "short"),
        ("longer\b\b\x1b[1K", "     r"),
        ("longer\x1b[2Kx", "      x"),
        ("|\b/\b-", "-"),
        ("\b\ba", "a"),
        ("\x1b]0;no end\nnext", "\nnext"),
        ("\x1b[31", ""),
        ("a\x1b", "a"),
        ("é → ✓ 🎉", "é → ✓ 🎉"),
    ],
)
def test_text_that_is_overwritten_or_erased_is_not_displayed(printed, left):
    assert displayed(printed) == left


def test_the_texts_of_data_are_as_a_terminal_displays_them():
    data = {"rows": [{"text": "\x1b[1mbold\x1b[0m", "at": 1.5}, ("a\rb", None)]}
    assert displayed_in(data) == {"rows": [{"text": "bold", "at": 1.5}, ["b", None]]}
