"""Keeps the French and the English pages one book: equal structure, and no section changed in one language only."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from cookbook import pages
from cookbook.pages import Call, Page
from cookbook.project import LANGUAGES, CookbookError, Project

NAMES = {"fr": "French", "en": "English"}
LOCK = "docs/parity.lock"
RECORD = "python -m cookbook parity --record"
ACCEPT = "python -m cookbook parity --accept"

_ADMONITION = re.compile(r"^[ \t>]*(?P<shown>(?:!!!|\?\?\?\+?)[ \t]*[\w-]+)", re.MULTILINE)
_TAB = re.compile(r"^[ \t>]*(?P<shown>===)[!+]*[ \t]*\"", re.MULTILINE)
_TABLE = re.compile(
    r"^[ \t>]*(?=[^\n]*\|)(?P<shown>\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*)$", re.MULTILINE
)

Book = dict[str, dict[str, Page]]
"""The pages by their path below ``docs/<language>/``, then by language."""


class _Part(NamedTuple):
    """A part of a page that the other language must have too: what is compared, how it is shown, where it is."""

    key: object
    shown: str
    line: int


class _Section(NamedTuple):
    """A section that both languages or the lock have: its digests now and in the lock, by language."""

    path: str
    id: str
    now: dict[str, str]
    recorded: dict[str, str]
    lines: dict[str, int]

    @property
    def key(self) -> str:
        return f"{self.path}#{self.id}"

    @property
    def changed(self) -> list[str]:
        """The languages whose text is not the recorded one; both for a section that is new or removed."""
        return [language for language in LANGUAGES if self.now.get(language) != self.recorded.get(language)]


def problems(project: Project) -> list[str]:
    """One line for each difference between the languages, and for each section that is not in the lock as it stands."""
    try:
        book = _read(project)
        return _differences(book) + [_problem(section) for section in _sections(project, book) if section.changed]
    except CookbookError as error:
        return [str(error)]


def record(project: Project) -> list[str]:
    """Write to the lock each section that is new, removed or changed in both languages; return their names.

    Raises CookbookError, and writes nothing, when the pages differ or a section changed in one language only.
    """
    book = _read(project)
    sections = _sections(project, book)
    refused = _differences(book) + [_problem(section) for section in sections if len(section.changed) == 1]
    if refused:
        raise CookbookError(f"{refused[0]}{f' (and {len(refused) - 1} more)' if refused[1:] else ''}")
    _write_lock(project, {section.key: section.now for section in sections if section.now})
    return [section.key for section in sections if section.changed]


def accept(project: Project, name: str) -> None:
    """Write one section to the lock as it stands in both languages.

    *name* is the file and the section's id, ``docs/fr/start/install.md#behaviour``, in either language.
    Raises CookbookError when they do not both have it.
    """
    file, _, section_id = name.partition("#")
    path = "/".join(Path(file).parts[2:])
    known = {section.id: section for section in _sections(project, _read(project)) if section.path == path}
    if not (project.root / file).is_file() or not known:
        raise CookbookError(
            f"{name}: no such page in both languages: name a section as docs/fr/start/install.md#behaviour"
        )
    if section_id not in known or not known[section_id].now:
        ids = ", ".join(f"#{section.id}" for section in known.values() if section.now)
        raise CookbookError(f"{name}: no such section in both languages: {file} has {ids}")
    _write_lock(project, {**_read_lock(project), f"{path}#{section_id}": known[section_id].now})


def _read(project: Project) -> Book:
    book: Book = {}
    for language in LANGUAGES:
        for file in project.pages(language):
            path = file.relative_to(project.docs / language).as_posix()
            book.setdefault(path, {})[language] = pages.read(file, project.relative(file))
    return dict(sorted(book.items()))


# Structure -----------------------------------------------------------------------------------------------------------


def _differences(book: Book) -> list[str]:
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
        found += _missing_links(french, english)
        found += _missing_links(english, french)
        found += _front_matter_differences(french, english)
    return found


def _heading_problems(page: Page) -> Iterator[str]:
    seen: dict[str, int] = {}
    for heading in pages.headings(page):
        where = f"{page.name}:{heading.line}"
        if heading.id in seen:
            yield f"{where}: the id #{heading.id} is that of line {seen[heading.id]} too: give each heading its own"
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
            for heading in pages.headings(page)
        ],
        found(_ADMONITION),
        found(_TAB, "a tab"),
        found(_TABLE, "a table"),
        [_Part(fence.info, f"a block of {fence.info or 'code'}", fence.line) for fence in page.fences],
    ]


def _without_texts(call: Call) -> dict[str, object]:
    """The keyword arguments of a call without the texts that are the language's own."""

    def bare(key: str, value: Any) -> object:
        return list(value) if isinstance(value, dict) else "…" if key == pages.CAPTION else value

    return {key: bare(key, value) for key, value in call.kwargs.items()}


def _shown(call: Call) -> str:
    arguments = [repr(arg) for arg in call.args] + [f"{key}={value}" for key, value in _without_texts(call).items()]
    return f"{call.name}({', '.join(arguments)})"


def _first_difference(french: Page, english: Page, ours: list[_Part], theirs: list[_Part]) -> Iterator[str]:
    """The first place where the lists part: what follows it is mostly its consequence."""
    for one, other in zip_longest(ours, theirs):
        if one and other and one.key != other.key:
            yield (
                f"{french.name}:{one.line}: {one.shown} here, but {other.shown} at {english.name}:{other.line}: "
                "both languages have the same, in the same order: mend one of them"
            )
            return
        if not (one and other):
            here, there, part = (french, english, one) if one else (english, french, other)
            yield f"{here.name}:{part.line}: {part.shown} has no match in {there.name}: add it there, or remove it here"
            return


def _missing_links(page: Page, other: Page) -> Iterator[str]:
    """Links are compared without their order, which belongs to the language's sentences."""
    ours, theirs = list(pages.links(page)), list(pages.links(other))
    own = pages.meta_list(page, "own_links")
    more = Counter(target for _, target in ours) - Counter(target for _, target in theirs)
    lines = {target: line for line, target in reversed(ours)}
    for target in more:
        if target not in own:
            yield (
                f"{page.name}:{lines[target]}: the link to {target} has no match in {other.name}: add it there, "
                "or list it under own_links in the front matter here"
            )
    for target in own:
        if target not in more:
            line = pages.meta_line(page, "own_links", target)
            yield f"{page.name}:{line}: own_links has {target}, which this page does not need it for: remove it"


def _front_matter_differences(french: Page, english: Page) -> Iterator[str]:
    for key in ("recipe", "unknown_settings"):
        ours, theirs = french.meta.get(key), english.meta.get(key)
        if ours != theirs:
            yield (
                f"{french.name}:{pages.meta_line(french, key)}: {key} is {ours!r} here, but {theirs!r} at "
                f"{english.name}:{pages.meta_line(english, key)}: it is the same in both languages: mend one of them"
            )


# Sections and the lock -----------------------------------------------------------------------------------------------


def _sections(project: Project, book: Book) -> list[_Section]:
    """Every section that both languages have, or that the lock has and neither language.

    One that a single language has is a difference of structure, and none of these.
    """
    lock = _read_lock(project)
    now: dict[tuple[str, str], dict[str, tuple[int, str]]] = {}
    for path, versions in book.items():
        for language, page in versions.items():
            for section_id, section in pages.sections(page).items():
                now.setdefault((path, section_id), {})[language] = section
    for key in lock:
        path, _, section_id = key.partition("#")
        now.setdefault((path, section_id), {})
    return [
        _Section(
            path,
            section_id,
            {language: _digest(text) for language, (_, text) in versions.items()},
            lock.get(f"{path}#{section_id}", {}),
            {language: line for language, (line, _) in versions.items()},
        )
        for (path, section_id), versions in now.items()
        if len(versions) != 1
    ]


def _problem(section: _Section) -> str:
    shown = f"section '{section.id}'" if section.id else "the part before the first section"
    if not section.now:
        return (
            f"{LOCK}:1: {shown} of {section.path} was removed in both languages and is not yet recorded: run {RECORD}"
        )
    first, *others = section.changed
    where = f"docs/{first}/{section.path}"
    at = f"{where}:{section.lines[first]}"
    if others:
        what = "changed in both languages" if section.recorded else "is new"
        return f"{at}: {shown} {what} and is not yet recorded: run {RECORD}"
    (other,) = set(LANGUAGES) - {first}
    return (
        f"{at}: {shown} changed in {NAMES[first]} only: bring docs/{other}/{section.path} in line, "
        f"or say that it still holds with {ACCEPT} {where}#{section.id}"
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read_lock(project: Project) -> dict[str, dict[str, str]]:
    file = project.root / LOCK
    if not file.is_file():
        return {}
    try:
        lock = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise CookbookError(
            f"{LOCK}:{error.lineno}: not JSON ({error.msg}): resolve the merge, keeping the lines of both sides"
        ) from None
    return dict(lock)


def _write_lock(project: Project, sections: Mapping[str, dict[str, str]]) -> None:
    """One line for each section, so that two branches seldom meet in one."""
    lines = [f"  {json.dumps(key)}: {json.dumps(sections[key], sort_keys=True)}" for key in sorted(sections)]
    text = "{\n" + ",\n".join(lines) + "\n}\n" if lines else "{}\n"
    (project.root / LOCK).write_text(text, encoding="utf-8")
