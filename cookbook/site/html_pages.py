"""What a rendered page has that is checked: ids, links, blocks of code, and what a browser loads or runs with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

LEFTOVER = re.compile(r"\{@|@\}|Macro Rendering Error")
CODE = {"code", "pre", "script", "style"}
OWN_PRE = {"mermaid", "proof-source"}  # what is preformatted without being a block of a recipe
POINTERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls")  # attributes that name ids of the same page
READ_ONLY = {"alternate", "author", "canonical", "license", "next", "prev"}  # a link to these loads nothing
LOADING = {"audio", "embed", "form", "iframe", "img", "link", "object", "script", "source", "style", "track", "video"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


@dataclass
class Block:
    """A block of code: what it says it shows (``core/celery.py:app``), its text, and what its copy button gives."""

    source: str
    text: str
    copy: str | None


@dataclass(eq=False)
class Tag:
    """The start of an element: its attributes, ``""`` for one without value, and its line (from 1)."""

    name: str
    attributes: dict[str, str]
    line: int

    def words(self, name: str) -> set[str]:
        """The words of an attribute, such as its classes."""
        return {*self.attributes.get(name, "").split()}

    def runs_inline(self) -> bool:
        """Whether an attribute is a style or a script."""
        return any(
            name == "style" or name.startswith("on") or value.strip().lower().startswith("javascript:")
            for name, value in self.attributes.items()
        )


@dataclass
class Html:
    """One rendered page: ``name`` is its path below the site, ``requests`` the addresses that a browser loads with it
    unasked, ``loading`` the elements that can make it load or run something."""

    name: str
    ids: Counter[str] = field(default_factory=Counter)
    pointers: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    canonical: str = ""
    loading: list[Tag] = field(default_factory=list)


def read_all(site: Path) -> dict[str, Html]:
    """Each page of *site*, by its path below it."""
    names = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    return {name: read((site / name).read_text(encoding="utf-8"), name) for name in names}


def read(text: str, name: str) -> Html:
    """The page whose HTML is *text*, called *name*."""
    reader = _Reader(name)
    reader.feed(text)
    reader.close()
    reader.end_page()
    return reader.page


@dataclass
class _OpenBlock:
    """A block that is being read: all of its text, and that of the first element ``code`` in it."""

    tag: Tag
    block: Block
    text: str = ""
    code: Tag | None = None
    code_text: str = ""


class _Reader(HTMLParser):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.page = Html(name)
        self.open: list[Tag] = []  # the elements around the place that it is at
        self.blocks: list[_OpenBlock] = []
        self.text = ""  # since the last tag

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.end_text()
        tag = Tag(name, {key: value or "" for key, value in attributes}, self.getpos()[0])
        self._note(tag)
        if self._is_block(tag):
            copy = tag.attributes.get("data-copy")
            block = Block(tag.attributes.get("data-source", ""), "", copy)
            self.page.blocks.append(block)
            self.blocks.append(_OpenBlock(tag, block))
        elif name == "code":
            for each in self.blocks:
                each.code = each.code or tag
        if name not in VOID:
            self.open.append(tag)

    def handle_endtag(self, name: str) -> None:
        self.end_text()
        if any(tag.name == name for tag in self.open):
            while self._close().name != name:
                pass

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.end_text()
        self._note_leftover(data)

    def end_text(self) -> None:
        """Note the text since the last tag."""
        text, self.text = self.text, ""
        for each in self.blocks:
            each.text += text
            if each.code in self.open:
                each.code_text += text
        self._note_leftover(text)

    def end_page(self) -> None:
        self.end_text()
        while self.open:
            self._close()

    def _close(self) -> Tag:
        closed = self.open.pop()
        if self.blocks and self.blocks[-1].tag is closed:
            ended = self.blocks.pop()
            ended.block.text = (ended.code_text if ended.code else ended.text).removesuffix("\n")
        return closed

    def _note(self, tag: Tag) -> None:
        page, given = self.page, tag.attributes
        page.ids.update({value for value in (given.get("id"), given.get("name") if tag.name == "a" else "") if value})
        if any(each.name == "article" for each in self.open):  # the theme around it has some of its own
            page.pointers.update(*(tag.words(pointer) for pointer in POINTERS))
        urls = [*_urls(tag)]
        page.links += urls
        if tag.name not in ("a", "area") and not (tag.name == "link" and READ_ONLY & tag.words("rel")):
            page.requests += urls
        if tag.name == "meta" and given.get("property") == "og:image":
            page.links.append(given.get("content", ""))
        if tag.name == "link" and "canonical" in tag.words("rel"):
            page.canonical = given.get("href", "")
        if tag.name in LOADING or tag.runs_inline():
            page.loading.append(tag)

    def _is_block(self, tag: Tag) -> bool:
        if tag.name == "pre":
            within = any(each.name == "div" and "highlight" in each.words("class") for each in self.open)
            return not (within or tag.words("class") & OWN_PRE)
        return tag.name == "div" and "highlight" in tag.words("class")

    def _note_leftover(self, text: str) -> None:
        if LEFTOVER.search(text) and not any(tag.name in CODE for tag in self.open):
            self.page.leftovers.append(" ".join(text.split())[:80])


def _urls(tag: Tag) -> Iterator[str]:
    for name in ("href", "src", "data", "poster", "xlink:href"):
        if tag.attributes.get(name) and (name != "data" or tag.name == "object"):
            yield tag.attributes[name]
    for candidate in filter(None, tag.attributes.get("srcset", "").split(",")):
        yield candidate.split()[0]
