"""A feed of the changes in behavior between releases, from the runs that compared them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from itertools import pairwise

from cookbook.evidence import records
from cookbook.project import Project, language_folder
from cookbook.render.fragments import value_text
from cookbook.render.words import WORDS
from cookbook.site import templates
from cookbook.sources import markup, pages

MINOR = re.compile(r"\d+\.\d+")
WHAT = "line"  # in a row that compares releases, the key of what it compares


@dataclass(frozen=True)
class Change:
    """One change from a release to the next, as a run recorded it and a page shows it."""

    guid: str
    what: str
    about: str
    release: str
    before: object
    after: object
    date: str
    place: str


def changes(project: Project, language: str) -> list[Change]:
    """Every change that a table of the pages in *language* shows, the newest release first.

    A record compares releases when its rows have a value for each of them: ``{"line": …, "5.6": 4, "5.7": 9}``. The
    date is that of the run, because the record has no date of release.
    """
    found: list[Change] = []
    for file in project.pages(language):
        page = pages.read(file, project.relative(file))
        for call in page.calls:
            if call.name == "table":
                above = [heading.id for heading in markup.headings(page) if heading.line < call.line and heading.id]
                place = f"{pages.address(project, file)}#{above[-1]}"
                recipe, record = call.args
                found += _changes(project, recipe, record, str(call.kwargs.get("caption", "")), place)
    unique = {change.guid: change for change in found}  # one place, where several show it
    return sorted(unique.values(), key=lambda change: _number(change.release), reverse=True)


def feed(project: Project, language: str, name: str, address: str) -> str:
    """The changes as RSS 2.0 in one language, of the site called *name* at *address*."""
    words = WORDS[language]
    return templates.rendered(
        "feed.xml.jinja",
        words=words,
        language=language,
        name=name,
        address=address,
        root=address + language_folder(language),
        changes=changes(project, language),
        rfc_date=lambda date: format_datetime(datetime.datetime.fromisoformat(date)),
        text=lambda value: value if isinstance(value, str) else value_text(value, language),
    )


def _changes(project: Project, recipe: str, record: str, about: str, place: str) -> Iterator[Change]:
    run = next((run for run in records.load(project, recipe) if record in run.records), None)
    for row in run.records[record] if run else []:
        releases = sorted(filter(MINOR.fullmatch, row), key=_number)
        if run and releases and run.versions["celery"].startswith(f"{releases[-1]}."):
            for older, release in pairwise(releases):
                if row[older] != row[release]:
                    what = str(row[WHAT])
                    guid = f"{recipe}/{record}/{release}/{what}"
                    yield Change(guid, what, about, release, row[older], row[release], run.date, place)


def _number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))
