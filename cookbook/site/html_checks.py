"""Checks of the rendered pages: each block equals its recipe, each link leads somewhere, no third-party requests."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cookbook.project import LANGUAGES, Project
from cookbook.render.markdown import MARKER
from cookbook.site.html_pages import Block, Html
from cookbook.sources import pages, snippets, transcripts
from cookbook.sources.pages import Call

LINKING = ("*.css", "*.md", "feed.xml", "llms.txt", "sitemap.xml")  # files with links, besides the pages
ENTRY = re.compile(r"<(?:loc|link)>\s*(.*?)\s*</|<xhtml:link [^>]*href=\"([^\"]*)\"|<atom:link href=\"([^\"]*)\"")
MARKDOWN_LINK = re.compile(r"\]\(([^\s()]+)\)|^<(\S+)>$", re.MULTILINE)
FENCED = re.compile(r"^[ ]*(`{3,}).*?^[ ]*\1$", re.MULTILINE | re.DOTALL)
CSS_URL = re.compile(r"url\(\s*(?P<quote>['\"]?)(?P<url>.+?)(?P=quote)\s*\)|@import\s+['\"](?P<imported>[^'\"]+)")


@dataclass(frozen=True)
class _Site:
    """A built site: its folder, its pages by their paths below it, and the address where it will be served."""

    folder: Path
    pages: Mapping[str, Html]
    address: str

    def is_elsewhere(self, url: str) -> bool:
        """Whether *url* leads to another site."""
        parts = urlsplit(url)
        is_own = self.address and url.startswith(self.address)
        return bool(parts.scheme in ("http", "https") or parts.netloc) and not is_own


def problems(project: Project, folder: Path, rendered: Mapping[str, Html]) -> list[str]:
    """A line for each fault of the site in *folder*, French at its root and English in ``en/``; *rendered* are its
    pages."""
    site = _Site(folder, rendered, rendered["index.html"].canonical if "index.html" in rendered else "")
    written = [file for language in LANGUAGES for file in project.pages(language)]
    sources = {f"{pages.address(project, file)}index.html": file for file in written}
    found = [
        f"{project.relative(file)}: not in the built site" for name, file in sources.items() if name not in rendered
    ]
    places: dict[str, list[str]] = defaultdict(list)  # of each fault: one of the theme is on every page
    for name, html in rendered.items():
        where = project.relative(sources[name]) if name in sources else name
        for fault in (*_own_faults(html), *_dead_links(site, html)):
            places[fault].append(where)
        if name in sources:
            found += [f"{where}{line}: {fault}" for line, fault in _block_faults(project, sources[name], html.blocks)]
    for file in sorted(path for pattern in LINKING for path in folder.rglob(pattern)):
        name, text = file.relative_to(folder).as_posix(), file.read_text(encoding="utf-8")
        for fault in (_stylesheet_faults if file.suffix == ".css" else _entry_faults)(site, name, text):
            places[fault].append(name)
    return found + [f"{first}: {fault}{_more(others)}" for fault, (first, *others) in places.items()]


def count_blocks(rendered: Mapping[str, Html]) -> int:
    """The number of blocks on the pages that name the recipe that they show."""
    return sum(bool(block.source) for html in rendered.values() for block in html.blocks)


# Blocks --------------------------------------------------------------------------------------------------------------


def _block_faults(project: Project, file: Path, blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """What is wrong with the *blocks* of the page written in *file*: the line of the call as `:12` (empty without a
    call), and the fault."""
    calls: dict[str, list[Call]] = defaultdict(list)
    for call in pages.read(file, project.relative(file)).calls:
        if call.name in ("code", "transcript"):
            path, *symbols = call.args
            calls[f"{path}:{','.join(symbols)}" if symbols else path].append(call)
    for block in blocks:
        first = (block.text.splitlines() or [""])[0]
        if not block.source:
            yield "", f"the block {first!r} … was typed by hand: show a recipe's file with code() or transcript()"
        elif not calls[block.source]:
            yield "", f"the block {block.source} has no call on the page: {first!r} …"
        else:
            call = calls[block.source].pop(0)
            if fault := _difference(project, block, call):
                yield f":{call.line}", f"the block {block.source} {fault}"
    for source, missing in calls.items():
        for call in missing:
            yield f":{call.line}", f"the block {source} is not on the rendered page: give its call a line of its own"


def _difference(project: Project, block: Block, call: Call) -> str:
    """How the block, or what its copy button gives, differs from the recipe; empty when both equal it byte for byte."""
    path, *symbols = call.args
    displayed = block.text
    if call.name == "transcript":
        text = (project.recipes / path).read_text(encoding="utf-8").rstrip("\n")
        copied = transcripts.commands(text)
    else:
        text = copied = snippets.cut(project, path, *symbols).text
        if notes := call.kwargs.get("notes"):
            displayed, markers = MARKER.subn("", block.text)
            if markers != len(notes):
                return f"has {markers} notes where its call gives {len(notes)}"
    if displayed != text:
        pairs = zip_longest(displayed.split("\n"), text.split("\n"))
        one, other = next(pair for pair in pairs if pair[0] != pair[1])  # None where the shorter one ended
        return f"differs from its recipe: {one!r} on the page, {other!r} in recipes/{path}"
    if (block.text if block.copy is None else block.copy) != copied:
        return "copies text that differs from its recipe"
    return ""


# Links ---------------------------------------------------------------------------------------------------------------


def _own_faults(html: Html) -> Iterator[str]:
    for text in html.leftovers:
        yield f"a macro call was left on the page: {text!r}"
    for name, times in html.ids.items():
        if times > 1:
            yield f"the id {name!r} is used {times} times"
    for name in sorted(html.pointers - html.ids.keys()):
        yield f"something points to the id {name!r}, which does not exist"


def _dead_links(site: _Site, html: Html) -> Iterator[str]:
    for url in dict.fromkeys(html.requests):
        if site.is_elsewhere(url):
            yield f"the page loads {url} from another origin: serve it from the site"
    for url in dict.fromkeys(html.links):
        if not site.is_elsewhere(url) and (fault := _why_dead(site, html.name, url)):
            yield f"dead link to {url}: {fault}"


def _stylesheet_faults(site: _Site, name: str, text: str) -> Iterator[str]:
    for url in {match["url"] or match["imported"] for match in CSS_URL.finditer(text)}:
        if site.is_elsewhere(url):
            yield f"loads {url} from another origin: serve it from the site"
        elif fault := _why_dead(site, name, url):
            yield f"dead link to {url}: {fault}"


def _entry_faults(site: _Site, name: str, text: str) -> Iterator[str]:
    """Faults of a sitemap, a feed or a Markdown file; only Markdown may link to other sites."""
    is_markdown = not name.endswith(".xml")
    found = MARKDOWN_LINK.findall(FENCED.sub("", text)) if is_markdown else ENTRY.findall(text)
    for url in dict.fromkeys("".join(groups) for groups in found):
        if not site.is_elsewhere(url):
            if fault := _why_dead(site, name, url):
                yield f"dead entry {url}: {fault}"
        elif not is_markdown:
            yield f"dead entry {url}: outside the site"


def _why_dead(site: _Site, name: str, url: str) -> str:
    """Why *url*, found in the file *name* of the site, leads nowhere; empty when it leads somewhere."""
    parts = urlsplit(url)
    if parts.scheme and not url.startswith(site.address or "http"):
        return "" if parts.scheme in ("data", "mailto", "tel") else f"links with {parts.scheme}: are not allowed"
    path = unquote(parts.path)
    if path.startswith("/"):
        path = path.removeprefix(urlsplit(site.address).path or "/")
    else:
        path = posixpath.join(posixpath.dirname(name), path) if path else name
    target = posixpath.normpath(path)
    if target.startswith(".."):
        return "it leaves the site"
    if (site.folder / target).is_dir():
        target = posixpath.join(target, "index.html")
    if not (site.folder / target).is_file():
        return f"the site has no {target}"
    fragment = unquote(parts.fragment)
    is_text = fragment.startswith(":~:")  # a text fragment, which needs no id
    if fragment and target in site.pages and fragment not in site.pages[target].ids and not is_text:
        return f"nothing on {target} has that id"
    return ""


def _more(others: Sequence[str]) -> str:
    return f" (and {len(others)} more {'page' if len(others) == 1 else 'pages'})" if others else ""
