"""Each page as plain Markdown, with what its macros show in place: for programs, and to paste into a conversation."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from cookbook import diagrams, evidence, pages, proofs, reference, snippets, timelines
from cookbook.markdown import IndentBlocks, plain_fence
from cookbook.project import Project
from cookbook.proofs import Claim
from cookbook.words import WORDS

HEADING_ID = re.compile(r"^(#+ .*?)[ \t]*\{[^{}]*\}[ \t]*$", re.MULTILINE)
WRAPPER = re.compile(r"^</?div\b[^>]*>\n?", re.MULTILINE)
BLANK_LINES = re.compile(r"\n{3,}")  # of the page as written, before there is code in it
LINK = re.compile(r"(?<=\]\()(?P<target>[^\s()]+)(?=\))")
HAS_SCHEME = re.compile(r"[a-z]+:", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """The page being copied: its file, its language, and the address of the whole site, which ends with a slash."""

    project: Project
    language: str
    file: Path
    site: str
    claims: dict[str, Claim] = field(default_factory=dict)  # found so far, for other pages too

    @property
    def words(self) -> Mapping[str, str]:
        return WORDS[self.language]

    @property
    def address(self) -> str:
        return self.site + pages.address(self.project, self.file)


def markdown(source: Source) -> str:
    """The page as Markdown that stands alone: links are absolute, blocks hold their text, proofs are a list at the end.

    Raises CookbookError where a macro call cannot be carried out, as the build would.
    """
    page = pages.read(source.file, source.project.relative(source.file))
    body = BLANK_LINES.sub("\n\n", WRAPPER.sub("", HEADING_ID.sub(r"\1", page.body)))
    body = LINK.sub(lambda match: _absolute(source, match["target"]), body)
    text = _rendered(source, body).strip()
    title, _, rest = text.partition("\n")
    recipe = page.meta.get("recipe")
    parts = [title, f"<{source.address}>", *_verified(source, recipe), rest.strip(), *_proofs(source, recipe)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _absolute(source: Source, target: str) -> str:
    """The address of the page that *target* leads to, for a link that leaves the page with its text."""
    if HAS_SCHEME.match(target):
        return target
    path, _, place = target.partition("#")
    file = Path(os.path.normpath(source.file.parent / path)) if path else source.file
    found = source.site + pages.address(source.project, file)
    return f"{found}#{place}" if place else found


# Macros --------------------------------------------------------------------------------------------------------------


def _rendered(source: Source, body: str) -> str:
    macros: tuple[Callable[..., str], ...] = (
        *(code, transcript, proven, setting, default, compat),
        *(sequence, timeline, table, tally),
    )
    template = pages.JINJA.overlay(extensions=[IndentBlocks]).from_string(body)
    return template.render({macro.__name__: partial(macro, source) for macro in macros})


def code(source: Source, path: str, *symbols: str, notes: Mapping[str, str] | None = None) -> str:
    snippet = snippets.cut(source.project, path, *symbols)
    listed = "\n".join(f"- `{line.strip()}` — {note}" for line, note in (notes or {}).items())
    block = plain_fence(snippet.text, f'{snippet.language} title="{snippet.title}"')
    return f"{block}\n\n{listed}".rstrip() + "\n"


def transcript(source: Source, path: str) -> str:
    return plain_fence((source.project.recipes / path).read_text(encoding="utf-8").rstrip("\n"), "console")


def proven(source: Source, test: str) -> str:
    recipe, _, name = test.partition("::")
    claim = source.claims.get(test) or proofs.find(source.project, recipe, name)
    source.claims[test] = claim
    return f" ({claim.gap[source.language]})" if claim.gap else " ✓"


def setting(source: Source, name: str) -> str:
    found = reference.setting(name)
    return f"[`{found.name}`]({found.url})"


def default(source: Source, name: str) -> str:
    return f"`{reference.written(reference.setting(name).default)}`"


def compat(source: Source, recipe: str) -> str:
    return _table(*proofs.compat_rows(source.project, recipe, source.language))


def sequence(source: Source, recipe: str, record: str, *, actors: Mapping[str, str], caption: str) -> str:
    messages = proofs.record(source.project, recipe, record)
    return _gap(source) if messages is None else _listed(diagrams.steps(messages, actors), caption)


def timeline(source: Source, recipe: str, record: str, *, lanes: Mapping[str, str], caption: str) -> str:
    bars = proofs.record(source.project, recipe, record)
    return _gap(source) if bars is None else _listed(timelines.rows(bars, lanes), caption)


def table(source: Source, recipe: str, record: str, *, columns: Mapping[str, str], caption: str = "") -> str:
    rows = proofs.record(source.project, recipe, record)
    if rows is None:
        return _gap(source)
    cells = [[_cell(row[key], source.words) for key in columns] for row in rows]
    return _table(list(columns.values()), cells) + (f"\n*{caption}*\n" if caption else "")


def tally(source: Source) -> str:
    listed = re.sub(r"</(?:strong|time|span)>\s*(?=<\w)", "; ", proofs.tally(source.project, source.language))
    return _text(listed) or _gap(source)


# Parts ---------------------------------------------------------------------------------------------------------------


def _verified(source: Source, recipe: str | None) -> list[str]:
    runs = evidence.load(source.project, recipe) if recipe else []
    if not runs:
        return []
    date = source.words["verified"].format(date=proofs.date_of(max(run.date for run in runs), source.language))
    bundle = f"[{source.words['download']}]({source.site}bundles/{recipe}.zip)"
    return [f"{date} ({', '.join(proofs.chips(runs))}). {bundle}"]


def _proofs(source: Source, recipe: str | None) -> list[str]:
    """Every proof of *recipe*, its sentence and how it ended on each stack."""
    if not recipe:
        return []
    runs = evidence.load(source.project, recipe)
    names = dict.fromkeys(proof.name for run in runs for proof in run.tests)
    lines = []
    for name in names:
        ended = [(run, proof) for run in runs if (proof := run.proof(name))]
        told = "; ".join(" ".join(proofs.ended(run, proof, source.language)) for run, proof in ended)
        lines.append(f"- {ended[0][1].sentence[source.language]} `{name}` — {told}")
    runs_table = _table(*proofs.compat_rows(source.project, recipe, source.language))
    return [f"## {source.words['proofs']}", runs_table, "\n".join(lines)]


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: object, words: Mapping[str, str]) -> str:
    return f"`{value}`" if isinstance(value, str) else proofs.shown(value, words)


def _gap(source: Source) -> str:
    return f"({source.words['not proven']})"


def _listed(text: str, caption: str) -> str:
    """The text form of a diagram as a list below its caption."""
    items = re.findall(r"<(?:li|tr)>(.*?)</(?:li|tr)>", text, re.DOTALL)
    return f"*{caption}*\n\n" + "\n".join(f"- {_text(item)}" for item in items) + "\n"


def _text(markup: str) -> str:
    """HTML of ours as a line of Markdown: its code as code, its other tags gone."""
    coded = re.sub(r"<code>(.*?)</code>", r"`\1`", markup, flags=re.DOTALL)
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", coded).split()))
