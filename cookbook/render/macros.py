"""The macros that pages call, for mkdocs-macros; one that fails reports why in one line."""

from __future__ import annotations

import logging
import re
import textwrap
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from mkdocs_macros.plugin import MacrosPlugin

from cookbook.evidence import records
from cookbook.project import CookbookError
from cookbook.render import accounts, drawings, panels, proofs, reference, versions
from cookbook.render.context import Context, begin, context_of
from cookbook.render.fragments import inline, recorded_table, value_text
from cookbook.render.markdown import NOT_SEARCHED, fenced, html_block, typeset
from cookbook.sources import snippets, transcripts

log = logging.getLogger("mkdocs.cookbook")
CONSOLE = ".console"


def define_env(env: MacrosPlugin) -> None:
    """Define the macros: mkdocs-macros calls this once for each build."""
    context = begin(env)
    evidenced = (matrix, since, later, sequence, timeline, table, tally, proven_lines, account, survivors)
    for function in (code, transcript, proven, setting, default, *evidenced):
        env.macro(_guarded(function, context), function.__name__)


def on_pre_page_macros(env: MacrosPlugin) -> None:
    """Forget what the page before cited: mkdocs-macros calls this before the macros of each page."""
    context_of(env).cited.clear()


def on_post_page_macros(env: MacrosPlugin) -> None:
    """Add to a page what it was verified on, below its title, its proofs at the end, and its keywords for search."""
    context = context_of(env)
    meta = env.page.meta
    # The search index takes more than the text of a page only from its tags.
    meta["tags"] = [*filter(None, [meta.get("description")]), *meta.get("keywords", [])]
    try:
        above, below = _evidence(context, meta.get("recipe", ""))
    except CookbookError as error:
        log.warning("%s: %s", context.caller(), error)
        return
    if above:
        title = re.search(r"^# .+\n", env.markdown, re.M)
        at = title.end() if title else 0
        env.markdown = "\n\n".join((env.markdown[:at], html_block(above), env.markdown[at:].strip("\n")))
    if below:
        block = html_block(f'<section class="proofs" {NOT_SEARCHED}>{below}</section>')
        env.markdown = f"{env.markdown.rstrip()}\n\n{block}\n"


def _evidence(context: Context, recipe: str) -> tuple[str, str]:
    """The HTML below the title of the page of *recipe* ("" for another page) and that at the end of any page."""
    above = below = ""
    if recipe:
        above = proofs.verified(context.project, recipe, context.language, context.to_root())
        below = panels.folded(context.project, recipe, context.language)
    own = {(recipe, name): "" for name in (records.written(context.project, recipe) if recipe else ())}
    for (each, name), page in (own | context.cited).items():
        test = f'<p><a href="{page}#proof-{name}">{context.words["source"]}</a></p>'
        if not page:
            test = panels.source(context.project, each, name, context.repository())
        below += panels.panel(context.project, each, name, context.language, test)
    return above, below


def code(context: Context, path: str, *symbols: str, notes: Mapping[str, str] | None = None) -> str:
    """A snippet of a recipe file; each of *notes* belongs to the one line that contains its key."""
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
    if proofs.ran(context.project, recipe, f"recipes/{path}"):
        return block
    gap = f"recipes/{path}: no run of {recipe} executed it"
    return f"{context.unrecorded(recipe, path.partition('/')[2], gap)}\n\n{block}"


def proven(context: Context, test: str) -> str:
    """The mark beside a claim, which opens its proof. *test* is ``recipe::test_function``."""
    recipe, _, name = test.partition("::")
    status = proofs.status(context.project, recipe, name)
    if status.gap:
        context.report(f"{test}: {status.gap[context.language]}", stated=status.is_stated)
    context.cited[recipe, name] = context.link_to(recipe)
    return panels.mark(context.project, recipe, name, context.language)


def setting(context: Context, name: str) -> str:
    """A Celery setting by its Django name, linked to its manual entry; its tooltip has the default."""
    found = reference.setting(name)
    title = context.words["default"].format(type=found.type, default=reference.written(found.default))
    return f'[`{found.name}`]({found.url}){{ .setting title="{title.replace(chr(34), chr(39))}" }}'


def default(context: Context, name: str) -> str:
    """The default of a setting, read from the installed Celery."""
    return f"`{reference.written(reference.setting(name).default)}`"


def matrix(context: Context, *, caption: str) -> str:
    """Every recipe on every version: how it ended in each column of the matrix, and what was not run."""
    found = versions.matrix_table(context.project, context.titles(), context.language)
    return _versions_table(context, found, caption, named=True)


def since(context: Context, *, caption: str) -> str:
    """From which release of Celery each recipe passes, by the matrix."""
    found = versions.since_table(context.project, context.titles(), context.language)
    return _versions_table(context, found, caption, named=True)


def later(context: Context, *, caption: str) -> str:
    """The proofs that fail on older releases of Celery, as stated: from which release each passes."""

    def sentence(recipe: str, name: str) -> str:
        text = proofs.status(context.project, recipe, name).sentence.get(context.language, name)
        return inline(text) + proven(context, f"{recipe}::{name}")

    found = versions.later_table(context.project, context.titles(), sentence, context.language)
    return _versions_table(context, found, caption)


def sequence(context: Context, recipe: str, record: str, *, actors: Mapping[str, str], caption: str) -> str:
    """The sequence diagram of recorded messages; *actors* names the lifelines, from left to right."""
    messages = proofs.record(context.project, recipe, record)
    if not messages:
        return _no_record(context, recipe, record)
    drawing = drawings.sequence(messages, actors, caption)
    return _figure(context, drawing, caption, drawings.messages_as_list(messages, actors))


def timeline(context: Context, recipe: str, record: str, *, lanes: Mapping[str, str], caption: str) -> str:
    """The timeline of recorded bars; *lanes* names the lanes, from top to bottom."""
    bars = proofs.record(context.project, recipe, record)
    if not bars:
        return _no_record(context, recipe, record)
    if unknown := {bar["lane"] for bar in bars} - lanes.keys():
        raise CookbookError(f"record {record!r} of {recipe} has bars in the lanes {sorted(unknown)}: name them too")
    decimal = context.words["decimal"]
    drawing = drawings.timeline(bars, lanes, caption, decimal)
    return _figure(context, drawing, caption, drawings.bars_as_table(bars, lanes, decimal))


def table(context: Context, recipe: str, record: str, *, columns: Mapping[str, str], caption: str = "") -> str:
    """Rows that a run recorded (a list of objects); *columns* picks the keys to show and gives their headings."""
    rows = proofs.record(context.project, recipe, record)
    if not rows:
        return _no_record(context, recipe, record)
    for row in rows:
        if unknown := columns.keys() - row.keys():
            raise CookbookError(f"record {record!r} of {recipe} has no {sorted(unknown)}: it has {sorted(row)}")
    cells = [[_cell(row[key], context.language) for key in columns] for row in rows]
    return html_block(recorded_table(list(columns.values()), cells, caption))


def tally(context: Context) -> str:
    """How much the whole cookbook proves: proofs, recipes, versions, date; from the evidence alone."""
    return html_block(proofs.tally(context.project, context.language))


def proven_lines(context: Context) -> str:
    """How many lines of the pages are proven: without each of them, a proof fails."""
    return f'<strong class="count">{sum(each.proven for each in accounts.accounts(context.project))}</strong>'


def account(context: Context) -> str:
    """The counts of what each recipe rests on, and a link to them as JSON."""
    address = f"{context.to_root()}{accounts.JSON}"
    link = f'<p><a href="{address}">{context.words["as JSON"]}</a></p>'
    return html_block(accounts.table(context.project, context.language, context.link_to) + link)


def survivors(context: Context) -> str:
    """The removals and alterations that no proof detects."""
    return html_block(accounts.survivors(context.project, context.language))


def _no_record(context: Context, recipe: str, record: str) -> str:
    return context.unrecorded(recipe, record, f"{recipe}: no run recorded {record!r}")


def _versions_table(context: Context, found: versions.Table, caption: str, *, named: bool = False) -> str:
    """A table of versions; without a row, a sentence says that there is nothing to show."""
    if not found[1]:
        return html_block(f'<p class="unproven">{escape(caption)}{context.words["none"]}</p>')
    return html_block(recorded_table(*found, caption, named=named))


def _figure(context: Context, svg: str, caption: str, text: str) -> str:
    """A drawing, its caption, and the same as *text*, which the search reads instead of the drawing."""
    return html_block(
        f'<figure class="diagram">{svg.replace("<svg", "<svg " + NOT_SEARCHED, 1)}'
        f"<figcaption>{escape(caption)}</figcaption>"
        f"<details><summary>{context.words['as text']}</summary>{text}</details></figure>"
    )


def _guarded(function: Callable[..., str], context: Context) -> Callable[..., str]:
    """*function* as a macro: an error becomes one warning (fatal under --strict) and a mark on the page."""

    def guarded(*args: Any, **kwargs: Any) -> str:
        try:
            return function(context, *args, **{name: _typeset(value) for name, value in kwargs.items()})
        except (CookbookError, TypeError) as error:  # TypeError: the page calls it with the wrong arguments
            log.warning("%s: %s", context.caller(), error)
            return f'<strong class="mark-stale">{escape(str(error))}</strong>'

    return guarded


def _typeset(value: Any) -> Any:
    """An argument of a macro's call, a caption or a mapping to headings, with typographic characters."""
    if isinstance(value, Mapping):
        return {key: _typeset(each) for key, each in value.items()}
    return typeset(value) if isinstance(value, str) else value


def _cell(value: object, language: str) -> str:
    return f"<code>{escape(value)}</code>" if isinstance(value, str) else escape(value_text(value, language))
