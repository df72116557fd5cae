"""What the checks need to know of a rendered page: ids, links, blocks of code, and what is inline or loaded."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bs4 import BeautifulSoup, Tag

LEFTOVER = re.compile(r"\{@|@\}|Macro Rendering Error")
CODE = ("code", "pre", "script", "style")
OWN_PRE = {"mermaid", "proof-source"}  # preformatted text that is not a block of a recipe
# Attributes that name ids of the same page.
POINTERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls", "popovertarget")
READ_ONLY = {"alternate", "author", "canonical", "license", "next", "prev"}  # a link to these loads nothing


@dataclass
class Block:
    """A block of code: the source that it names (``core/celery.py:app``), its text, and what its copy button gives."""

    source: str
    text: str
    copy: str | None


@dataclass
class Html:
    """One rendered page.

    ``name`` is its path below the site, ``requests`` the addresses that a browser loads with it, ``inline`` the line
    and kind of each inline script or style (``(12, "style=")``), ``leftovers`` the texts that contain a macro call.
    """

    name: str
    ids: Counter[str] = field(default_factory=Counter)
    pointers: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    canonical: str = ""
    inline: list[tuple[int, str]] = field(default_factory=list)


def read_all(site: Path) -> dict[str, Html]:
    """Each page of *site*, by its path below it."""
    names = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    return {name: read((site / name).read_text(encoding="utf-8"), name) for name in names}


def read(text: str, name: str) -> Html:
    """The page whose HTML is *text*; *name* is its path below the site."""
    soup = BeautifulSoup(text, "html.parser", multi_valued_attributes=None)
    page = Html(name)
    for tag in soup.find_all(True):
        page.ids.update(filter(None, [_value(tag, "id"), _value(tag, "name") if tag.name == "a" else ""]))
        rel = _words(tag, "rel") if tag.name == "link" else set()
        urls = [*_urls(tag)]
        page.links += urls
        if tag.name not in ("a", "area") and not READ_ONLY & rel:
            page.requests += urls
        if _value(tag, "property") == "og:image":
            page.links.append(_value(tag, "content"))
        if "canonical" in rel:
            page.canonical = _value(tag, "href")
        if _is_block(tag):
            page.blocks.append(_block(tag))
        page.inline += ((tag.sourceline or 0, what) for what in _inline(tag))
    for article in soup.find_all("article"):  # the theme around it has some of its own
        for tag in article.find_all(True):
            page.pointers.update(*(_words(tag, pointer) for pointer in POINTERS))
    for string in soup.find_all(string=LEFTOVER):
        if not string.find_parent(CODE):
            page.leftovers.append(" ".join(string.split())[:80])
    return page


def _value(tag: Tag, name: str) -> str:
    return str(tag.attrs.get(name, ""))


def _words(tag: Tag, name: str) -> set[str]:
    """The words of an attribute, such as its classes."""
    return {*_value(tag, name).split()}


def _is_highlight(tag: Tag) -> bool:
    return tag.name == "div" and "highlight" in _words(tag, "class")


def _is_block(tag: Tag) -> bool:
    if tag.name == "pre":
        return not (OWN_PRE & _words(tag, "class") or any(map(_is_highlight, tag.parents)))
    return _is_highlight(tag)


def _block(tag: Tag) -> Block:
    text = (tag.find("code") or tag).get_text().removesuffix("\n")
    return Block(_value(tag, "data-source"), text, _value(tag, "data-copy") if tag.has_attr("data-copy") else None)


def _urls(tag: Tag) -> Iterator[str]:
    for name in ("href", "src", "data", "poster", "xlink:href"):
        if (url := _value(tag, name)) and (name != "data" or tag.name == "object"):
            yield url
    for candidate in filter(None, _value(tag, "srcset").split(",")):
        yield candidate.split()[0]


def _inline(tag: Tag) -> Iterator[str]:
    """What of *tag* is an inline script or style: all of it, an attribute, an address."""
    is_data = _value(tag, "type").endswith("json")
    if tag.name == "style" or (tag.name == "script" and not tag.has_attr("src") and not is_data):
        yield f"<{tag.name}>"
    for name, value in tag.attrs.items():
        if name == "style" or name.startswith("on"):
            yield f"{name}="
        elif str(value).strip().lower().startswith("javascript:"):
            yield "javascript:"
