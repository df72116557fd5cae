"""On which versions proofs passed, for readers: in a few words for one proof, and as tables."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from html import escape
from importlib.metadata import version
from itertools import groupby

from cookbook.evidence import environments, matrix, records
from cookbook.evidence.columns import Column, columns, parse
from cookbook.evidence.matrix import Cell
from cookbook.evidence.records import Evidence
from cookbook.project import Project
from cookbook.render.fragments import gap
from cookbook.render.words import WORDS

NOTHING = "—"
Table = tuple[list[str], list[list[str]]]
"""The headings of a table as text, and its rows, whose cells are HTML."""


def minor(number: str) -> str:
    """The release that a version belongs to: "5.7.0" to "5.7"."""
    return ".".join(number.split(".")[:2])


@cache
def newest() -> str:
    """The release of Celery that is installed here, on which ordinary runs are."""
    return minor(version("celery"))


def of_proof(project: Project, recipe: str, name: str, language: str) -> str:
    """ "passes on Celery 5.3–5.7; Redis 6.2, 7.0, 8; Valkey 8, 9; from 5.3": where the proof *name* passed, in ordinary
    runs and in the matrix; empty when the matrix has nothing about this proof."""
    ended = [cell for cell in _all_cells(project, recipe) if name in cell.outcomes]
    if not ended:
        return ""
    words = WORDS[language]
    parts = _where(project, recipe, {name})
    stated = {cell.reasons[name] for cell in ended if cell.outcomes[name] == "stated"}
    parts += [words["stated"].format(reason=release) for release in sorted(stated)]
    return words["passes"].format(versions=words["semicolon"].join(parts)) if parts else ""


def of_recipe(project: Project, recipe: str) -> list[str]:
    """["Celery 5.2–5.7", "Redis 6.2, 7.0, 8", "Valkey 8, 9"]: where any proof of *recipe* passed; empty for nowhere."""
    return _where(project, recipe, set(records.written(project, recipe)))


def _where(project: Project, recipe: str, names: set[str]) -> list[str]:
    """Where any of the proofs *names* passed, in ordinary runs and in the matrix: Celery, then each server."""
    passed = [
        run.versions
        for run in records.load(project, recipe)
        if any(proof.name in names and proof.outcome in records.PROVEN for proof in run.tests)
    ]
    passed += [
        cell.versions
        for cell in _all_cells(project, recipe)
        if any(cell.outcomes.get(name) in records.PROVEN for name in names)
    ]
    celery = _ranges(project, {minor(each["celery"]) for each in passed})
    return [*([f"Celery {celery}"] if celery else []), *_servers(passed)]


def gaps_of_proof(project: Project, recipe: str, name: str, language: str) -> list[str]:
    """ "not proven on Celery 5.2–5.6: why" for each reason for which the matrix skipped the proof *name*."""
    gaps: dict[str, list[Column]] = defaultdict(list)
    for cell in _all_cells(project, recipe):
        if cell.outcomes.get(name) == "skipped":
            gaps[cell.reasons[name]].append(parse(project, cell.column))
    lines = []
    for reason, skipped in gaps.items():
        older = {column.celery for column in skipped if column.celery}
        where = [f"Celery {_ranges(project, older)}"] if older else []
        where += [_title(column.server) for column in skipped if not column.celery]
        lines.append(WORDS[language]["gap there"].format(versions=", ".join(where), reason=reason))
    return lines


def matrix_table(project: Project, titles: Mapping[str, str], language: str) -> Table:
    """The whole matrix: a row for each recipe, a column for each version, the ordinary runs among them.

    *titles* maps each recipe to the HTML that names it, which is the first cell of its row; the cells are HTML too.
    """
    words = WORDS[language]
    which = columns(project)
    older = [column for column in which if column.celery]
    others = [column for column in which if not column.celery]
    runs = {recipe: _fresh(project, recipe) for recipe in titles}
    ordinary = sorted({label for each in runs.values() for run in each if (label := _ordinary(run))}) or [
        Column().label(newest())
    ]
    rows = []
    for recipe, title in titles.items():
        found = matrix.load(project, recipe, which)
        row = [_cell_html(found.get(column), words) for column in older]
        row += [_run_html(runs[recipe], label, words) for label in ordinary]
        row += [_cell_html(found.get(column), words) for column in others]
        rows.append([title, *row])
    before, after = ([column.label(newest()) for column in part] for part in (older, others))
    return [words["recipe"], *before, *ordinary, *after], rows


def since_table(project: Project, titles: Mapping[str, str], language: str) -> Table:
    """From which release of Celery each recipe passes as a whole, and what of it passes only later or was not run.

    The cells are HTML; *titles* maps each recipe to that of its first cell.
    """
    words = WORDS[language]
    older = [column for column in columns(project) if column.celery]
    rows = []
    for recipe, title in titles.items():
        found = matrix.load(project, recipe, older)
        passed = {
            proof.name for run in _fresh(project, recipe) for proof in run.tests if proof.outcome in records.PROVEN
        }
        passed -= records.on_several(project, recipe)  # they are in no cell
        here = len(passed - {name for each in found.values() for name in each.outcomes}) if found else 0
        stated, gaps = _later(found.values(), passed)
        later = [words["stated count"].format(count=number, release=each) for each, number in sorted(stated.items())]
        later += [words["gap count"].format(count=gaps)] if gaps else []
        later += [words["here count"].format(count=here, release=newest())] if here else []
        missing = {column.celery for column in older if column not in found}
        later += [words["not run there"].format(releases=_ranges(project, missing))] if missing else []
        rows.append([title, _whole_since(older, found, passed), escape(words["semicolon"].join(later)) or NOTHING])
    return [words["recipe"], words["whole since"], words["later"]], rows


def later_table(
    project: Project, titles: Mapping[str, str], sentence: Callable[[str, str], str], language: str
) -> Table:
    """The proofs that fail on older releases of Celery as stated: the release from which they pass, their recipe, and
    their sentences; oldest release first.

    The cells are HTML: *titles* maps each recipe to that of its name, *sentence* makes it from a recipe and a proof.
    """
    words = WORDS[language]
    older = [column for column in columns(project) if column.celery]
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for recipe, title in titles.items():
        for name, release in _stated(matrix.load(project, recipe, older).values()).items():
            found[release, title].append(sentence(recipe, name))
    rows = [[*key, "<br>".join(sentences)] for key, sentences in sorted(found.items(), key=lambda item: item[0][0])]
    return [words["since"], words["recipe"], words["what holds"]], rows


def _all_cells(project: Project, recipe: str) -> Iterable[Cell]:
    return matrix.load(project, recipe, columns(project)).values()


def _stated(found: Iterable[Cell]) -> dict[str, str]:
    """The proofs that fail as stated in the cells *found*, and the release from which each passes."""
    return {name: cell.reasons[name] for cell in found for name in cell.outcomes if cell.outcomes[name] == "stated"}


def _whole_since(older: list[Column], found: Mapping[Column, Cell], passed: set[str]) -> str:
    """The oldest release from which on all that *passed* here passes on each release up to the newest."""
    since = newest()
    for column in reversed(older):
        cell = found.get(column)
        if cell is None or any(cell.outcomes.get(name) not in records.PROVEN for name in passed):
            break
        since = column.celery
    return since


def _later(found: Iterable[Cell], passed: set[str]) -> tuple[Counter[str], int]:
    """How many proofs pass from which later release; how many that *passed* here were skipped on an older one."""
    cells_found = list(found)
    gaps = {name for cell in cells_found for name, outcome in cell.outcomes.items() if outcome == "skipped"} & passed
    return Counter(_stated(cells_found).values()), len(gaps)


def _cell_html(cell: Cell | None, words: Mapping[str, str]) -> str:
    """How a cell ended, in words that need no color, each count on its own line; a gap for what was not run."""
    if cell is None:
        return gap(words["not run"])
    if not cell.outcomes:
        return NOTHING
    stated = Counter(cell.reasons[name] for name, outcome in cell.outcomes.items() if outcome == "stated")
    counts = [f"{cell.count(*records.PROVEN)} ✓"] if cell.count(*records.PROVEN) else []
    counts += [words["later count"].format(count=number, release=each) for each, number in sorted(stated.items())]
    counts += [words["gap count"].format(count=cell.count("skipped"))] if cell.count("skipped") else []
    counts += [words["failed count"].format(count=cell.count("failed"))] if cell.count("failed") else []
    return "<br>".join(map(escape, counts))


def _run_html(runs: list[Evidence], label: str, words: Mapping[str, str]) -> str:
    """How the ordinary runs with this *label* ended, as their cell of the matrix."""
    run = next((run for run in runs if _ordinary(run) in (label, "")), None)
    if run is None:
        return _cell_html(None, words)
    outcomes = {proof.name: proof.outcome for proof in run.tests}
    return _cell_html(Cell("", run.recipe, run.date, run.versions, "", outcomes=outcomes), words)


def _fresh(project: Project, recipe: str) -> list[Evidence]:
    """The ordinary runs of *recipe* that are about the files as they are."""
    now = records.digests(project, recipe)
    return [run for run in records.load(project, recipe) if run.files == now]


def _ordinary(run: Evidence) -> str:
    """ "Celery 5.7, Valkey 8" for an ordinary run; empty when it had no server."""
    server = _short(run.versions.get("server", ""))
    return f"Celery {minor(run.versions['celery'])}, {server}" if server else ""


def _title(server: str) -> str:
    """ "redis-7.0" to "Redis 7.0"."""
    return server.replace("-", " ").title()


def _ranges(project: Project, releases: set[str]) -> str:
    """ "5.2, 5.4–5.7": consecutive releases as a range."""
    known = list(dict.fromkeys([*environments.releases(project), newest()]))
    ranges = []
    for is_among, group in groupby(known, releases.__contains__):
        if is_among:
            first, *others = group
            ranges.append(f"{first}–{others[-1]}" if others else first)
    return ", ".join(ranges)


def _servers(versions: Iterable[Mapping[str, str]]) -> list[str]:
    """ "Redis 6.2, 7.0, 8" and "Valkey 8, 9": the releases of each server, in order."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in versions:
        name, _, number = _short(each.get("server", "")).partition(" ")
        if number:
            found[name].add(number)
    return [f"{name} {', '.join(sorted(numbers, key=float))}" for name, numbers in sorted(found.items())]


@cache
def _short(server: str) -> str:
    """ "Redis 7.0.15" to "Redis 7.0", "Valkey 8.1.8" to "Valkey 8": the release series that its project maintains."""
    match = re.match(r"(\w+) (\d+)\.(\d+)", server)
    if not match:
        return ""
    name, major, second = match.groups()
    return f"{name} {major}" if int(major) >= 8 else f"{name} {major}.{second}"
