"""A rendered page as plain Markdown, for programs and to paste into a conversation: what the reader sees, no more."""

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
    """The article of *page*, HTML that is served at *address*, as Markdown that stands alone.

    Links are absolute, code is as in its recipe with its notes below, a drawing is its text, a proof its sentence and
    how it ended.
    """
    start, end = page.find("<article"), page.rfind("</article>")  # to read the theme around it would take as long again
    article = BeautifulSoup(page[start:end], "html.parser").select_one("article") if 0 <= start < end else None
    if article is None:
        raise ValueError(f"{address}: no article in this page")
    for unwanted in article.select(", ".join(LEFT_OUT)):
        unwanted.decompose()
    title, *blocks = _blocks(article, address)
    return "\n\n".join([title, f"<{address}>", *blocks]) + "\n"


# Blocks --------------------------------------------------------------------------------------------------------------


def _blocks(parent: Tag, address: str) -> Iterator[str]:
    """The blocks within *parent*; text that is in none is a block of its own."""
    loose: list[PageElement] = []
    for child in [*parent.children, None]:
        if child is not None and not (isinstance(child, Tag) and _is_block(child)):
            loose.append(child)
            continue
        if text := _inline(loose, address):
            yield text
        loose = []
        if isinstance(child, Tag):
            yield from _block(child, address)


def _is_block(tag: Tag) -> bool:
    return tag.name in HEADINGS or tag.name in BLOCKS


def _block(tag: Tag, address: str) -> Iterator[str]:
    if tag.name in HEADINGS:
        yield f"{HEADINGS[tag.name]} {_inline(tag.children, address)}"
    elif tag.name == "pre" or "highlight" in tag.get_attribute_list("class"):
        yield _code(tag)
    elif tag.name == "p":
        # What stands side by side without a word between, as the versions under the title do.
        is_row = "verified" in tag.get_attribute_list("class")
        parts = [[child] for child in tag.find_all(True, recursive=False)] if is_row else [[*tag.children]]
        yield " · ".join(filter(None, (_inline(part, address) for part in parts)))
    elif tag.name in ("ul", "ol"):
        yield _list(tag, address)
    elif tag.name == "table":
        yield from _table(tag, address)
    elif tag.name == "figcaption":
        yield f"*{_inline(tag.children, address)}*"
    elif tag.name == "details" and tag.select_one("pre.proof-source"):
        yield f"`{tag.select('summary code')[0].get_text()}`"
    elif tag.name != "summary":
        yield from _blocks(tag, address)


def _code(tag: Tag) -> str:
    code = tag.find("code") or tag
    language = next((name for name in tag.get_attribute_list("class") if name and name.startswith("language-")), "")
    title = tag.select_one(".filename")
    info = language.removeprefix("language-") + (f' title="{title.get_text()}"' if title else "")
    return plain_fence(MARKER.sub("", code.get_text().removesuffix("\n")), info)


def _list(tag: Tag, address: str) -> str:
    """A list; one that explains the marks of the code before it says which line each item is about."""
    before = tag.find_previous_sibling()
    code = before.find("code") if before and "highlight" in before.get_attribute_list("class") else None
    lines = code.get_text().splitlines() if isinstance(code, Tag) else []
    noted = [MARKER.sub("", line).strip() for line in lines if MARKER.search(line)]
    items = []
    for number, item in enumerate(tag.find_all("li", recursive=False)):
        sign = f"{number + 1}. " if tag.name == "ol" else "- "
        about = f"`{noted[number]}` — " if number < len(noted) else ""
        text = about + "\n\n".join(_blocks(item, address))
        items.append(sign + re.sub(r"\n(?=.)", f"\n{' ' * len(sign)}", text))
    return "\n".join(items)


def _table(tag: Tag, address: str) -> Iterator[str]:
    rows = [[_cell(cell, address) for cell in row.find_all(["th", "td"])] for row in tag.find_all("tr")]
    if not tag.find("thead"):
        rows.insert(0, [" "] * len(rows[0]))
    head, *body = rows
    yield "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))
    if caption := tag.find("caption"):
        yield f"*{caption.get_text(' ', strip=True)}*"


def _cell(cell: Tag, address: str) -> str:
    return _inline(cell.children, address).replace("|", "\\|")


# Within a line -------------------------------------------------------------------------------------------------------


def _inline(elements: Iterable[PageElement], address: str) -> str:
    return SPACES.sub(" ", "".join(_words(element, address) for element in elements)).strip(" ")


def _words(element: PageElement, address: str) -> str:
    if not isinstance(element, Tag):
        return str(element) if type(element) is NavigableString else ""  # its kin are comments and the like
    inner = "".join(_words(child, address) for child in element.children)
    classes = element.get_attribute_list("class")
    if element.name == "code":
        ticks = "``" if "`" in inner else "`"
        return f"{ticks}{inner}{ticks}"
    if "proof" in classes:
        return f" {inner}"
    if "gap" in classes:
        return f" ({inner})"
    if element.name == "a" and inner.strip():
        return f"[{inner}]({urljoin(address, str(element.get('href', '')))})"
    sign = INLINE.get(element.name, "")
    return f"{sign}{inner}{sign}" if element.name != "br" else " "
