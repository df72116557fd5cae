"""Pieces of HTML that several macros put on pages, and texts as the pages write them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from cookbook.render.markdown import typeset
from cookbook.render.words import WORDS


def inline(sentence: str) -> str:
    """A sentence as HTML, its `code` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(typeset(sentence), quote=False))


def gap(text: str) -> str:
    """The mark of something that is not proven; *text* says what."""
    return f'<span class="gap">{escape(text)}</span>'


def chip_list(chips: Iterable[str]) -> str:
    """Versions side by side, each in its frame."""
    return "\n".join(f'<span class="chip">{escape(chip)}</span>' for chip in chips)


def recorded_table(columns: list[str], rows: list[list[str]], caption: str = "", *, named: bool = False) -> str:
    """The HTML of a table with what a run recorded. *columns* are text, the cells of *rows* HTML; when the rows are
    *named*, the first cell of each is its name."""
    tag = '<th scope="row">{}</th>' if named else "<td>{}</td>"
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    # Each cell on a line of its own, so that the search does not join their words.
    head = "\n".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "\n".join(
        "<tr>" + "\n".join([tag.format(row[0]), *(f"<td>{cell}</td>" for cell in row[1:])]) + "</tr>" for row in rows
    )
    # A wide table scrolls on a narrow screen: with the keyboard only when it can have the focus.
    return (
        f'<table class="recorded" tabindex="0">{title}<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'
    )


def value_text(value: object, language: str) -> str:
    """A value that a test recorded as the *language* writes it."""
    if isinstance(value, bool):
        return WORDS[language]["yes" if value else "no"]
    return "—" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
