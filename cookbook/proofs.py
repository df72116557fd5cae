"""The evidence as a page shows it: marks, chips, the list of proofs, the table of versions."""

from __future__ import annotations

import ast
import datetime
import re
import textwrap
from dataclasses import dataclass
from html import escape
from typing import Any

from babel.dates import format_date

from cookbook import evidence, holds
from cookbook.cells import Cell
from cookbook.evidence import WORST_FIRST, Evidence, Proof
from cookbook.project import LANGUAGES, CookbookError, Project
from cookbook.words import WORDS

CHIPS = ("celery", "server", "django", "python")
NAMES = {"celery": "Celery", "django": "Django", "python": "Python", "kombu": "kombu", "redis-py": "redis-py"}


@dataclass(frozen=True)
class Claim:
    """What stands behind a claim: the sentence of its test, and its runs, or the gap in each language."""

    sentence: dict[str, str]
    runs: list[tuple[Evidence, Proof]]
    gap: dict[str, str]
    holds: dict[str, str]

    @property
    def is_stated(self) -> bool:
        """Whether the gap is one that a run stated, with its reason: a skip, or a known defect; never a failure."""
        return bool(self.runs) and all(proof.outcome in ("skipped", "xfailed") for _, proof in self.runs)

    def summary(self, language: str) -> str:
        """ "Celery 5.7.0, Valkey 8.1.8, 22 November 2026, 1.6 s" for each run, and what the matrix says."""
        runs = "; ".join(
            f"{_versions(run)}, {_date(run, language)}, {_seconds(proof, language)}" for run, proof in self.runs
        )
        return f"{runs} — {self.holds[language]}" if self.holds[language] else runs


def find(project: Project, recipe: str, name: str) -> Claim:
    """The claim that the test *name* of *recipe* backs; CookbookError when there is no such test."""
    module = evidence.proof_module(project, recipe)
    if not module.exists():
        raise CookbookError(f"tests/recipes/test_{recipe}.py: no such proofs: is {recipe!r} a recipe?")
    if name not in _sources(module.read_text(encoding="utf-8")):
        raise CookbookError(f"{project.relative(module)}: no test {name!r}: rename the call or write the proof")
    runs = [(run, proof) for run in evidence.load(project, recipe) if (proof := run.proof(name))]
    gap = {language: _gap(project, recipe, runs, language) for language in LANGUAGES}
    cells = holds.all_cells(project, recipe)
    versions = {language: _holds(project, cells, name, runs, language) for language in LANGUAGES}
    return Claim(runs[0][1].sentence if runs else {}, runs, gap if gap["en"] else {}, versions)


def ran(project: Project, recipe: str, transcript: str) -> bool:
    """Whether a proof of the last run executed *transcript*, and its bytes are still the same."""
    runs = evidence.load(project, recipe)
    now = evidence.digests(project, recipe).get(transcript)
    return any(transcript in run.transcripts and run.files.get(transcript) == now for run in runs)


def record(project: Project, recipe: str, name: str) -> Any:
    """What a test of the last run recorded under *name*; None when no run did."""
    return next((run.records[name] for run in evidence.load(project, recipe) if name in run.records), None)


def skipped_some(project: Project, recipe: str) -> bool:
    """Whether a run of *recipe* left out proofs, and said why: what they would have recorded is then a stated gap."""
    return any(proof.outcome == "skipped" for run in evidence.load(project, recipe) for proof in run.tests)


def verified(project: Project, recipe: str, language: str, root: str) -> str:
    """The line under the title: date, versions, download."""
    words = WORDS[language]
    runs = evidence.load(project, recipe)
    if not runs:
        return f'<p class="verified"><span class="gap">{words["not run"]}</span></p>'
    stale = bool(evidence.problems(project, recipe))
    chips = "\n".join(f'<span class="chip">{escape(chip)}</span>' for chip in _chips(runs))
    date = _time(max(runs, key=lambda run: run.date), language)
    mark = f'<span class="gap">{words["stale"]}</span>' if stale else ""
    bundle = f'<a class="bundle" href="{root}bundles/{recipe}.zip" download>{words["download"]}</a>'
    return f'<p class="verified">{date}{mark}{chips}{bundle}</p>'


def section(project: Project, recipe: str, language: str) -> str:
    """The end of a page: each proof with its sentence, its runs, and the test itself."""
    words = WORDS[language]
    runs = evidence.load(project, recipe)
    cells = holds.all_cells(project, recipe)
    module = evidence.proof_module(project, recipe)
    sources = _sources(module.read_text(encoding="utf-8"))
    items = []
    for name, source in sources.items():
        marks = [(run, proof) for run in runs if (proof := run.proof(name))]
        sentence = marks[0][1].sentence[language] if marks else name
        ended = [_outcome(run, proof, language) for run, proof in marks] or [
            f'<span class="gap">{words["not run"]}</span>'
        ]
        versions = _holds(project, cells, name, marks, language)
        ended += [escape(versions)] if versions else []
        if any(proof.outcome in holds.HELD for _, proof in marks):  # else its gap is told already
            ended += [
                f'<span class="gap">{escape(gap)}</span>' for gap in holds.gaps_of_proof(project, cells, name, language)
            ]
        items.append(
            f'<li id="proof-{name}"><p>{_inline(sentence)} <small>{"; ".join(ended)}</small></p>'
            f"<details><summary>{words['source']} <code>{name}</code></summary>"
            f'<pre class="proof-source"><code>{escape(source)}</code></pre></details></li>'
        )
    return f'<section class="proofs"><ol>{"".join(items)}</ol></section>'


def compat_table(project: Project, recipe: str, language: str) -> str:
    """One row for each run of *recipe*, and for each column of the matrix; empty when it never ran."""
    words = WORDS[language]
    runs = evidence.load(project, recipe)
    if not runs:
        return ""
    rows = []
    for run in runs:
        passed = sum(proof.outcome in ("passed", "xfailed") for proof in run.tests)
        rows.append([*(escape(run.versions[key]) for key in CHIPS), run.backend, f"{passed}/{len(run.tests)}"])
    rows += holds.compat_rows(project, recipe, language)
    return recorded_table(["Celery", words["server"], "Django", "Python", words["stack"], words["result"]], rows)


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
    """One line over all recipes: how many proofs passed, in how many recipes, on what, when; empty without a run."""
    runs = [run for recipe in project.recipe_names() for run in evidence.load(project, recipe)]
    if not runs:
        return ""
    passed = sum(proof.outcome == "passed" for run in runs for proof in run.tests)
    text = WORDS[language]["tally"].format(proofs=passed, recipes=len({run.recipe for run in runs}))
    chips = "\n".join(f'<span class="chip">{escape(chip)}</span>' for chip in _chips(runs))
    newest = max(runs, key=lambda run: run.date)
    return f'<p class="verified"><strong>{text}</strong>{_time(newest, language)}{chips}</p>'


def _chips(runs: list[Evidence]) -> list[str]:
    """The versions of *runs*, each once, in the order of CHIPS."""
    return list(dict.fromkeys(chip for key in CHIPS for run in runs if (chip := _chip(run, key))))


def _time(run: Evidence, language: str) -> str:
    words = WORDS[language]["verified"].format(date=_date(run, language))
    return f'<time datetime="{run.date}">{words}</time>'


def _gap(project: Project, recipe: str, runs: list[tuple[Evidence, Proof]], language: str) -> str:
    words = WORDS[language]
    if not runs:
        return words["not run"]
    outcomes = {proof.outcome: proof.reason for _, proof in reversed(runs)}
    if "failed" in outcomes or "passed" not in outcomes:  # skipped on one backend and passed on another is proven
        worst = min(outcomes, key=WORST_FIRST.index)
        return words[worst].format(reason=outcomes[worst])
    return words["stale"] if evidence.problems(project, recipe) else ""


def _holds(project: Project, cells: list[Cell], name: str, runs: list[tuple[Evidence, Proof]], language: str) -> str:
    passed = [run for run, proof in runs if proof.outcome in holds.HELD]
    return holds.of_proof(project, cells, name, passed, language)


def _outcome(run: Evidence, proof: Proof, language: str) -> str:
    text = WORDS[language][proof.outcome].format(reason=proof.reason)
    mark = {"passed": '<span class="proof">✓</span>'}.get(proof.outcome, f'<span class="gap">{escape(text)}</span>')
    return f"{mark} {escape(_versions(run))}, {_seconds(proof, language)}"


def _sources(module: str) -> dict[str, str]:
    """The source of each test function of a module, by name, in order."""
    lines = module.splitlines()
    found = {}
    for node in ast.parse(module).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[node.name] = textwrap.dedent("\n".join(lines[start - 1 : node.end_lineno]))
    return found


def _inline(sentence: str) -> str:
    """A sentence as HTML, its `code` as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(sentence, quote=False))


def _chip(run: Evidence, key: str) -> str:
    return f"{NAMES[key]} {run.versions[key]}" if key in NAMES else run.versions[key]


def _versions(run: Evidence) -> str:
    return ", ".join(chip for key in ("celery", "server") if (chip := _chip(run, key)))


def _date(run: Evidence, language: str) -> str:
    return format_date(datetime.datetime.fromisoformat(run.date), "long", locale=language)


def _seconds(proof: Proof, language: str) -> str:
    number = f"{proof.seconds:.1f}".replace(".", "," if language == "fr" else ".")
    return f"{number}\u00a0s"
