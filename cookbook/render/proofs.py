"""Evidence as a page shows it: the status of a proof, chips, the list of proofs, the table of versions."""

from __future__ import annotations

import ast
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

from babel.dates import format_date

from cookbook.evidence import records
from cookbook.evidence.records import WORST_FIRST, Evidence, Proof
from cookbook.project import LANGUAGES, CookbookError, Project
from cookbook.render import versions
from cookbook.render.fragments import chip_list, gap, inline, recorded_table
from cookbook.render.markdown import NOT_SEARCHED
from cookbook.render.words import WORDS
from cookbook.snapshot import once

CHIPS = ("celery", "server", "django", "python")  # of the versions of a run, those that a page shows
NAMES = {"celery": "Celery", "django": "Django", "python": "Python", "kombu": "kombu", "redis-py": "redis-py"}
MAKERS = ("record", "console")  # fixtures: a test calls them with the name of the record or transcript that it makes


@dataclass(frozen=True)
class ProofStatus:
    """What is known of a proof: its sentence today and its runs; and by language, what is missing (empty when nothing
    is) and on which versions the matrix proved it."""

    sentence: Mapping[str, str]
    runs: list[tuple[Evidence, Proof]]
    gap: dict[str, str]
    versions: dict[str, str]

    @property
    def is_stated(self) -> bool:
        """Whether a run stated the reason of the gap: a skip or a known defect, never a failure."""
        return bool(self.runs) and all(proof.outcome in ("skipped", "xfailed") for _, proof in self.runs)

    def summary(self, language: str) -> str:
        """ "Celery 5.7.0, Valkey 8.1.8, 22 November 2026, 1.6 s" for each run, and what the matrix says."""
        runs = WORDS[language]["semicolon"].join(
            f"{_versions(run)}, {_date(run.date, language)}, {_seconds(proof, language)}" for run, proof in self.runs
        )
        return f"{runs} — {self.versions[language]}" if self.versions[language] else runs


@once
def status(project: Project, recipe: str, name: str) -> ProofStatus:
    """The status of the test *name* of *recipe*; CookbookError when there is no such test."""
    module = records.proof_module(project, recipe)
    if not module.exists():
        raise CookbookError(f"tests/recipes/test_{recipe}.py: no such proofs: is {recipe!r} a recipe?")
    test = records.written(project, recipe).get(name)
    if test is None:
        raise CookbookError(f"{project.relative(module)}: no test {name!r}: rename the call or write the proof")
    runs = _runs_of(records.load(project, recipe), name)
    word, reason = _gap(project, recipe, runs)
    why = {language: WORDS[language][word].format(reason=reason) for language in LANGUAGES} if word else {}
    on_versions = {language: versions.of_proof(project, recipe, name, language) for language in LANGUAGES}
    return ProofStatus(test.sentence, runs, why, on_versions)


def ran(project: Project, recipe: str, transcript: str) -> bool:
    """Whether a proof of the last run executed *transcript*, and its bytes are still the same."""
    runs = records.load(project, recipe)
    now = records.digests(project, recipe).get(transcript)
    return any(transcript in run.transcripts and run.files.get(transcript) == now for run in runs)


def record(project: Project, recipe: str, name: str) -> Any:
    """What a test of the last run recorded under *name*; None when no run did."""
    return next((run.records[name] for run in records.load(project, recipe) if name in run.records), None)


def skipped(project: Project, recipe: str, name: str) -> bool:
    """Whether a run of *recipe* skipped, with its reason, a proof that makes the record or transcript *name*."""
    runs = records.load(project, recipe)
    left_out = {proof.name for run in runs for proof in run.tests if proof.outcome == "skipped"}
    tests = records.written(project, recipe).items()
    return any(_makes(test.source, name) for each, test in tests if each in left_out)


def _makes(source: str, name: str) -> bool:
    """Whether the test in *source* calls one of MAKERS with *name*."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and node.args)
    return any(
        isinstance(call.func, ast.Name)
        and call.func.id in MAKERS
        and isinstance(call.args[0], ast.Constant)
        and call.args[0].value == name
        for call in calls
    )


def verified(project: Project, recipe: str, language: str, root: str) -> str:
    """The line under the title: date, versions, download."""
    words = WORDS[language]
    runs = records.load(project, recipe)
    if not runs:
        return f'<p class="verified">{gap(words["not run"])}</p>'
    mark = gap(words["stale"]) if records.problems(project, recipe) else ""
    bundle = f'<a class="bundle" href="{root}bundles/{recipe}.zip" download>{words["download"]}</a>'
    return f'<p class="verified">{_time(runs, language)}{mark}{chip_list(chips(runs))}{bundle}</p>'


def section(project: Project, recipe: str, language: str, repository: str = "") -> str:
    """The end of a page: each proof with its sentence, its runs, and the test itself.

    *repository* is the address of the project's files, "" when they have none: with it, each proof links to its source.
    """
    words = WORDS[language]
    found = records.load(project, recipe)
    module = project.relative(records.proof_module(project, recipe))
    items = []
    for name, test in records.written(project, recipe).items():
        runs = _runs_of(found, name)
        ended = [_outcome(run, proof, language) for run, proof in runs] or [gap(words["not run"])]
        ended += filter(None, [escape(versions.of_proof(project, recipe, name, language))])
        if any(proof.outcome in records.PROVEN for _, proof in runs):  # otherwise its outcome states the gap
            ended += map(gap, versions.gaps_of_proof(project, recipe, name, language))
        sentence, source = test.sentence.get(language, name), escape(_without_docstring(test.source))
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
        passed = sum(proof.outcome in records.PROVEN for proof in run.tests)
        rows.append([*(escape(run.versions[key]) for key in CHIPS), run.backend, f"{passed}/{len(run.tests)}"])
    if not rows:
        return ""
    rows += versions.compat_rows(project, recipe, language)
    columns = ["Celery", words["server"], "Django", "Python", words["stack"], words["result"]]
    return recorded_table(columns, rows)


def tally(project: Project, language: str) -> str:
    """One line over all recipes: how many proofs passed, in how many recipes, on what, when; empty without a run.

    A proof that passed on both stacks counts once.
    """
    runs = [run for recipe in project.recipe_names() for run in records.load(project, recipe)]
    if not runs:
        return ""
    passed = {(run.recipe, proof.name) for run in runs for proof in run.tests if proof.outcome == "passed"}
    text = WORDS[language]["tally"].format(proofs=len(passed), recipes=len({run.recipe for run in runs}))
    return f'<p class="verified"><strong>{text}</strong>{_time(runs, language)}{chip_list(chips(runs))}</p>'


def chips(runs: list[Evidence]) -> list[str]:
    """The versions of *runs*, each once, in the order of CHIPS: "Celery 5.7.0", "Valkey 8.1.8"."""
    return list(dict.fromkeys(chip for key in CHIPS for run in runs if (chip := _chip(run, key))))


def _time(runs: list[Evidence], language: str) -> str:
    newest = max(run.date for run in runs)
    words = WORDS[language]["verified"].format(date=_date(newest, language))
    return f'<time datetime="{newest}">{words}</time>'


def _gap(project: Project, recipe: str, runs: list[tuple[Evidence, Proof]]) -> tuple[str, str]:
    """Why *runs* prove nothing, as a key of WORDS, and the reason that they stated; empty when they do prove it."""
    if not runs:
        return "not run", ""
    outcomes = {proof.outcome: proof.reason for _, proof in reversed(runs)}
    if "failed" in outcomes or "passed" not in outcomes:  # skipped on one backend and passed on another is proven
        worst = min(outcomes, key=WORST_FIRST.index)
        return worst, outcomes[worst]
    return ("stale" if records.problems(project, recipe) else ""), ""


def _runs_of(runs: list[Evidence], name: str) -> list[tuple[Evidence, Proof]]:
    """Each of *runs* that ran the test *name*, and how it ended there."""
    return [(run, proof) for run in runs if (proof := run.proof(name))]


def _outcome(run: Evidence, proof: Proof, language: str) -> str:
    """How a proof ended, and on what and how fast, as HTML: "✓ Celery 5.7.0, Valkey 8.1.8, 1.6 s"."""
    mark = (
        '<span class="proof">✓</span>'
        if proof.outcome == "passed"
        else gap(WORDS[language][proof.outcome].format(reason=proof.reason))
    )
    return f"{mark} {escape(_versions(run))}, {_seconds(proof, language)}"


def _link_to_source(repository: str, module: str, line: int) -> str:
    """A link to *line* of *module*; empty without a *repository*."""
    if not repository:
        return ""
    return f'<p><a class="source" href="{escape(repository)}{module}#L{line}"><code>{module}:{line}</code></a></p>'


def _without_docstring(source: str) -> str:
    """The source of a test without its docstring, which the page shows as its sentence."""
    lines, function = source.splitlines(), ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    if ast.get_docstring(function) is not None and len(function.body) > 1:
        del lines[function.body[0].lineno - 1 : function.body[0].end_lineno]
    return "\n".join(lines)


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
