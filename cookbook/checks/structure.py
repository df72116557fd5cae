"""What the French and the English page at one path must share: headings, calls, blocks, links, front matter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

from cookbook.project import LANGUAGES, Project
from cookbook.sources import markup, pages
from cookbook.sources.pages import Call, Page
from cookbook.suggest import did_you_mean, did_you_mean_file

NAMES = {"fr": "French", "en": "English"}

_ADMONITION = re.compile(r"^[ \t>]*(?P<shown>(?:!!!|\?\?\?\+?)[ \t]*[\w-]+)", re.MULTILINE)
_TAB = re.compile(r"^[ \t>]*(?P<shown>===)[!+]*[ \t]*\"", re.MULTILINE)
_TABLE = re.compile(
    r"^[ \t>]*(?=[^\n]*\|)(?P<shown>\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*)$", re.MULTILINE
)
_GIVEN_ID = re.compile(r"\{[^{}]*#([\w-]+)[^{}]*\}|\bid=\"([^\"]+)\"")

Book = dict[str, dict[str, Page]]
"""The pages by their path below ``docs/<language>/``, then by language."""


class _Part(NamedTuple):
    """A part of a page that the other language must have too: what is compared, its name in messages, its line."""

    key: object
    shown: str
    line: int


def differences(project: Project, book: Book) -> list[str]:
    """One line for each part that the other language does not have, or has in another place."""
    found: list[str] = []
    for path, versions in book.items():
        for page in versions.values():
            found += _heading_problems(page)
        if len(versions) < len(LANGUAGES):
            (language,), (other,) = versions, set(LANGUAGES) - versions.keys()
            found.append(f"docs/{language}/{path}:1: this page is in {NAMES[language]} only: write docs/{other}/{path}")
            continue
        french, english = (versions[language] for language in LANGUAGES)
        for ours, theirs in zip(_structure(french), _structure(english), strict=True):
            found += _first_difference(french, english, ours, theirs)
        found += _missing_links(project, french, english)
        found += _missing_links(project, english, french)
        found += _front_matter_differences(french, english)
    return found


def _heading_problems(page: Page) -> Iterator[str]:
    seen: dict[str, int] = {}
    for heading in markup.headings(page):
        where = f"{page.name}:{heading.line}"
        if heading.id in seen:
            yield f"{where}: the id #{heading.id} is on line {seen[heading.id]} too: give each heading its own id"
        elif heading.id:
            seen[heading.id] = heading.line
        elif heading.level > 1:
            yield f"{where}: a heading without an id: end its line with {{ #name }}, the same name in both languages"


def _structure(page: Page) -> list[list[_Part]]:
    """The parts that both languages must have in the same order, kind by kind."""

    def found(pattern: re.Pattern[str], shown: str = "") -> list[_Part]:
        matches = list(pattern.finditer(page.text))
        names = [shown or match["shown"] for match in matches]
        lines = [pages.line_at(page.text, match.start("shown")) for match in matches]
        return [_Part(name, name, line) for name, line in zip(names, lines, strict=True)]

    return [
        [_Part((call.name, call.args, _without_texts(call)), _shown(call), call.line) for call in page.calls],
        [
            _Part(
                (heading.level, heading.id), f"heading {'#' * heading.level} {{ #{heading.id or '?'} }}", heading.line
            )
            for heading in markup.headings(page)
        ],
        found(_ADMONITION),
        found(_TAB, "a tab"),
        found(_TABLE, "a table"),
        [_Part(fence.info, f"a block of {fence.info or 'code'}", fence.line) for fence in page.fences],
    ]


def _without_texts(call: Call) -> dict[str, object]:
    """The keyword arguments of a call without the texts in the page's language."""

    def bare(key: str, value: Any) -> object:
        return list(value) if isinstance(value, dict) else "…" if key == pages.CAPTION else value

    return {key: bare(key, value) for key, value in call.kwargs.items()}


def _shown(call: Call) -> str:
    arguments = [repr(arg) for arg in call.args] + [f"{key}={value}" for key, value in _without_texts(call).items()]
    return f"{call.name}({', '.join(arguments)})"


def _first_difference(french: Page, english: Page, ours: list[_Part], theirs: list[_Part]) -> Iterator[str]:
    """The first place where the lists differ: later differences mostly follow from it."""
    for one, other in zip_longest(ours, theirs):
        if one and other and one.key != other.key:
            yield (
                f"{french.name}:{one.line}: {one.shown} here, but {other.shown} at {english.name}:{other.line}: "
                "both languages need the same, in the same order: change one of them"
            )
            return
        if not (one and other):
            here, there, part = (french, english, one) if one else (english, french, other)
            yield f"{here.name}:{part.line}: {part.shown} has no match in {there.name}: add it there, or remove it here"
            return


def _missing_links(project: Project, page: Page, other: Page) -> Iterator[str]:
    """The links of *page* that *other* does not have; their order may differ, as the sentences do.

    A dead link that both languages have is reported by the build, in each.
    """
    ours, theirs = list(markup.links(page)), list(markup.links(other))
    own = pages.meta_list(page, "own_links")
    more = Counter(target for _, target in ours) - Counter(target for _, target in theirs)
    lines = {target: line for line, target in reversed(ours)}
    for target in more:
        if why := _dead(project, page, target):
            yield f"{page.name}:{lines[target]}: the link to {target} is dead: {why}: correct it"
        elif target not in own:
            yield (
                f"{page.name}:{lines[target]}: the link to {target} has no match in {other.name}: add it there, "
                "or list it under own_links in the front matter here"
            )
    for target in own:
        if target not in more:
            line = pages.meta_line(page, "own_links", target)
            yield f"{page.name}:{line}: own_links has {target}, which is not a link of this page alone: remove it"


def _dead(project: Project, page: Page, target: str) -> str:
    """Why the link from *page* to *target* is dead; empty when it is not, or when it leads outside the pages."""
    path, _, anchor = target.partition("#")
    if re.match(r"/|[a-z][a-z0-9+.-]*:", target) or pages.PLACEHOLDER in target:
        return ""
    here = project.root / page.name
    file = (here.parent / path).resolve() if path else here
    if not file.exists():
        return f"there is no {path}{did_you_mean_file(file.name, (each.name for each in file.parent.glob('*')))}"
    if not anchor or file.suffix != ".md" or anchor.startswith("proof-"):  # a macro's, checked in the built site
        return ""
    given = {one or other for one, other in _GIVEN_ID.findall(pages.read(file).text)}
    return "" if anchor in given else f"nothing there has the id #{anchor}{did_you_mean(anchor, given)}"


def _front_matter_differences(french: Page, english: Page) -> Iterator[str]:
    for key in ("recipe", "unknown_settings"):
        ours, theirs = french.meta.get(key), english.meta.get(key)
        if ours != theirs:
            yield (
                f"{french.name}:{pages.meta_line(french, key)}: {key} is {ours!r} here, but {theirs!r} at "
                f"{english.name}:{pages.meta_line(english, key)}: both languages need the same: change one of them"
            )
