"""Gets the block of a macro onto the page whole, wherever its call is: fences, copy texts, indentation.

Inside lists, admonitions and tabs, Markdown silently loses lines that are not indented and takes HTML for text. Fenced
blocks survive there, so each block of ours is one: `fenced` and `html_block` write them, `fence` renders them
(SuperFences calls it, mkdocs.base.yml says so), and `IndentBlocks` indents them as far as the call was.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pygments
from jinja2 import Environment, TemplateRuntimeError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from markdown import Markdown
from pygments.formatters import HtmlFormatter
from pygments.lexer import do_insertions
from pygments.lexers import BashLexer
from pygments.token import Comment, Generic, Text, _TokenType

from cookbook.sources.transcripts import MORE, PROMPT, REMARK, STATUS, commands

NOT_SEARCHED = (
    'data-search-exclude="true"'  # on an element: the search index leaves the element out; it is not in the built page
)
HTML = "html-block"  # the language of a fence whose content is HTML, which goes to the page as it is
TYPOGRAPHIC = {"'": "’", " ": "\u00a0"}
MARKER = re.compile(r"[ \t]*(?:(?:#|//|--|;)[ \t]*)?\(\d+\)!$", re.MULTILINE)  # of a code annotation
BLANK_LINE_AFTER = re.compile(r"[ \t]*(?:\n|\Z)")


# Writing blocks ------------------------------------------------------------------------------------------------------


def fenced(text: str, header: str) -> str:
    """A fence around *text* for this site's Markdown; *header* is like ``.python title="core/celery.py"``."""
    return plain_fence(text, f" {{{header}}}")


def plain_fence(text: str, info: str) -> str:
    """A fence around *text*, longer than any run of backticks in it; *info* follows the opening one."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks}{info}\n{text}\n{ticks}"


def html_block(text: str) -> str:
    """HTML as one block of the page, in which Markdown is not read and blank lines are allowed."""
    return fenced(text, f".{HTML}")


def attribute(text: str) -> str:
    """*text* for an attribute of inline HTML within Markdown: the special characters of both are escaped."""
    return re.sub(r"[^\w\s.,:;/+=%()-]|_", lambda sign: f"&#{ord(sign[0])};", text)


def typeset(text: str) -> str:
    """*text* with typographic apostrophes, and no-break spaces beside French punctuation; `code` stays as it is.

    "l'option : `a : b`" becomes "l’option\\u00a0: `a : b`".
    """
    return re.sub(r"`[^`]*`|(?<=\w)'| (?=[:;?»%])|(?<=«) ", lambda typed: TYPOGRAPHIC.get(typed[0], typed[0]), text)


# Rendering blocks ----------------------------------------------------------------------------------------------------


def fence(src: str, language: str, class_name: str, options: dict[str, str], md: Markdown, **kwargs: Any) -> str:
    """The HTML of a fenced block, from the stock highlighter, with ``data-copy`` where the reader copies less than is
    seen.

    Material's copy button copies ``data-copy``, or without it the whole text: of a transcript also the prompts and
    outputs, of an annotated block also the blanks before the markers.
    """
    if language == HTML:
        return src
    attributes: dict[str, str] = kwargs["attrs"]
    copy = commands(src) if language == "console" else MARKER.sub("", src)
    if copy != src:
        attributes["data-copy"] = html.escape(copy).replace("\n", "&#10;")
    if language == "console":
        return _transcript(src, options.get("title", ""), attributes)
    highlight = md.preprocessors["fenced_code_block"].highlight
    return str(highlight(src, language, options, md, **kwargs))


def _transcript(text: str, title: str, attributes: dict[str, str]) -> str:
    formatter = HtmlFormatter(cssclass="language-console highlight", wrapcode=True, filename=title)
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return str(pygments.format(_tokens(text), formatter)).replace("<div", f"<div{written}", 1).strip()


def _tokens(text: str) -> Iterator[tuple[_TokenType, str]]:
    """The Pygments tokens of a transcript: each line one token, but a command its prompts and its words.

    Pygments' own console lexer takes the ``# Server`` and ``used_memory_peak_perc:99.80%`` of an output for prompts.
    """
    command = ""
    prompts: list[tuple[int, list[tuple[int, _TokenType, str]]]] = []
    for kind, line in [*_kinds(text), (Text, "")]:
        if kind is Generic.Prompt and not line.startswith(PROMPT):
            prompts.append((len(command), [(0, kind, MORE)]))
            command += line.removeprefix(MORE)
            continue
        for _, token, word in do_insertions(prompts, BashLexer().get_tokens_unprocessed(command)):
            yield token, word
        command, prompts = "", []
        if kind is Generic.Prompt:
            prompts = [(0, [(0, kind, PROMPT)])]
            command = line.removeprefix(PROMPT)
        else:
            yield kind, line


def _kinds(text: str) -> list[tuple[_TokenType, str]]:
    """Each line of a transcript, with its end, and its kind: a command, a remark, an output or an exit status."""
    kinds: list[tuple[_TokenType, str]] = []
    for line in text.splitlines(keepends=True):
        in_command = kinds and kinds[-1][0] is Generic.Prompt
        if line.startswith(PROMPT):
            for at in range(len(kinds) - 1, -1, -1):  # the remarks right above
                if not kinds[at][1].startswith(REMARK):
                    break
                kinds[at] = (Comment, kinds[at][1])
            kinds.append((Generic.Prompt, line))
        elif in_command and line.startswith(MORE):
            kinds.append((Generic.Prompt, line))
        elif STATUS.fullmatch(line.rstrip()):
            kinds.append((Generic.Error, line))
        else:
            kinds.append((Generic.Output, line))
    return kinds


# Calling macros ------------------------------------------------------------------------------------------------------


class IndentBlocks(Extension):
    """Indents the value of each ``{@ … @}`` like its line, and refuses a block that shares its line with other text.

    Each expression gets a filter that knows what else is on its line, so that macros need not know.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["indent_block"] = _indent_block
        environment.filters["one_line"] = _one_line

    def filter_stream(self, stream: TokenStream) -> Iterable[Token]:
        """The tokens of a page, with a filter in each expression; Jinja calls this."""
        tokens = list(stream)
        before = ""  # the text of the line before the current token
        for at, token in enumerate(tokens):
            if token.type == "data":
                before = (before + token.value).rpartition("\n")[2]
                yield token
            elif token.type == "variable_begin":
                yield token
                yield Token(token.lineno, "lparen", "(")
            elif token.type == "variable_end":
                alone = not before.strip() and _ends_line(tokens[at + 1 : at + 2])
                yield from _filter(token.lineno, *(("indent_block", before) if alone else ("one_line", None)))
                yield token
                before += token.value
            else:
                yield token


def _ends_line(following: list[Token]) -> bool:
    return not following or (following[0].type == "data" and bool(BLANK_LINE_AFTER.match(following[0].value)))


def _filter(line: int, name: str, argument: str | None) -> Iterator[Token]:
    """The tokens of ``) | name("argument")``."""
    yield Token(line, "rparen", ")")
    yield Token(line, "pipe", "|")
    yield Token(line, "name", name)
    if argument is not None:
        yield Token(line, "lparen", "(")
        yield Token(line, "string", argument)
        yield Token(line, "rparen", ")")


def _indent_block(value: object, indent: str) -> str:
    return str(value).strip("\n").replace("\n", "\n" + indent)


def _one_line(value: object) -> str:
    text = str(value).strip("\n")
    if "\n" in text:
        start = text.partition("\n")[0]
        raise TemplateRuntimeError(
            f"{start!r} … is a block, but its call shares a line with other text, which would break the page: "
            "put the call on its own line (in a list: below the item's text, indented)"
        )
    return text
