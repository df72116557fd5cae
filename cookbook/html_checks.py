"""What is asked of the rendered pages: each block is its recipe, each link leads somewhere, nothing comes from afar."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup, Tag

from cookbook import pages, snippets, transcripts
from cookbook.markdown import MARKER
from cookbook.pages import Call
from cookbook.project import LANGUAGES, Project

LEFTOVER = re.compile(r"\{@|@\}|Macro Rendering Error")
CODE = ("code", "pre", "script", "style")
OWN_PRE = {"mermaid", "proof-source"}  # what is preformatted without being a block of a recipe
POINTERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls")  # attributes that name ids of the same page
READ_ONLY = {"alternate", "author", "canonical", "license", "next", "prev"}  # a link to these loads nothing
LINKING = ("*.css", "*.md", "feed.xml", "llms.txt", "sitemap.xml")  # what links to the site besides its pages
ENTRY = re.compile(r"<(?:loc|link)>\s*(.*?)\s*</|<xhtml:link [^>]*href=\"([^\"]*)\"|<atom:link href=\"([^\"]*)\"")
MARKDOWN_LINK = re.compile(r"\]\(([^\s()]+)\)|^<(\S+)>$", re.MULTILINE)
FENCED = re.compile(r"^[ ]*(`{3,}).*?^[ ]*\1$", re.MULTILINE | re.DOTALL)
CSS_URL = re.compile(r"url\(\s*(?P<quote>['\"]?)(?P<url>.+?)(?P=quote)\s*\)|@import\s+['\"](?P<imported>[^'\"]+)")


@dataclass(frozen=True)
class Block:
    """A block of code: what it says it shows (``core/celery.py:app``), its text, and what its copy button gives."""

    source: str
    text: str
    copy: str | None


@dataclass(frozen=True)
class Html:
    """One rendered page: ``name`` is its path below the site, ``requests`` what a browser loads with it unasked."""

    name: str
    ids: Counter[str]
    pointers: frozenset[str]
    links: tuple[str, ...]
    requests: tuple[str, ...]
    blocks: tuple[Block, ...]
    leftovers: tuple[str, ...]
    canonical: str


def problems(project: Project, site: Path) -> list[str]:
    """A line for each fault of the built *site*, French at its root and English in its ``en/``."""
    files = (path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html")))
    rendered = {name: _read(site, name) for name in files}
    written = [file for language in LANGUAGES for file in project.pages(language)]
    sources = {f"{pages.address(project, file)}index.html": file for file in written}
    found = [
        f"{project.relative(file)}: not in the built site" for name, file in sources.items() if name not in rendered
    ]
    places: dict[str, list[str]] = defaultdict(list)  # of each fault that the theme could have put on every page
    for name, html in rendered.items():
        where = project.relative(sources[name]) if name in sources else name
        for fault in (*_own_faults(html), *_dead_links(site, rendered, html)):
            places[fault].append(where)
        if name in sources:
            found += [f"{where}{line}: {fault}" for line, fault in _block_faults(project, sources[name], html.blocks)]
    for file in sorted(path for pattern in LINKING for path in site.rglob(pattern)):
        for fault in _asset_faults(site, rendered, file):
            places[fault].append(file.relative_to(site).as_posix())
    return found + [f"{first}: {fault}{_more(others)}" for fault, (first, *others) in places.items()]


def count_blocks(site: Path) -> int:
    """How many blocks of the site name the recipe that they show."""
    return sum(file.read_text(encoding="utf-8").count(' data-source="') for file in site.rglob("*.html"))


# Reading -------------------------------------------------------------------------------------------------------------


def _read(site: Path, name: str) -> Html:
    soup = BeautifulSoup((site / name).read_text(encoding="utf-8"), "html.parser")
    ids: Counter[str] = Counter()
    pointers: set[str] = set()
    links: list[str] = []
    requests: list[str] = []
    blocks: list[Block] = []
    canonical = ""
    for tag in soup.find_all(True):
        ids.update(filter(None, {_attribute(tag, "id"), _attribute(tag, "name") if tag.name == "a" else ""}))
        if tag.find_parent("article"):  # the theme around it has some of its own
            pointers.update(*(_attribute(tag, pointer).split() for pointer in POINTERS))
        links += _urls(tag)
        if tag.name not in ("a", "area") and not (tag.name == "link" and READ_ONLY & {*tag.get_attribute_list("rel")}):
            requests += _urls(tag)
        if tag.name == "meta" and _attribute(tag, "property") == "og:image":
            links.append(_attribute(tag, "content"))
        if tag.name == "link" and "canonical" in tag.get_attribute_list("rel"):
            canonical = _attribute(tag, "href")
        if _is_block(tag):
            code = tag.find("code") or tag
            copy = _attribute(tag, "data-copy") if tag.has_attr("data-copy") else None
            blocks.append(Block(_attribute(tag, "data-source"), code.get_text().removesuffix("\n"), copy))
    leftovers = [text for text in soup.find_all(string=LEFTOVER) if not text.find_parent(CODE)]
    return Html(
        name,
        ids,
        frozenset(pointers),
        tuple(links),
        tuple(requests),
        tuple(blocks),
        tuple(" ".join(text.split())[:80] for text in leftovers),
        canonical,
    )


def _attribute(tag: Tag, name: str) -> str:
    return " ".join(filter(None, tag.get_attribute_list(name)))


def _urls(tag: Tag) -> Iterator[str]:
    for name in ("href", "src", "data", "poster", "xlink:href"):
        if name != "data" or tag.name == "object":
            yield from filter(None, [_attribute(tag, name)])
    for candidate in filter(None, _attribute(tag, "srcset").split(",")):
        yield candidate.split()[0]


def _is_block(tag: Tag) -> bool:
    classes = {*tag.get_attribute_list("class")}
    if tag.name == "pre":
        return not (classes & OWN_PRE or tag.find_parent("div", class_="highlight"))
    return tag.name == "div" and "highlight" in classes


# Blocks --------------------------------------------------------------------------------------------------------------


def _block_faults(project: Project, file: Path, blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """`:12`, the line of the call, if there is one, and what is wrong with the blocks of the page written in *file*."""
    calls: dict[str, list[Call]] = defaultdict(list)
    for call in pages.macro_calls(file, project.relative(file)):
        if call.name in ("code", "transcript"):
            path, *symbols = call.args
            calls[f"{path}:{','.join(symbols)}" if symbols else path].append(call)
    for block in blocks:
        first = (block.text.splitlines() or [""])[0]
        if not block.source:
            yield "", f"the block {first!r} … was typed by hand: show a recipe's file with code() or transcript()"
        elif not calls[block.source]:
            yield "", f"the block {block.source} is shown where no call of the page asks for it: {first!r} …"
        else:
            call = calls[block.source].pop(0)
            if fault := _difference(project, block, call):
                yield f":{call.line}", f"the block {block.source} {fault}"
    for source, missing in calls.items():
        for call in missing:
            yield f":{call.line}", f"the block {source} is not on the rendered page: give its call a line of its own"


def _difference(project: Project, block: Block, call: Call) -> str:
    """What the block is not that its recipe is; empty when they are equal, byte for byte, and so is what is copied."""
    path, *symbols = call.args
    shown = block.text
    if call.name == "transcript":
        text = (project.recipes / path).read_text(encoding="utf-8").rstrip("\n")
        copied = transcripts.commands(text)
    else:
        text = copied = snippets.cut(project, path, *symbols).text
        if notes := call.kwargs.get("notes"):
            shown, markers = MARKER.subn("", block.text)
            if markers != len(notes):
                return f"has {markers} notes where its call gives {len(notes)}"
    if shown != text:
        pairs = zip_longest(shown.split("\n"), text.split("\n"))
        one, other = next(pair for pair in pairs if pair[0] != pair[1])
        return f"differs from its recipe: {one!r} on the page, {other!r} in recipes/{path}"
    if (block.text if block.copy is None else block.copy) != copied:
        return "copies something else than its recipe"
    return ""


# Links ---------------------------------------------------------------------------------------------------------------


def _own_faults(html: Html) -> Iterator[str]:
    for text in html.leftovers:
        yield f"a macro call was left on the page: {text!r}"
    for name, times in html.ids.items():
        if times > 1:
            yield f"the id {name!r} is given {times} times"
    for name in sorted(html.pointers - html.ids.keys()):
        yield f"something points to the id {name!r}, which nothing has"


def _dead_links(site: Path, rendered: dict[str, Html], html: Html) -> Iterator[str]:
    base = _base(rendered)
    for url in dict.fromkeys(html.requests):
        if _is_elsewhere(url, base):
            yield f"the page loads {url} from another origin: serve it from the site"
    for url in dict.fromkeys(html.links):
        if not _is_elsewhere(url, base) and (fault := _fault(site, rendered, base, html.name, url)):
            yield f"dead link to {url}: {fault}"


def _asset_faults(site: Path, rendered: dict[str, Html], file: Path) -> Iterator[str]:
    base, text, name = _base(rendered), file.read_text(encoding="utf-8"), file.relative_to(site).as_posix()
    if file.suffix == ".css":
        for url in {match["url"] or match["imported"] for match in CSS_URL.finditer(text)}:
            if _is_elsewhere(url, base):
                yield f"loads {url} from another origin: serve it from the site"
            elif fault := _fault(site, rendered, base, name, url):
                yield f"dead link to {url}: {fault}"
        return
    is_markdown = file.suffix in (".md", ".txt")
    found = MARKDOWN_LINK.findall(FENCED.sub("", text)) if is_markdown else ENTRY.findall(text)
    for address in dict.fromkeys("".join(url) for url in found):
        if _is_elsewhere(address, base):
            fault = "" if is_markdown else "outside the site"
        else:
            fault = _fault(site, rendered, base, name, address)
        if fault:
            yield f"dead entry {address}: {fault}"


def _base(rendered: dict[str, Html]) -> str:
    """The address of the whole site, as its home page says it; empty when it says none."""
    return rendered["index.html"].canonical if "index.html" in rendered else ""


def _is_elsewhere(url: str, base: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.scheme in ("http", "https") or parts.netloc) and not (base and url.startswith(base))


def _fault(site: Path, rendered: dict[str, Html], base: str, name: str, url: str) -> str:
    """Why *url*, found in the file *name* of the site, leads nowhere; empty when it does lead somewhere."""
    parts = urlsplit(url)
    if parts.scheme and not url.startswith(base or "http"):
        return "" if parts.scheme in ("data", "mailto", "tel") else f"{parts.scheme}: is no way to link"
    path = unquote(parts.path)
    if path.startswith("/"):
        path = path.removeprefix(urlsplit(base).path or "/")
    else:
        path = posixpath.join(posixpath.dirname(name), path) if path else name
    target = posixpath.normpath(path)
    if target.startswith(".."):
        return "it leaves the site"
    if (site / target).is_dir():
        target = posixpath.join(target, "index.html")
    if not (site / target).is_file():
        return f"the site has no {target}"
    fragment = unquote(parts.fragment)
    if fragment and target in rendered and fragment not in rendered[target].ids and not fragment.startswith(":~:"):
        return f"nothing on {target} has that id"
    return ""


def _more(others: Sequence[str]) -> str:
    return f" (and {len(others)} more {'page' if len(others) == 1 else 'pages'})" if others else ""
