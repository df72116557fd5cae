"""How a page shows its proofs: a mark beside each claim, the panel that it opens, and the folded list at the end."""

from __future__ import annotations

import ast
import re
from html import escape

from cookbook.evidence import records
from cookbook.project import Project
from cookbook.render import proofs, versions
from cookbook.render.fragments import gap, inline
from cookbook.render.markdown import NOT_SEARCHED
from cookbook.render.words import WORDS


def mark(project: Project, recipe: str, name: str, language: str) -> str:
    """The tick beside a claim, or the circle where nothing proves it: a button that opens the `panel` of the proof."""
    is_proven = not proofs.status(project, recipe, name).gap
    kind, sign, label = ("proof", "✓", "proof") if is_proven else ("proof gap", "○", "not proven")
    return (
        f'<span class="tick"><button class="{kind}" popovertarget="{_id(project, recipe, name)}" '
        f'aria-label="{WORDS[language][label]}" {NOT_SEARCHED}>{sign}</button></span>'
    )


def panel(project: Project, recipe: str, name: str, language: str, test: str) -> str:
    """What opens beside the `mark` of a proof: its sentence, its runs and versions, and *test*, which is HTML."""
    found = proofs.status(project, recipe, name)
    facts = [gap(found.gap[language])] if found.gap else []
    passed = [(run, proof) for run, proof in found.runs if proof.outcome == "passed"]
    facts += [f"✓ {escape(proofs.ran_on(run))}, {proofs.seconds(proof, language)}" for run, proof in passed]
    facts += filter(None, [escape(versions.of_proof(project, recipe, name, language))])
    if not found.gap:  # otherwise the reason stands above
        facts += map(gap, versions.gaps_of_proof(project, recipe, name, language))
    close, panel_id = WORDS[language]["close"], _id(project, recipe, name)
    return (
        f'<div class="claim" id="{panel_id}" popover>'
        f'<button popovertarget="{panel_id}" popovertargetaction="hide" aria-label="{close}">×</button>'
        f"<p>{inline(found.sentence.get(language, name))}</p><p>{'<br>'.join(facts)}</p>{test}</div>"
    )


def source(project: Project, recipe: str, name: str, repository: str) -> str:
    """The test *name* as its panel shows it.

    *repository* is the address of the project's files, "" when they have none: with it, the test links to its source.
    """
    test = records.written(project, recipe)[name]
    code = f'<pre class="proof-source" tabindex="0"><code>{escape(_without_docstring(test.source))}</code></pre>'
    if not repository:
        return code
    module = project.relative(records.proof_module(project, recipe))
    place = f"{module}:{test.line}"
    return f'{code}<p><a class="source" href="{escape(repository)}{module}#L{test.line}"><code>{place}</code></a></p>'


def folded(project: Project, recipe: str, language: str) -> str:
    """The end of a page: the line "15 proofs, Celery 5.2–5.7", which unfolds to the sentence and mark of each proof."""
    words = WORDS[language]
    found = {name: proofs.status(project, recipe, name) for name in records.written(project, recipe)}
    gaps = sum(bool(each.gap) for each in found.values())
    where = versions.of_recipe(project, recipe)
    count = words["one proof" if len(found) == 1 else "proof count"].format(count=len(found))
    line = ", ".join([count, *([words["gap count"].format(count=gaps)] if gaps else []), *where[:1]])
    ran = f"<p>{escape(words['ran on'].format(versions=words['semicolon'].join(where)))}</p>" if where else ""
    items = "".join(
        f'<li id="proof-{name}">{inline(each.sentence.get(language, name))}{mark(project, recipe, name, language)}</li>'
        for name, each in found.items()
    )
    return f'<details><summary>{escape(line)}</summary>{ran}<ol id="proofs">{items}</ol></details>'


def _id(project: Project, recipe: str, name: str) -> str:
    """The id of the panel of a proof, which may be one of another page; short, since a page has it three times."""
    return f"about-{recipe}-{[*records.written(project, recipe)].index(name)}"


def _without_docstring(source: str) -> str:
    """The source of a test without its docstring, which the panel shows as its sentence."""
    lines, function = source.splitlines(), ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    if ast.get_docstring(function) is not None and len(function.body) > 1:
        del lines[function.body[0].lineno - 1 : function.body[0].end_lineno]
    return re.sub(r"  # noqa:.*", "", "\n".join(lines))
