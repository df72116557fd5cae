"""The evidence as a page shows it: marks, chips, the list of proofs, the table of versions."""

from __future__ import annotations

import ast
import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from babel.dates import format_date

from cookbook.evidence import records
from cookbook.evidence.matrix import Cell
from cookbook.evidence.records import WORST_FIRST, Evidence, Proof
from cookbook.project import LANGUAGES, CookbookError, Project
from cookbook.render import versions
from cookbook.render.markdown import NOT_SEARCHED, typeset
from cookbook.render.words import WORDS
from cookbook.snapshot import once

CHIPS = ("celery", "server", "django", "python")
NAMES = {"celery": "Celery", "django": "Django", "python": "Python", "kombu": "kombu", "redis-py": "redis-py"}


@dataclass(frozen=True)
class Claim:
    """What stands behind a claim: the sentence of its test as it is now, and its runs, or the gap in each language."""

    sentence: Mapping[str, str]
    runs: list[tuple[Evidence, Proof]]
    gap: dict[str, str]
    holds: dict[str, str]

    @property
    def is_stated(self) -> bool:
        """Whether the gap is one that a run stated, with its reason: a skip, or a known defect; never a failure."""
        return bool(self.runs) and all(proof.outcome in ("skipped", "xfailed") for _, proof in self.runs)

    def summary(self, language: str) -> str:
        """ "Celery 5.7.0, Valkey 8.1.8, 22 November 2026, 1.6 s" for each run, and what the matrix says."""
        runs = WORDS[language]["semicolon"].join(
            f"{_versions(run)}, {_date(run.date, language)}, {_seconds(proof, language)}" for run, proof in self.runs
        )
        return f"{runs} — {self.holds[language]}" if self.holds[language] else runs


@once
def find(project: Project, recipe: str, name: str) -> Claim:
    """The claim that the test *name* of *recipe* backs; CookbookError when there is no such test."""
    module = records.proof_module(project, recipe)
    if not module.exists():
        raise CookbookError(f"tests/recipes/test_{recipe}.py: no such proofs: is {recipe!r} a recipe?")
    test = records.written(project, recipe).get(name)
    if test is None:
        raise CookbookError(f"{project.relative(module)}: no test {name!r}: rename the call or write the proof")
    runs = [(run, proof) for run in records.load(project, recipe) if (proof := run.proof(name))]
    word, reason = _gap(project, recipe, runs)
    gap = {language: WORDS[language][word].format(reason=reason) for language in LANGUAGES} if word else {}
    cells = versions.all_cells(project, recipe)
    on_versions = {language: _holds(project, cells, name, runs, language) for language in LANGUAGES}
    return Claim(test.sentence, runs, gap, on_versions)


def ran(project: Project, recipe: str, transcript: str) -> bool:
    """Whether a proof of the last run executed *transcript*, and its bytes are still the same."""
    runs = records.load(project, recipe)
    now = records.digests(project, recipe).get(transcript)
    return any(transcript in run.transcripts and run.files.get(transcript) == now for run in runs)


def record(project: Project, recipe: str, name: str) -> Any:
    """What a test of the last run recorded under *name*; None when no run did."""
    return next((run.records[name] for run in records.load(project, recipe) if name in run.records), None)


def skipped(project: Project, recipe: str, name: str) -> bool:
    """Whether a run of *recipe* left out a proof whose source names *name*, and said why: what is missing is stated."""
    left_out = {
        proof.name for run in records.load(project, recipe) for proof in run.tests if proof.outcome == "skipped"
    }
    tests = records.written(project, recipe).items()
    return any(f'"{name}"' in test.source for each, test in tests if each in left_out)


def verified(project: Project, recipe: str, language: str, root: str) -> str:
    """The line under the title: date, versions, download."""
    words = WORDS[language]
    runs = records.load(project, recipe)
    if not runs:
        return f'<p class="verified"><span class="gap">{words["not run"]}</span></p>'
    stale = bool(records.problems(project, recipe))
    shown = "\n".join(f'<span class="chip">{escape(chip)}</span>' for chip in chips(runs))
    mark = f'<span class="gap">{words["stale"]}</span>' if stale else ""
    bundle = f'<a class="bundle" href="{root}bundles/{recipe}.zip" download>{words["download"]}</a>'
    return f'<p class="verified">{_time(runs, language)}{mark}{shown}{bundle}</p>'


def section(project: Project, recipe: str, language: str, repository: str = "") -> str:
    """The end of a page: each proof with its sentence, its runs, and the test itself.

    *repository* is where a reader finds the project's files, if they have an address: each proof then links to its own.
    """
    words = WORDS[language]
    runs = records.load(project, recipe)
    cells = versions.all_cells(project, recipe)
    module = project.relative(records.proof_module(project, recipe))
    items = []
    for name, test in records.written(project, recipe).items():
        marks = [(run, proof) for run in runs if (proof := run.proof(name))]
        sentence, source = test.sentence.get(language, name), escape(_without_docstring(test.source))
        ended = [_outcome(run, proof, language) for run, proof in marks] or [
            f'<span class="gap">{words["not run"]}</span>'
        ]
        on_versions = _holds(project, cells, name, marks, language)
        ended += [escape(on_versions)] if on_versions else []
        if any(proof.outcome in versions.HELD for _, proof in marks):  # else its gap is told already
            ended += [
                f'<span class="gap">{escape(gap)}</span>'
                for gap in versions.gaps_of_proof(project, cells, name, language)
            ]
        items.append(
            f'<li id="proof-{name}"><p>{inline(sentence)} <small>{words["semicolon"].join(ended)}</small></p>'
            f"<details {NOT_SEARCHED}><summary>{words['source']} <code>{name}</code></summary>"
            f'<pre class="proof-source" tabindex="0"><code>{source}</code></pre></details>'
            f"{_link_to_source(repository, module, test.line)}</li>"
        )
    return f'<section class="proofs"><ol>{"".join(items)}</ol></section>'


def compat_table(project: Project, recipe: str, language: str) -> str:
    """One row for each run of *recipe*, and for each column of the matrix; empty when it never ran."""
    words = WORDS[language]
    rows = []
    for run in records.load(project, recipe):
        passed = sum(proof.outcome in versions.HELD for proof in run.tests)
        rows.append([*(run.versions[key] for key in CHIPS), run.backend, f"{passed}/{len(run.tests)}"])
    if not rows:
        return ""
    rows += versions.compat_rows(project, recipe, language)
    columns = ["Celery", words["server"], "Django", "Python", words["stack"], words["result"]]
    return recorded_table(columns, [[versions.cell(text, language) for text in row] for row in rows])


def recorded_table(columns: list[str], rows: list[list[str]], caption: str = "", *, named: bool = False) -> str:
    """A table of what a run left; cells are HTML, and stand on lines of their own so that search keeps them apart. When
    the rows are *named*, the first cell of each is its name."""
    name = '<th scope="row">{}</th>' if named else "<td>{}</td>"
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = "\n".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "\n".join(
        "<tr>" + "\n".join([name.format(row[0]), *(f"<td>{cell}</td>" for cell in row[1:])]) + "</tr>" for row in rows
    )
    # A wide table scrolls on a narrow screen: with the keyboard it does so only when it can have the focus.
    return (
        f'<table class="recorded" tabindex="0">{title}<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>'
    )


def tally(project: Project, language: str) -> str:
    """One line over all recipes: how many proofs passed, in how many recipes, on what, when; empty without a run.

    A proof that passed on both stacks counts once.
    """
    runs = [run for recipe in project.recipe_names() for run in records.load(project, recipe)]
    if not runs:
        return ""
    passed = {(run.recipe, proof.name) for run in runs for proof in run.tests if proof.outcome == "passed"}
    text = WORDS[language]["tally"].format(proofs=len(passed), recipes=len({run.recipe for run in runs}))
    shown = "\n".join(f'<span class="chip">{escape(chip)}</span>' for chip in chips(runs))
    return f'<p class="verified"><strong>{text}</strong>{_time(runs, language)}{shown}</p>'


def chips(runs: list[Evidence]) -> list[str]:
    """The versions of *runs*, each once, in the order of CHIPS."""
    return list(dict.fromkeys(chip for key in CHIPS for run in runs if (chip := _chip(run, key))))


def _time(runs: list[Evidence], language: str) -> str:
    newest = max(run.date for run in runs)
    words = WORDS[language]["verified"].format(date=_date(newest, language))
    return f'<time datetime="{newest}">{words}</time>'


def _gap(project: Project, recipe: str, runs: list[tuple[Evidence, Proof]]) -> tuple[str, str]:
    """What keeps *runs* from being a proof, a key of WORDS, and the reason that they gave; empty when nothing does."""
    if not runs:
        return "not run", ""
    outcomes = {proof.outcome: proof.reason for _, proof in reversed(runs)}
    if "failed" in outcomes or "passed" not in outcomes:  # skipped on one backend and passed on another is proven
        worst = min(outcomes, key=WORST_FIRST.index)
        return worst, outcomes[worst]
    return ("stale" if records.problems(project, recipe) else ""), ""


def ended(run: Evidence, proof: Proof, language: str) -> tuple[str, str]:
    """How a proof ended, in words, and on what and how fast: ``("✓", "Celery 5.7.0, Valkey 8.1.8, 1.6 s")``."""
    told = "✓" if proof.outcome == "passed" else WORDS[language][proof.outcome].format(reason=proof.reason)
    return told, f"{_versions(run)}, {_seconds(proof, language)}"


def shown(value: object, words: Mapping[str, str]) -> str:
    """A value that a test recorded, other than text, as both languages write it."""
    if isinstance(value, bool):
        return words["yes"] if value else words["no"]
    return "—" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _holds(project: Project, cells: list[Cell], name: str, runs: list[tuple[Evidence, Proof]], language: str) -> str:
    passed = [run for run, proof in runs if proof.outcome in versions.HELD]
    return versions.of_proof(project, cells, name, passed, language)


def _outcome(run: Evidence, proof: Proof, language: str) -> str:
    name = "proof" if proof.outcome == "passed" else "gap"
    told, on = ended(run, proof, language)
    return f'<span class="{name}">{escape(told)}</span> {escape(on)}'


def _link_to_source(repository: str, module: str, line: int) -> str:
    """A link to *line* of *module*; empty without a *repository*."""
    if not repository:
        return ""
    return f'<p><a class="source" href="{escape(repository)}{module}#L{line}"><code>{module}:{line}</code></a></p>'


def _without_docstring(source: str) -> str:
    """The source of a test without its docstring, whose sentence stands above it."""
    lines, function = source.splitlines(), ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    if ast.get_docstring(function) is not None and len(function.body) > 1:
        del lines[function.body[0].lineno - 1 : function.body[0].end_lineno]
    return "\n".join(lines)


def inline(sentence: str) -> str:
    """A sentence as HTML, its `code` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(typeset(sentence), quote=False))


def _chip(run: Evidence, key: str) -> str:
    return f"{NAMES[key]} {run.versions[key]}" if key in NAMES else run.versions[key]


def _versions(run: Evidence) -> str:
    return ", ".join(chip for key in ("celery", "server") if (chip := _chip(run, key)))


@cache
def _date(date: str, language: str) -> str:
    """An ISO date as the language writes it."""
    return str(format_date(datetime.datetime.fromisoformat(date), "long", locale=language))


def _seconds(proof: Proof, language: str) -> str:
    number = f"{proof.seconds:.1f}".replace(".", WORDS[language]["decimal"])
    return f"{number}\u00a0s"
