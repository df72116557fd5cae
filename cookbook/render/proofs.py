"""Evidence as a page shows it: the status of a proof, what runs recorded, chips, the line under the title."""

from __future__ import annotations

import ast
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from babel.dates import format_date

from cookbook.evidence import records
from cookbook.evidence.records import WORST_FIRST, Evidence, Proof
from cookbook.project import LANGUAGES, CookbookError, Project
from cookbook.render.fragments import chip_list, gap, inline
from cookbook.render.words import WORDS
from cookbook.snapshot import once

CHIPS = ("celery", "server", "django", "python")  # of the versions of a run, those that a page shows
NAMES = {"celery": "Celery", "django": "Django", "python": "Python", "kombu": "kombu", "redis-py": "redis-py"}
MAKERS = ("record", "console")  # fixtures: a test calls them with the name of the record or transcript that it makes


@dataclass(frozen=True)
class ProofStatus:
    """What is known of a proof: its sentence today, its runs, and what is missing, by language; empty for nothing."""

    sentence: Mapping[str, str]
    runs: list[tuple[Evidence, Proof]]
    gap: dict[str, str]

    @property
    def is_stated(self) -> bool:
        """Whether a run stated the reason of the gap: a skip or a known defect, never a failure."""
        return bool(self.runs) and all(proof.outcome in ("skipped", "xfailed") for _, proof in self.runs)


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
    return ProofStatus(test.sentence, runs, why)


def ran(project: Project, recipe: str, transcript: str) -> bool:
    """Whether a proof of the last run executed *transcript*, and its bytes are still the same."""
    runs = records.load(project, recipe)
    now = records.digests(project, recipe).get(transcript)
    return any(transcript in run.transcripts and run.files.get(transcript) == now for run in runs)


def record(project: Project, recipe: str, name: str) -> Any:
    """What a test of the last run recorded under *name*; None when no run did."""
    return next((run.records[name] for run in records.load(project, recipe) if name in run.records), None)


def skipped(project: Project, recipe: str, name: str) -> str:
    """Why a run of *recipe* skipped a proof that makes the record or transcript *name*; empty when none did."""
    tests = records.written(project, recipe)
    runs = records.load(project, recipe)
    left_out = (proof for run in runs for proof in run.tests if proof.outcome == "skipped" and proof.name in tests)
    return next((proof.reason for proof in left_out if _makes(tests[proof.name].source, name)), "")


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
    """The line under the title, with date, versions and download; below it, a banner when proofs did not run."""
    words = WORDS[language]
    runs = records.load(project, recipe)
    if not runs:
        return _never_verified(language)
    mark = gap(words["stale"]) if records.problems(project, recipe) else ""
    bundle = f'<a class="bundle" href="{root}bundles/{recipe}.zip" download>{words["download"]}</a>'
    line = f'<p class="verified">{_time(runs, language)}{mark}{chip_list(chips(runs))}{bundle}</p>'
    return line + _banner(project, recipe, language)


def _banner(project: Project, recipe: str, language: str) -> str:
    """How many proofs of *recipe* were skipped, and why; empty when all ran."""
    found = [status(project, recipe, name) for name in records.written(project, recipe)]
    skipped_only = [each for each in found if each.runs and {proof.outcome for _, proof in each.runs} == {"skipped"}]
    reasons = [each.runs[0][1].reason for each in skipped_only]
    if not reasons:
        return ""
    counts = {"count": len(reasons), "total": len(found), "reason": "; ".join(dict.fromkeys(reasons))}
    return f'<p class="not-run">{inline(WORDS[language]["banner"].format(**counts))}</p>'


def tally(project: Project, language: str) -> str:
    """One line over all recipes: how many proofs passed, in how many recipes, on what, when.

    A proof that passed on both stacks counts once.
    """
    runs = [run for recipe in project.recipe_names() for run in records.load(project, recipe)]
    if not runs:
        return _never_verified(language)
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


def _never_verified(language: str) -> str:
    return f'<p class="verified">{gap(WORDS[language]["not run"])}</p>'


def _chip(run: Evidence, key: str) -> str:
    return f"{NAMES[key]} {run.versions[key]}" if key in NAMES else run.versions[key]


def ran_on(run: Evidence) -> str:
    """ "Celery 5.7.0, Valkey 8.1.8": on what a run was."""
    return ", ".join(chip for key in ("celery", "server") if (chip := _chip(run, key)))


@cache
def _date(date: str, language: str) -> str:
    """An ISO date as the language writes it."""
    return str(format_date(datetime.datetime.fromisoformat(date), "long", locale=language))


def seconds(proof: Proof, language: str) -> str:
    """How long a proof took, "1.6 s"."""
    number = f"{proof.seconds:.1f}".replace(".", WORDS[language]["decimal"])
    return f"{number}\u00a0s"
