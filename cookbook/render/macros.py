"""What a page can call, for mkdocs-macros: each macro does one thing, and says in one line why it cannot."""

from __future__ import annotations

import logging
import re
import textwrap
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from mkdocs_macros.plugin import MacrosPlugin

from cookbook.project import CookbookError
from cookbook.render import accounts, diagrams, proofs, reference, timelines, versions
from cookbook.render.context import Context, begin, context_of
from cookbook.render.markdown import NOT_SEARCHED, attribute, fenced, html_block, typeset
from cookbook.render.proofs import recorded_table
from cookbook.sources import snippets, transcripts

log = logging.getLogger("mkdocs.cookbook")
CONSOLE = ".console"


def define_env(env: MacrosPlugin) -> None:
    """Called by mkdocs-macros once for each build."""
    context = begin(env)
    evidenced = (compat, matrix, since, later, sequence, timeline, table, tally, proven_lines, account, survivors)
    for function in (code, transcript, proven, setting, default, *evidenced):
        env.macro(_guarded(function, context), function.__name__)


def on_post_page_macros(env: MacrosPlugin) -> None:
    """Put under the title what the page was verified on, at its end its proofs; and its keywords into the search."""
    context = context_of(env)
    meta = env.page.meta
    # What the search index has of a page beside its text, by the one name that it knows for it.
    meta["tags"] = [*filter(None, [meta.get("description")]), *meta.get("keywords", [])]
    recipe = meta.get("recipe")
    if not recipe:
        return
    try:
        verified = proofs.verified(context.project, recipe, context.language, context.to_root())
        runs = proofs.compat_table(context.project, recipe, context.language)
        listing = runs + proofs.section(context.project, recipe, context.language, context.repository())
    except CookbookError as error:
        log.warning("%s: %s", context.caller(), error)
        return
    title = re.search(r"^# .+\n", env.markdown, re.M)
    at = title.end() if title else 0
    heading = f"## {context.words['proofs']} {{ #proofs }}"
    parts = (env.markdown[:at], html_block(verified), env.markdown[at:].strip("\n"), heading, html_block(listing), "")
    env.markdown = "\n\n".join(parts)


def code(context: Context, path: str, *symbols: str, notes: Mapping[str, str] | None = None) -> str:
    """A snippet of a recipe file; *notes* attach to the one line that holds their key."""
    snippet = snippets.cut(context.project, path, *symbols)
    text, explanations = snippets.annotate(snippet, notes or {})
    source = ":".join((snippet.path, ",".join(symbols))) if symbols else snippet.path
    block = fenced(text, f'.{snippet.language} title="{snippet.title}" data-source="{source}"')
    items = [f"{number}. {textwrap.indent(note, '    ').strip()}" for number, note in enumerate(explanations, start=1)]
    unproven = accounts.unproven(context.project, context.language, path, *symbols)
    parts = (block, "\n".join(items), html_block(unproven) if unproven else "")
    return "\n\n".join(filter(None, parts)) + "\n"


def transcript(context: Context, path: str) -> str:
    """Commands and the output that the last recording gave."""
    file = context.project.recipes / path
    if not file.is_file() or file.suffix != CONSOLE:
        raise CookbookError(f"recipes/{path}: no such transcript: name a {CONSOLE} file below recipes/")
    text = file.read_text(encoding="utf-8")
    transcripts.parse(text, f"recipes/{path}")
    block = fenced(text.rstrip("\n"), f'.console data-source="{path}"')
    recipe = path.partition("/")[0]
    if not proofs.ran(context.project, recipe, f"recipes/{path}"):
        stated = proofs.skipped(context.project, recipe, path.partition("/")[2])
        return context.missing(f"recipes/{path}: no run of {recipe} executed it", stated=stated) + "\n\n" + block
    return block


def proven(context: Context, test: str) -> str:
    """The mark beside a claim: which test, when, on what. *test* is ``recipe::test_function``."""
    recipe, _, name = test.partition("::")
    claim = proofs.find(context.project, recipe, name)
    if claim.gap:
        return context.missing(f"{test}: {claim.gap[context.language]}", stated=claim.is_stated)
    title = typeset(f"{claim.sentence[context.language]} — {claim.summary(context.language)}")
    target = f"{context.link_to(recipe)}#proof-{name}"
    label = escape(context.words["proof"])
    return f'<a class="proof" href="{target}" title="{attribute(title)}" aria-label="{label}">✓</a>'


def setting(context: Context, name: str) -> str:
    """A Celery setting under its Django name, with its default at hand and a link to its manual entry."""
    found = reference.setting(name)
    title = context.words["default"].format(type=found.type, default=reference.written(found.default))
    return f'[`{found.name}`]({found.url}){{ .setting title="{title.replace(chr(34), chr(39))}" }}'


def default(context: Context, name: str) -> str:
    """The default of a setting, read from the installed Celery."""
    return f"`{reference.written(reference.setting(name).default)}`"


def compat(context: Context, recipe: str) -> str:
    """The versions that a recipe ran on, from its evidence; what was not run is not in it."""
    found = proofs.compat_table(context.project, recipe, context.language)
    return html_block(found) if found else context.missing(f"{recipe}: no evidence")


def matrix(context: Context, *, caption: str) -> str:
    """Every recipe on every version: how each ended in each column of the matrix, and what was not run."""
    return html_block(
        recorded_table(*versions.matrix_table(context.project, context.titles(), context.language), caption, named=True)
    )


def since(context: Context, *, caption: str) -> str:
    """From which release of Celery each recipe holds, as the matrix shows it."""
    return html_block(
        recorded_table(*versions.since_table(context.project, context.titles(), context.language), caption, named=True)
    )


def later(context: Context, *, caption: str) -> str:
    """What the matrix saw fail on older releases of Celery, as stated: from which release it holds, in whose words."""

    def sentence(recipe: str, name: str) -> str:
        told = proofs.find(context.project, recipe, name).sentence.get(context.language, name)
        return proofs.inline(told) + proven(context, f"{recipe}::{name}")

    rows = versions.later_table(context.project, context.titles(), sentence, context.language)
    return html_block(recorded_table(*rows, caption))


def sequence(context: Context, recipe: str, record: str, *, actors: Mapping[str, str], caption: str) -> str:
    """The sequence diagram of recorded messages; *actors* names the lifelines, from left to right."""
    messages = proofs.record(context.project, recipe, record)
    if messages is None:
        return context.unrecorded(recipe, record)
    return _figure(context, diagrams.sequence(messages, actors, caption), caption, diagrams.steps(messages, actors))


def timeline(context: Context, recipe: str, record: str, *, lanes: Mapping[str, str], caption: str) -> str:
    """The timeline of recorded bars; *lanes* names the lanes, from top to bottom."""
    bars = proofs.record(context.project, recipe, record)
    if bars is None:
        return context.unrecorded(recipe, record)
    if unknown := {bar["lane"] for bar in bars} - lanes.keys():
        raise CookbookError(f"record {record!r} of {recipe} has bars in the lanes {sorted(unknown)}: name them too")
    decimal = context.words["decimal"]
    drawing = timelines.timeline(bars, lanes, caption, decimal)
    return _figure(context, drawing, caption, timelines.rows(bars, lanes, decimal))


def table(context: Context, recipe: str, record: str, *, columns: Mapping[str, str], caption: str = "") -> str:
    """Rows that a run recorded (a list of objects); *columns* picks the keys to show and gives their headings."""
    rows = proofs.record(context.project, recipe, record)
    if rows is None:
        return context.unrecorded(recipe, record)
    for row in rows:
        if unknown := columns.keys() - row.keys():
            raise CookbookError(f"record {record!r} of {recipe} has no {sorted(unknown)}: it has {sorted(row)}")
    cells = [[_cell(row[key], context.words) for key in columns] for row in rows]
    return html_block(recorded_table(list(columns.values()), cells, caption))


def tally(context: Context) -> str:
    """What the whole cookbook stands on: proofs, recipes, versions, date; from the evidence alone."""
    found = proofs.tally(context.project, context.language)
    return html_block(found) if found else context.missing("no evidence")


def proven_lines(context: Context) -> str:
    """How many lines that pages show were taken away, one at a time, with a proof that failed each time."""
    return f'<strong class="count">{sum(each.proven for each in accounts.accounts(context.project))}</strong>'


def account(context: Context) -> str:
    """What each recipe rests on, counted; and the same as JSON."""
    address = f"{context.to_root()}{accounts.JSON}"
    link = f'<p><a href="{address}">{context.words["as JSON"]}</a></p>'
    return html_block(accounts.table(context.project, context.language, context.link_to) + link)


def survivors(context: Context) -> str:
    """What no proof sees when it is taken away or altered."""
    return html_block(accounts.survivors(context.project, context.language))


def _figure(context: Context, svg: str, caption: str, text: str) -> str:
    """A diagram over its caption and the same as text, which is what the search reads of it."""
    return html_block(
        f'<figure class="diagram">{svg.replace("<svg", "<svg " + NOT_SEARCHED, 1)}'
        f"<figcaption>{escape(caption)}</figcaption>"
        f"<details><summary>{context.words['as text']}</summary>{text}</details></figure>"
    )


def _guarded(function: Callable[..., str], context: Context) -> Callable[..., str]:
    """What a macro cannot do becomes one warning (fatal under --strict) and a mark on the page."""

    def guarded(*args: Any, **kwargs: Any) -> str:
        try:
            return function(context, *args, **{name: _typeset(told) for name, told in kwargs.items()})
        except (CookbookError, TypeError) as error:  # TypeError: the page calls it with the wrong arguments
            log.warning("%s: %s", context.caller(), error)
            return f'<strong class="mark-stale">{escape(str(error))}</strong>'

    return guarded


def _typeset(told: Any) -> Any:
    """What a page says in a macro's call, a caption or a mapping to headings, as print has it."""
    if isinstance(told, Mapping):
        return {key: _typeset(value) for key, value in told.items()}
    return typeset(told) if isinstance(told, str) else told


def _cell(value: object, words: Mapping[str, str]) -> str:
    return f"<code>{escape(value)}</code>" if isinstance(value, str) else escape(proofs.shown(value, words))
