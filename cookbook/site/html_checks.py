"""What is asked of the rendered pages: each block is its recipe, each link leads somewhere, nothing comes from afar."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cookbook.project import LANGUAGES, Project
from cookbook.render.markdown import MARKER
from cookbook.site.html_pages import Block, Html
from cookbook.sources import pages, snippets, transcripts
from cookbook.sources.pages import Call

LINKING = ("*.css", "*.md", "feed.xml", "llms.txt", "sitemap.xml")  # what links to the site besides its pages
ENTRY = re.compile(r"<(?:loc|link)>\s*(.*?)\s*</|<xhtml:link [^>]*href=\"([^\"]*)\"|<atom:link href=\"([^\"]*)\"")
MARKDOWN_LINK = re.compile(r"\]\(([^\s()]+)\)|^<(\S+)>$", re.MULTILINE)
FENCED = re.compile(r"^[ ]*(`{3,}).*?^[ ]*\1$", re.MULTILINE | re.DOTALL)
CSS_URL = re.compile(r"url\(\s*(?P<quote>['\"]?)(?P<url>.+?)(?P=quote)\s*\)|@import\s+['\"](?P<imported>[^'\"]+)")


def problems(project: Project, site: Path, rendered: Mapping[str, Html]) -> list[str]:
    """A line for each fault of the built *site*, French at its root and English in its ``en/``, whose pages are
    *rendered*."""
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


def count_blocks(rendered: Mapping[str, Html]) -> int:
    """How many blocks of the pages name the recipe that they show."""
    return sum(bool(block.source) for html in rendered.values() for block in html.blocks)


# Blocks --------------------------------------------------------------------------------------------------------------


def _block_faults(project: Project, file: Path, blocks: Iterable[Block]) -> Iterator[tuple[str, str]]:
    """`:12`, the line of the call, if there is one, and what is wrong with the blocks of the page written in *file*."""
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


def _dead_links(site: Path, rendered: Mapping[str, Html], html: Html) -> Iterator[str]:
    base = _base(rendered)
    for url in dict.fromkeys(html.requests):
        if _is_elsewhere(url, base):
            yield f"the page loads {url} from another origin: serve it from the site"
    for url in dict.fromkeys(html.links):
        if not _is_elsewhere(url, base) and (fault := _fault(site, rendered, base, html.name, url)):
            yield f"dead link to {url}: {fault}"


def _asset_faults(site: Path, rendered: Mapping[str, Html], file: Path) -> Iterator[str]:
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


def _base(rendered: Mapping[str, Html]) -> str:
    """The address of the whole site, as its home page says it; empty when it says none."""
    return rendered["index.html"].canonical if "index.html" in rendered else ""


def _is_elsewhere(url: str, base: str) -> bool:
    parts = urlsplit(url)
    return bool(parts.scheme in ("http", "https") or parts.netloc) and not (base and url.startswith(base))


def _fault(site: Path, rendered: Mapping[str, Html], base: str, name: str, url: str) -> str:
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
