"""What the Markdown of a page contains: its headings, links and sections, and its words without any marks."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from cookbook.sources.pages import PLACEHOLDER, Page, line_at

_HEADING = re.compile(
    r"^[ \t]*(?P<marks>#{1,6})(?P<title>.*)$"
    # A line of text over a line of = or -: also a heading for Markdown, so the checks must see it.
    r"|(?:\A|(?<=\n))[ \t]*\n(?P<under>[^\s|].*)\n(?P<rule>=+|-+)[ \t]*$",
    re.MULTILINE,
)
_ID = re.compile(r"\{[^{}]*#([\w-]+)[^{}]*\}[ \t]*#*[ \t]*$")
_LINK = re.compile(
    r"\]\(\s*<?(?P<inline>[^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+[\"'].*?[\"'])?\s*\)"
    r"|^ {0,3}\[[^\]^][^\]\n]*\]:[ \t]*<?(?P<reference>[^\s>]+)>?[^\n]*"
    r"|<(?P<auto>https?://[^\s>]+)>"
    r"|\bhref=\"(?P<html>[^\"]*)\"",
    re.MULTILINE,
)
# The marks of Markdown, HTML and the extensions in the order of their removal, and what the reader sees of each.
_MARKS = [
    (_LINK, ""),  # the words of a link stand before this
    (re.compile(r"\{[^{}\n]*\}"), ""),  # attributes: { #id .class }
    (re.compile(r"https?://[^\s<>)\]]+"), PLACEHOLDER),
    (re.compile(r"</?[A-Za-z][^<>]*>"), ""),
    (re.compile(r"^([ \t>]*)(?:!!!|\?\?\?\+?|===[!+]*)[ \t]*[\w \t-]*(?:\"(.*)\")?[ \t]*$", re.MULTILINE), r"\1\2"),
    (re.compile(r"!(?=\[)"), ""),  # of an image
    (re.compile(r"(?<![\w:]):[a-z][a-z0-9_+-]*:(?![\w:])"), PLACEHOLDER),  # an icon
    (re.compile(r"^[ \t]*(?:\[\^[^\]\n]+\]:|\*\[[^\]\n]+\]:|:(?= {1,3}\S))", re.MULTILINE), ""),  # definitions
    (re.compile(r"^[ \t>]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$", re.MULTILINE), ""),  # of a table
]


@dataclass(frozen=True)
class Heading:
    """A heading of *level* 1 to 6; *id* is None where the page gives none."""

    level: int
    id: str | None
    line: int


def headings(page: Page) -> Iterator[Heading]:
    """Every heading, including those in tabs and admonitions."""
    for match in _HEADING.finditer(page.text):
        if match["rule"]:
            yield Heading(1 if match["rule"].startswith("=") else 2, None, line_at(page.text, match.start("under")))
        else:
            found = _ID.search(match["title"])
            yield Heading(len(match["marks"]), found and found[1], line_at(page.text, match.start("marks")))


def links(page: Page) -> Iterator[tuple[int, str]]:
    """(line, target) of every link and image."""
    for match in _LINK.finditer(page.text):
        target = match["inline"] or match["reference"] or match["auto"] or match["html"] or ""
        yield line_at(page.text, match.start()), target


def sections(page: Page) -> dict[str, tuple[int, str]]:
    """(line, text) of each section by the id of its heading of level 2; "" is the part before the first of them.

    That part includes the title and the description. Each run of white space, no-break spaces included, is one space.
    """
    starts = [(heading.line, heading.id) for heading in headings(page) if heading.level == 2]
    lines = page.body.splitlines()
    found = {}
    for (start, name), (end, _) in zip([(1, ""), *starts], [*starts, (len(lines) + 1, None)], strict=True):
        text = "\n".join(lines[start - 1 : end - 1])
        if name == "":
            text = f"{page.meta.get('title', '')}\n{page.meta.get('description', '')}\n{text}"
        if name is not None:
            found[name] = start, " ".join(text.split())
    return found


def words_only(text: str) -> str:
    """*text* as the reader sees it, without marks; each line keeps its number."""
    for mark, seen in _MARKS:
        text = mark.sub(partial(_seen, seen), text)
    return html.unescape(text)


def _seen(seen: str, match: re.Match[str]) -> str:
    bracket = "]" if match.re is _LINK and match["inline"] is not None else ""
    return bracket + match.expand(seen) + "\n" * match[0].count("\n")
