"""Compares the French and the English pages: equal structure, and no section changed in one language only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cookbook.checks.structure import NAMES, Book, differences
from cookbook.project import LANGUAGES, CookbookError, Project, write_whole
from cookbook.sources import markup, pages

LOCK = "docs/parity.lock"
RECORD = "python -m cookbook parity --record"
ACCEPT = "python -m cookbook parity --accept"


class _Section(NamedTuple):
    """A section of both languages or of the lock: its digests now and in the lock, and its lines, by language."""

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
        """The languages whose text differs from the recorded one; both for a section that is new or removed."""
        return [language for language in LANGUAGES if self.now.get(language) != self.recorded.get(language)]


def problems(project: Project) -> list[str]:
    """One line for each difference between the languages, and for each section that differs from the lock."""
    try:
        book = _read(project)
        return differences(project, book) + [
            _problem(section) for section in _sections(project, book) if section.changed
        ]
    except CookbookError as error:
        return [str(error)]


def record(project: Project) -> list[str]:
    """Write to the lock each section that is new, removed or changed in both languages; return their names.

    Raises CookbookError, and writes nothing, when the pages differ or a section changed in one language only.
    """
    book = _read(project)
    sections = _sections(project, book)
    refused = differences(project, book) + [_problem(section) for section in sections if len(section.changed) == 1]
    if refused:
        raise CookbookError(f"{refused[0]}{f' (and {len(refused) - 1} more)' if refused[1:] else ''}")
    _write_lock(project, {section.key: section.now for section in sections if section.now})
    return [section.key for section in sections if section.changed]


def accept(project: Project, name: str) -> None:
    """Write one section to the lock as it is now in both languages.

    *name* is the file and the section's id, ``docs/fr/start/install.md#behaviour``, in either language.
    Raises CookbookError unless both have it.
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


def _sections(project: Project, book: Book) -> list[_Section]:
    """Every section that both languages have, or that only the lock has.

    A section in a single language is a difference of structure instead.
    """
    lock = _read_lock(project)
    now: dict[tuple[str, str], dict[str, tuple[int, str]]] = {}
    for path, versions in book.items():
        for language, page in versions.items():
            for section_id, section in markup.sections(page).items():
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
        f"or accept it as it is with {ACCEPT} {where}#{section.id}"
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
    """Write one line for each section, for fewer merge conflicts."""
    lines = [f"  {json.dumps(key)}: {json.dumps(sections[key], sort_keys=True)}" for key in sorted(sections)]
    text = "{\n" + ",\n".join(lines) + "\n}\n" if lines else "{}\n"
    write_whole(project.root / LOCK, text)
