"""What a reader sees of a page's text as words, without the marks of Markdown, HTML and their extensions."""

from __future__ import annotations

import html
import re
from functools import partial

from cookbook.sources import pages
from cookbook.sources.pages import MARK

# The marks, in this order, and what is left of each to the reader.
_MARKS = [
    (re.compile(r"\{[^{}\n]*\}"), ""),  # attributes: { #id .class }
    (re.compile(r"https?://[^\s<>)\]]+"), MARK),
    (re.compile(r"</?[A-Za-z][^<>]*>"), ""),
    (re.compile(r"^([ \t>]*)(?:!!!|\?\?\?\+?|===[!+]*)[ \t]*[\w \t-]*(?:\"(.*)\")?[ \t]*$", re.MULTILINE), r"\1\2"),
    (re.compile(r"!(?=\[)"), ""),  # of an image
    (re.compile(r"(?<![\w:]):[a-z][a-z0-9_+-]*:(?![\w:])"), MARK),  # an icon
    (re.compile(r"^[ \t]*(?:\[\^[^\]\n]+\]:|\*\[[^\]\n]+\]:|:(?= {1,3}\S))", re.MULTILINE), ""),  # definitions
    (re.compile(r"^[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$", re.MULTILINE), ""),  # of a table
]


def words_only(text: str) -> str:
    """What a reader sees of *text* as words, line for line."""
    text = pages.without_links(text)
    for mark, left in _MARKS:
        text = mark.sub(partial(_left, left), text)
    return html.unescape(text)


def _left(template: str, match: re.Match[str]) -> str:
    return match.expand(template) + "\n" * match[0].count("\n")
