"""Converts a rendered page to plain Markdown, for programs and for pasting into a conversation.

The library markdownify was weighed: it needs an override for half of its elements and takes half as long again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PageElement

from cookbook.render.markdown import MARKER, plain_fence

LEFT_OUT = ("script", "style", "svg", "a.headerlink", ".page-actions")
HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
BLOCKS = (
    *("p", "pre", "ul", "ol", "table", "figure", "figcaption", "details", "summary"),
    *("article", "div", "section", "blockquote", "dl", "dt", "dd"),
)
INLINE = {"strong": "**", "b": "**", "em": "*", "i": "*"}
SPACES = re.compile(r"[ \t\r\n]+")  # no-break spaces stay


def markdown(page: str, address: str) -> str:
    """The article of *page*, which is HTML served at *address*, as Markdown.

    Links become absolute. Code is as in its recipe, with its notes below. A drawing becomes its text, and the proofs
    at the end become a link to them.
    """
    start, end = page.find("<article"), page.rfind("</article>")  # parsing the theme around it would double the time
    article = BeautifulSoup(page[start:end], "html.parser").select_one("article") if 0 <= start < end else None
    if article is None:
        raise ValueError(f"{address}: no article in this page")
    for section in article.select("section.proofs"):
        if line := section.select_one("summary"):
            line.name, line["href"] = "a", "#proofs"
            section.replace_with(line)
        else:
            section.decompose()
    for unwanted in article.select(", ".join(LEFT_OUT)):
        unwanted.decompose()
    for link in article.select("a[href]"):
        link["href"] = urljoin(address, str(link["href"]))
    title, *blocks = _blocks(article)
    return "\n\n".join([title, f"<{address}>", *blocks]) + "\n"


# Blocks --------------------------------------------------------------------------------------------------------------


def _blocks(parent: Tag) -> Iterator[str]:
    """The blocks within *parent*; text outside them becomes a block too."""
    loose: list[PageElement] = []
    for child in [*parent.children, None]:
        if child is not None and not (isinstance(child, Tag) and _is_block(child)):
            loose.append(child)
            continue
        if text := _inline(loose):
            yield text
        loose = []
        if isinstance(child, Tag):
            yield from _block(child)


def _is_block(tag: Tag) -> bool:
    return tag.name in HEADINGS or tag.name in BLOCKS


def _block(tag: Tag) -> Iterator[str]:
    if tag.name in HEADINGS:
        yield f"{HEADINGS[tag.name]} {_inline(tag.children)}"
    elif tag.name == "pre" or "highlight" in tag.get_attribute_list("class"):
        yield _code(tag)
    elif tag.name == "p":
        # The versions under the title are elements side by side, without text between them.
        is_row = "verified" in tag.get_attribute_list("class")
        parts = [[child] for child in tag.find_all(True, recursive=False)] if is_row else [[*tag.children]]
        yield " · ".join(filter(None, (_inline(part) for part in parts)))
    elif tag.name in ("ul", "ol"):
        yield _list(tag)
    elif tag.name == "table":
        yield from _table(tag)
    elif tag.name == "figcaption":
        yield f"*{_inline(tag.children)}*"
    elif tag.name != "summary":
        yield from _blocks(tag)


def _code(tag: Tag) -> str:
    code = tag.find("code") or tag
    language = next((name for name in tag.get_attribute_list("class") if name and name.startswith("language-")), "")
    title = tag.select_one(".filename")
    info = language.removeprefix("language-") + (f' title="{title.get_text()}"' if title else "")
    return plain_fence(MARKER.sub("", code.get_text().removesuffix("\n")), info)


def _list(tag: Tag) -> str:
    """A list; where it explains the markers of the code before it, each item begins with its line of code."""
    before = tag.find_previous_sibling()
    code = before.find("code") if before and "highlight" in before.get_attribute_list("class") else None
    lines = code.get_text().splitlines() if isinstance(code, Tag) else []
    noted = [MARKER.sub("", line).strip() for line in lines if MARKER.search(line)]
    items = []
    for number, item in enumerate(tag.find_all("li", recursive=False)):
        sign = f"{number + 1}. " if tag.name == "ol" else "- "
        about = f"`{noted[number]}` — " if number < len(noted) else ""
        text = about + "\n\n".join(_blocks(item))
        items.append(sign + re.sub(r"\n(?=.)", f"\n{' ' * len(sign)}", text))
    return "\n".join(items)


def _table(tag: Tag) -> Iterator[str]:
    rows = [[_cell(cell) for cell in row.find_all(["th", "td"])] for row in tag.find_all("tr")]
    if not tag.find("thead"):
        rows.insert(0, [" "] * len(rows[0]))
    head, *body = rows
    yield "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))
    if caption := tag.find("caption"):
        yield f"*{caption.get_text(' ', strip=True)}*"


def _cell(cell: Tag) -> str:
    return _inline(cell.children).replace("|", "\\|")


# Within a line -------------------------------------------------------------------------------------------------------


def _inline(elements: Iterable[PageElement]) -> str:
    return SPACES.sub(" ", "".join(_words(element) for element in elements)).strip(" ")


def _words(element: PageElement) -> str:
    if not isinstance(element, Tag):
        return str(element) if type(element) is NavigableString else ""  # its subclasses are comments, for example
    inner = "".join(_words(child) for child in element.children)
    classes = element.get_attribute_list("class")
    if element.name == "code":
        ticks = "``" if "`" in inner else "`"
        return f"{ticks}{inner}{ticks}"
    if "proof" in classes:
        return f" ({element['aria-label']})" if "gap" in classes else f" {inner}"
    if "gap" in classes:
        return f" ({inner})"
    if element.name == "a" and inner.strip():
        return f"[{inner}]({element.get('href', '')})"
    sign = INLINE.get(element.name, "")
    return f"{sign}{inner}{sign}" if element.name != "br" else " "
