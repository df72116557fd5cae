"""The pages as their authors typed them: front matter, macro calls, code spans and fenced blocks, with their lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from mkdocs.utils.meta import YAML_RE, get_data

from cookbook.project import LANGUAGES, CookbookError, Project
from cookbook.snapshot import once

PLACEHOLDER = "\ufffc"
"""Replaces each macro call and code span in a page's text (OBJECT REPLACEMENT CHARACTER)."""
CAPTION = "caption"
"""The keyword argument of a macro that is text of the page's language, as every value of a mapping is."""

# The delimiters of mkdocs.base.yml. This environment reads Markdown and renders nothing, so it need not escape.
JINJA = Environment(  # noqa: S701
    variable_start_string="{@",
    variable_end_string="@}",
    block_start_string="{@%",
    block_end_string="%@}",
    comment_start_string="{@#",
    comment_end_string="#@}",
    keep_trailing_newline=True,
)

# One pattern, so that the first to begin wins: a fence in a comment is a comment, a comment in a code span is code.
_OPAQUE = re.compile(
    r"(?P<comment><!--.*?-->)"
    r"|^[ \t>]*(?:(?:[-*+]|\d+\.)[ \t]+)*(?P<fence>`{3,}|~{3,})(?P<info>[^`\n]*)(?:\n|\Z)"
    r".*?(?P<closed>^[ \t>]*(?P=fence)[ \t]*$|\Z)"
    r"|(?<![\\`])(?P<ticks>`+)(?!`)(?P<code>(?:(?!\n[ \t]*\n).)+?)(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Call:
    """A macro call with its constant arguments.

    ``texts`` repeats as (line, text) what is written in the page's language: the values of mappings (``notes={…}``,
    ``columns={…}``) and the ``caption``.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    line: int
    texts: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Fence:
    """A fenced block typed on the page; *closed* is false when no line closes it."""

    info: str
    line: int
    closed: bool


@dataclass(frozen=True)
class Page:
    """A page as its author typed it.

    ``body`` is the source with an empty line for each line of the front matter; ``text`` is the body with a
    `PLACEHOLDER` for each macro call and code span, without comments and fenced blocks. In both, each line keeps its
    number. ``texts`` are the texts in the calls, without code spans; ``code`` are the code spans of both: (line, text).
    """

    name: str
    source: str
    meta: dict[str, Any]
    body: str
    text: str
    calls: tuple[Call, ...]
    fences: tuple[Fence, ...]
    code: tuple[tuple[int, str], ...]
    texts: tuple[tuple[int, str], ...]


def read(path: Path, name: str | None = None) -> Page:
    """The page at *path*, called *name* in messages.

    Raises CookbookError for front matter that is not YAML, broken calls, and arguments that are not constants.
    """
    return _page(path.read_text(encoding="utf-8-sig"), name or path.as_posix())


@lru_cache(maxsize=512)  # a build reads each page hundreds of times
def _page(source: str, name: str) -> Page:
    front = YAML_RE.match(source)
    _, meta = get_data(source) if front else ("", {})
    if front and not meta:
        raise CookbookError(f"{name}:1: front matter that is not 'key: value' in YAML: fix it, often by quoting a ':'")
    start = front.end() if front else 0
    body = "\n" * source.count("\n", 0, start) + source[start:]

    calls = tuple(_calls(body, name))
    text, fences, code = _set_apart(_without_calls(body, name), 1)
    texts = []
    for line, own in (own for call in calls for own in call.texts):
        prose, more_fences, more_code = _set_apart(own, line)
        texts.append((line, prose))
        fences += more_fences
        code += more_code
    return Page(name, source, meta, body, text, calls, tuple(fences), tuple(code), tuple(texts))


def address(project: Project, file: Path) -> str:
    """Where the page in *file* is published, below the site: ``en/start/install/``; ``""`` for the home."""
    language, *path = file.relative_to(project.docs).with_suffix("").parts
    folder = [*([] if language == LANGUAGES[0] else [language]), *(path[:-1] if path[-1] == "index" else path)]
    return "".join(f"{part}/" for part in folder)


def front_matter(path: Path) -> dict[str, Any]:
    """The front matter of the page at *path*, as MkDocs reads it; empty when there is none."""
    return get_data(path.read_text(encoding="utf-8-sig"))[1]


@once
def of_recipes(project: Project, language: str) -> dict[str, tuple[Path, dict[str, Any]]]:
    """By recipe, the page in *language* whose front matter names it: the file and its front matter."""
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for file in project.pages(language):
        meta = front_matter(file)
        if recipe := meta.get("recipe"):
            found.setdefault(str(recipe), (file, meta))
    return found


def line_at(text: str, offset: int) -> int:
    """The number of the line that *offset* is on, from 1."""
    return text.count("\n", 0, offset) + 1


def meta_line(page: Page, key: str, entry: str = "") -> int:
    """The line of *key* in the front matter, or of *entry* in the list below it; 1 when the page has no such key."""
    front = page.source.splitlines()
    for start, line in enumerate(front, 1):
        if line.startswith(f"{key}:"):
            within = (number for number, text in enumerate(front[start - 1 :], start) if entry in text)
            return next(within, start) if entry else start
    return 1


def meta_prose(page: Page) -> list[tuple[int, str]]:
    """(line, text) of the title and of the description, which no Markdown is read in."""
    return [(meta_line(page, key), str(page.meta.get(key, ""))) for key in ("title", "description")]


def meta_list(page: Page, key: str) -> list[str]:
    """The texts listed under *key* in the front matter; none without it. CookbookError for another type."""
    entries = page.meta.get(key) or []
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise CookbookError(
            f"{page.name}:{meta_line(page, key)}: {key} is not a list of texts: write {key}: [one, two]"
        )
    return entries


def _calls(body: str, name: str) -> Iterator[Call]:
    try:
        template = JINJA.parse(body)
    except TemplateSyntaxError as error:
        raise CookbookError(f"{name}:{error.lineno}: {error.message}: fix the macro call") from None
    for node in template.find_all(nodes.Call):
        if not isinstance(node.node, nodes.Name):
            raise CookbookError(
                f"{name}:{node.lineno}: this calls something that is not a macro: call a macro by its name"
            )
        try:
            if node.dyn_args or node.dyn_kwargs:
                raise nodes.Impossible  # noqa: TRY301
            args = tuple(arg.as_const() for arg in node.args)
            kwargs = {keyword.key: keyword.value.as_const() for keyword in node.kwargs}
        except nodes.Impossible:
            raise CookbookError(
                f"{name}:{node.lineno}: {node.node.name}() has an argument that is not a constant: write it out"
            ) from None
        texts = [pair.value for keyword in node.kwargs for pair in keyword.find_all(nodes.Pair)]
        texts += [keyword.value for keyword in node.kwargs if keyword.key == CAPTION]
        own = tuple((text.lineno, str(text.as_const())) for text in texts)
        yield Call(node.node.name, args, kwargs, node.node.lineno, own)


def _without_calls(body: str, name: str) -> str:
    text = []
    for line, kind, value in JINJA.lex(body):
        if kind.endswith(("_begin", "_end")) and "-" in value:
            # Jinja would remove line ends too, and all later lines would have wrong numbers.
            raise CookbookError(f"{name}:{line}: a macro call strips white space: write {{@ … @}}, not {{@- … -@}}")
        if kind == "variable_begin":
            text.append(PLACEHOLDER)
        text.append(value if kind == "data" else _newlines(value))
    return "".join(text)


def _set_apart(text: str, first_line: int) -> tuple[str, list[Fence], list[tuple[int, str]]]:
    """*text* without comments, fenced blocks and code spans; the fenced blocks; the code spans with their lines."""
    fences, code = [], []

    def keep(match: re.Match[str]) -> str:
        line = first_line + text.count("\n", 0, match.start())
        if match["fence"]:
            fences.append(Fence(match["info"].strip(), line, bool(match["closed"])))
        if not match["code"]:
            return _newlines(match[0])
        code.append((line, " ".join(match["code"].split())))
        return PLACEHOLDER + _newlines(match[0])

    return _OPAQUE.sub(keep, text), fences, code


def _newlines(text: str) -> str:
    return "\n" * text.count("\n")
