"""Counts what each recipe rests on: blocks, lines shown and proven, claims, versions; for a page, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from cookbook.checks import numbers
from cookbook.evidence import records
from cookbook.mutation import verdicts
from cookbook.mutation.changes import read_change
from cookbook.mutation.verdicts import Verdict
from cookbook.project import COMPOSE_FILE, LANGUAGES, Project
from cookbook.render import proofs
from cookbook.render.fragments import gap, inline, recorded_table
from cookbook.render.words import WORDS
from cookbook.snapshot import once
from cookbook.sources import pages, shown_lines, snippets

JSON = "how-we-know.json"
COUNTS = ("blocks", "lines", "testable", "proven", "proofs", "claims", "numbers", "defaults")
STACK_LINES = "lines"  # the record of the run that removed each line of the Compose file: a row for each
CUT = "…"  # what such a row ends with when its line is longer


@dataclass(frozen=True)
class Account:
    """One recipe in numbers. Of its lines shown, *testable* are those with a mutant, *proven* those that fresh verdicts
    or a run on the stack prove. Of its proofs, *second_tries* failed beside others and passed alone."""

    recipe: str
    page: str
    blocks: int
    lines: int
    testable: int
    proven: int
    proofs: int
    second_tries: int
    claims: int
    numbers: int
    defaults: int
    versions: list[str]
    date: str


@once
def accounts(project: Project) -> list[Account]:
    """The account of each recipe that has a page, in the order of the pages."""
    files = shown_lines.shown_files(project)
    found = []
    for file in project.pages(LANGUAGES[0]):
        page = pages.read(file, project.relative(file))
        recipe = str(page.meta.get("recipe", ""))
        if not recipe:
            continue
        own = {path: each for path, each in files.items() if each.recipes[0] == recipe}
        testable, proven = _lines(project, recipe, own)
        runs = records.load(project, recipe)
        passed = [proof for run in runs for proof in run.tests if proof.outcome == "passed"]
        count = numbers.count(page, LANGUAGES[0])
        found.append(
            Account(
                recipe=recipe,
                page=file.relative_to(project.docs / LANGUAGES[0]).with_suffix("").as_posix(),
                blocks=sum(call.name in ("code", "transcript") for call in page.calls),
                lines=sum(len(each.lines) for each in own.values()),
                testable=len(testable),
                proven=len(proven),
                proofs=len({proof.name for proof in passed}),
                second_tries=len({proof.name for proof in passed if proof.tries > 1}),
                claims=count.claims,
                numbers=count.numbers,
                defaults=count.defaults,
                versions=proofs.chips(runs),
                date=max((run.date for run in runs), default=""),
            )
        )
    return found


def table(project: Project, language: str, link_to: Callable[[str], str]) -> str:
    """The accounts as HTML: a row for each recipe, their total, and how many proofs needed a second try. *link_to*
    gives the address of a recipe's page."""
    words = WORDS[language]
    found = accounts(project)
    rows = [
        [
            f'<a class="unbroken" href="{link_to(each.recipe)}">{each.recipe}</a>',
            *(str(getattr(each, key)) for key in COUNTS),
            *(f'<span class="unbroken">{escape(text)}</span>' for text in (each.date[:10], ", ".join(each.versions))),
        ]
        for each in found
    ]
    totals = [words["total"], *(str(sum(getattr(each, key) for each in found)) for key in COUNTS)]
    rows.append([*(f"<strong>{cell}</strong>" for cell in totals), "", ""])
    columns = [words[f"account {key}"] for key in ("recipe", *COUNTS, "date", "versions")]
    again = words["second tries"].format(count=sum(each.second_tries for each in found))
    return f"{recorded_table(columns, rows)}<p>{inline(again)}</p>"


def survivors(project: Project, language: str) -> str:
    """The changes that no proof detects, as a list: first those that nothing explains, then the untestable lines."""
    items = [
        f"<li><code>{escape(each.file)}:{each.line}</code> {_change(each.change, language)}</li>"
        for each in _unexplained(project)
    ]
    for entry in verdicts.untestable(project):
        line = f"<code>{escape(entry.file)}</code> <code>{escape(entry.text)}</code>"
        change = f" ({_change(entry.change, language)})" if entry.change else ""
        items.append(f"<li>{line}{change} — {inline(entry.reason[language])}</li>")
    return f"<ul>{''.join(items)}</ul>" if items else f"<p>{WORDS[language]['no survivors']}</p>"


def unproven(project: Project, language: str, path: str, *symbols: str) -> str:
    """The notes below a block of code() that shows untestable lines; empty when it shows none."""
    file = snippets.from_root(path)
    stated = [each for each in verdicts.untestable(project) if each.file == file and not each.change]
    if not stated:
        return ""
    lines = (project.root / file).read_text(encoding="utf-8").split("\n")
    texts = {lines[number - 1].strip() for number in snippets.line_numbers(project, path, *symbols)}
    mark = gap(WORDS[language]["not proven"])
    return "".join(
        f'<p class="unproven">{mark} <code>{escape(each.text)}</code> {inline(each.reason[language])}</p>'
        for each in stated
        if each.text in texts
    )


def write(project: Project, file: Path) -> None:
    """Write the accounts, the survivors and the untestable lines to *file* as JSON, for programs."""
    found = accounts(project)
    data = {
        "recipes": [asdict(each) for each in found],
        "survivors": [
            {"file": each.file, "line": each.line, "text": each.text, "change": each.change}
            for each in _unexplained(project)
        ],
        "untestable": [
            {"file": each.file, "text": each.text, "change": each.change, "reason": each.reason}
            for each in verdicts.untestable(project)
        ],
    }
    file.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _lines(
    project: Project, recipe: str, files: dict[str, shown_lines.ShownFile]
) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """The testable and the proven lines of *files*, which are counted for *recipe*."""
    testable = {(each.file, each.mutant.line) for each in verdicts.planned(project, recipe)}
    proven = testable & verdicts.proven_lines(verdicts.fresh(project, recipe))
    rows = [] if records.problems(project, recipe) else proofs.record(project, recipe, STACK_LINES) or []
    starts = tuple(str(row["line"]).rstrip(CUT) for row in rows)
    if COMPOSE_FILE in files and starts:
        lines = (project.root / COMPOSE_FILE).read_text(encoding="utf-8").split("\n")
        shown = files[COMPOSE_FILE].lines
        removed = {(COMPOSE_FILE, number) for number in shown if lines[number - 1].strip().startswith(starts)}
        testable |= removed
        proven |= removed
    return testable, proven


def _unexplained(project: Project) -> list[Verdict]:
    fresh = (verdict for recipe in project.recipe_names() for verdict in verdicts.fresh(project, recipe))
    return verdicts.unexplained(project, fresh)


def _change(text: str, language: str) -> str:
    """The change of a mutant, which *text* names, as HTML in *language*."""
    change = read_change(text)
    nth = f" ({change.nth})" if change.nth > 1 else ""
    return inline(WORDS[language][f"change {change.kind}"].format(operand=change.operand, new=change.new) + nth)
