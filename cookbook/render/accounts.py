"""What each recipe rests on, counted: blocks, lines shown and proven, claims, versions; for a page, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path

from cookbook.checks import numbers
from cookbook.evidence import records
from cookbook.mutation import verdicts
from cookbook.mutation.verdicts import Verdict
from cookbook.project import COMPOSE_FILE, LANGUAGES, Project
from cookbook.render import proofs
from cookbook.render.words import WORDS
from cookbook.snapshot import once
from cookbook.sources import pages, shown_lines, snippets

JSON = "how-we-know.json"
STACK_LINES = "lines"  # the record of a run that took the Compose file apart line by line, a row for each


@dataclass(frozen=True)
class Account:
    """One recipe in numbers. Of its lines shown, *testable* are those that a mutant changes, *proven* those that fresh
    verdicts or a run on the stack bear out. Of its proofs, *second_tries* failed beside others and passed alone."""

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
    """The accounts as a table, with their total as its last row, and how many proofs needed a second try; *link_to*
    gives the address of a recipe's page."""
    words = WORDS[language]
    found = accounts(project)
    keys = ("blocks", "lines", "testable", "proven", "proofs", "claims", "numbers", "defaults")
    rows = [
        [
            f'<a class="unbroken" href="{link_to(each.recipe)}">{each.recipe}</a>',
            *(str(getattr(each, key)) for key in keys),
            *_run(each),
        ]
        for each in found
    ]
    total = [str(sum(getattr(each, key) for each in found)) for key in keys]
    rows.append([f"<strong>{cell}</strong>" if cell else "" for cell in (words["total"], *total, "", "")])
    columns = [words[f"account {key}"] for key in ("recipe", *keys, "date", "versions")]
    again = words["second tries"].format(count=sum(each.second_tries for each in found))
    return f"{proofs.recorded_table(columns, rows)}<p>{proofs.inline(again)}</p>"


def survivors(project: Project, language: str) -> str:
    """The changes that no proof sees, as a list: those that nothing explains, then the lines said to be untestable."""
    words = WORDS[language]
    items = [  # what nothing explains comes first
        f"<li><code>{escape(each.file)}:{each.line}</code> {_said(each.change, words)}</li>"
        for each in _unexplained(project)
    ]
    for each in verdicts.statements(project):
        line = f"<code>{escape(each.file)}</code> <code>{escape(each.text)}</code>"
        change = f" ({_said(each.change, words)})" if each.change else ""
        items.append(f"<li>{line}{change} — {proofs.inline(each.reason[language])}</li>")
    return f"<ul>{''.join(items)}</ul>" if items else f"<p>{words['no survivors']}</p>"


def unproven(project: Project, language: str, path: str, *symbols: str) -> str:
    """What stands below a block of code() that shows lines said to be untestable; empty without any."""
    file = snippets.from_root(path)
    stated = [each for each in verdicts.statements(project) if each.file == file and not each.change]
    if not stated:
        return ""
    lines = (project.root / file).read_text(encoding="utf-8").split("\n")
    texts = {lines[number - 1].strip() for number in snippets.line_numbers(project, path, *symbols)}
    gap = f'<span class="gap">{WORDS[language]["not proven"]}</span>'
    return "".join(
        f'<p class="unproven">{gap} <code>{escape(each.text)}</code> {proofs.inline(each.reason[language])}</p>'
        for each in stated
        if each.text in texts
    )


def write(project: Project, file: Path) -> None:
    """The same as JSON, for machines."""
    found = accounts(project)
    data = {
        "recipes": [asdict(each) for each in found],
        "survivors": [
            {"file": each.file, "line": each.line, "text": each.text, "change": each.change}
            for each in _unexplained(project)
        ],
        "untestable": [
            {"file": each.file, "text": each.text, "change": each.change, "reason": each.reason}
            for each in verdicts.statements(project)
        ],
    }
    file.write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _lines(
    project: Project, recipe: str, files: dict[str, shown_lines.ShownFile]
) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """The testable and the proven lines of *files*, which are counted for *recipe*."""
    testable = verdicts.testable_lines(project, recipe)
    proven = testable & verdicts.proven_lines(verdicts.fresh(project, recipe))
    rows = [] if records.problems(project, recipe) else proofs.record(project, recipe, STACK_LINES) or []
    told = tuple(str(row["line"]).rstrip("…") for row in rows)
    if COMPOSE_FILE in files and told:
        lines = (project.root / COMPOSE_FILE).read_text(encoding="utf-8").split("\n")
        lines_shown = files[COMPOSE_FILE].lines
        seen = {(COMPOSE_FILE, number) for number in lines_shown if lines[number - 1].strip().startswith(told)}
        testable |= seen
        proven |= seen
    return testable, proven


def _unexplained(project: Project) -> list[Verdict]:
    fresh = (verdict for recipe in project.recipe_names() for verdict in verdicts.fresh(project, recipe))
    return verdicts.unexplained(project, fresh)


def _said(change: str, words: Mapping[str, str]) -> str:
    """A change as the page's language says it."""
    return proofs.inline(change.replace("without `", f"{words['without']} `", 1).replace("` is `", "` → `", 1))


def _run(account: Account) -> Iterator[str]:
    """The day of the last run of a recipe, and what it ran on, each on one line: that of the row."""
    for text in (account.date[:10], ", ".join(account.versions)):
        yield f'<span class="unbroken">{escape(text)}</span>'
