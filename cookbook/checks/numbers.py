"""The numbers of the pages' prose: each must come from a proof, from a macro or from the code that the page shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

import celery
import text_to_num

from cookbook.checks.inline_code import Faults
from cookbook.evidence import records
from cookbook.project import LANGUAGES, CookbookError, Project
from cookbook.sources import markup, pages, python_source, snippets
from cookbook.sources.pages import Page

SHOWING = ("code", "transcript")  # macros: the prose may use the numbers that they show
LEAST = 3  # as words, 1 and 2 are as often articles and pairs
PLURALS = {"tens", "hundreds", "thousands", "millions"}  # of no exact number
DIGITS = {
    "en": r"(?<![\w.,#/^-])\d+(?:,\d{3})*(?:\.\d+)*(?!\w)",
    "fr": r"(?<![\w.,#/^-])\d+(?:[\u00a0\u202f]\d{3})*(?:[.,]\d+)*(?!\w)",
}
_MEASURED = re.compile(r"[\s\u00a0\u202f]*(?:s|ms|%|[KMG]i?[Bo]|seconds?|secondes?|times|fois)\b(?!['’])")
_BLOCK = re.compile(r"^[ \t>]*(?:(?:[-*+]|\d+\.)[ \t]|\||#)|^[ \t]*$")
_LIST = re.compile(r"^[ \t>]*\d+\.[ \t]")
_IN_CODE = re.compile(r"(?<![\w.])(?<!\w-)\d+(?:_\d{3})*(?:\.\d+)*")


class Count(NamedTuple):
    """How many sentences of a page cite their proof, how many numbers its prose has, how many come from macros."""

    claims: int
    numbers: int
    defaults: int


class Number(NamedTuple):
    """A number as the page writes it, and its value: a float, or the text of a version such as 5.6.3."""

    line: int
    written: str
    value: float | str


class Definition(NamedTuple):
    """What a statement of a module uses by name, and the numbers in its source and, for a proof, in its sentences."""

    names: frozenset[str]
    numbers: frozenset[float | str]


def count(page: Page, language: str) -> Count:
    """What the summary of all evidence counts of *page*."""
    names = [call.name for call in page.calls]
    numbers = sum(1 for _, text in _blocks(page) for _ in numbers_in(text, language))
    return Count(names.count("proven"), numbers, names.count("default") + names.count("setting"))


def faults(project: Project, page: Page, language: str) -> Faults:
    """The numbers of *page* that are neither in the proofs that their paragraph cites nor in the code of the page."""
    shown = _shown_numbers(project, page)
    proofs = [call for call in page.calls if call.name == "proven" and call.args]
    cited = [(call.line, _proof_numbers(project, str(call.args[0]))) for call in proofs]
    quoted = [(line, _numbers_in_code(text)) for line, text in page.code]
    everywhere = shown.union(*(numbers for _, numbers in cited))
    for start, text in _blocks(page):
        end = start + text.count("\n")
        near = (numbers for line, numbers in (*cited, *quoted) if start <= line <= end)
        known = everywhere if text.lstrip().startswith("#") else shown.union(*near)
        yield from _unknown(numbers_in(text, language, start), known, project)
    for line, text in (*page.texts, *pages.meta_prose(page)):
        yield from _unknown(numbers_in(text, language, line), everywhere, project)


def _unknown(numbers: Iterable[Number], known: set[float | str], project: Project) -> Faults:
    for number in numbers:
        if number.value not in known and number.value not in _versions(project):
            yield (
                number.line,
                f"{number.written}: unsupported number: cite the proof that has it with proven(), take it from a "
                "macro, or write the sentence without it",
            )


# Reading numbers -----------------------------------------------------------------------------------------------------


def numbers_in(text: str, language: str, first_line: int = 1) -> Iterator[Number]:
    """The numbers of *text*, line by line: those in digits, then those in words, from three on."""
    for line, whole in enumerate(text.splitlines(), first_line):
        words = _LIST.sub("", whole)
        for match in re.finditer(DIGITS[language], words):
            written = match[0]
            is_version = "." in written and not _MEASURED.match(words, match.end())
            plain = re.sub("[\u00a0\u202f]" if language == "fr" else ",", "", written)
            yield Number(line, written, written if is_version else float(plain.replace(",", ".")))
        tokens = [_Token(token) for token in re.findall(r"\w+|\W+", words)]
        for found in text_to_num.find_numbers(tokens, language, threshold=0):
            if not found.is_ordinal and found.value >= LEAST:
                yield Number(line, "".join(token.written for token in tokens[found.start : found.end]), found.value)


class _Token(NamedTuple):
    """A word, or what is between two, with the methods that text2num calls."""

    written: str

    def text(self) -> str:
        return self.written

    def nt_separated(self, _: _Token) -> bool:
        return False

    def not_a_number_part(self) -> bool:
        return self.written.lower() in PLURALS


def _numbers_in_code(source: str) -> set[float | str]:
    """The numbers of *source*: ``5.6`` both as the value 5.6 and as the version "5.6"."""
    written = _IN_CODE.findall(source)
    values = {float(number) for number in written if number.count(".") < 2}
    return {*values, *(number for number in written if "." in number)}


# Where numbers come from ---------------------------------------------------------------------------------------------


def _blocks(page: Page) -> Iterator[tuple[int, str]]:
    """(line, text) of each paragraph, list item, table row and heading."""
    start, block = 1, ""
    for number, line in enumerate(markup.words_only(page.text).split("\n"), 1):
        if _BLOCK.match(line):
            if block:
                yield start, block
            start, block = number, line
        elif block.strip():
            block += f"\n{line}"
        else:
            start, block = number, line
    yield start, block


def _shown_numbers(project: Project, page: Page) -> set[float | str]:
    found: set[float | str] = set()
    for call in page.calls:
        if call.name in SHOWING:
            try:
                found |= _numbers_in_code(_text_shown(project, call.name, *call.args))
            except (CookbookError, OSError, TypeError):  # another check reports it
                continue
    return found


def _text_shown(project: Project, macro: str, path: str, *symbols: str) -> str:
    if macro == "code":
        return snippets.cut(project, path, *symbols).text
    return (project.recipes / path).read_text(encoding="utf-8")


@cache
def _proof_numbers(project: Project, test: str) -> frozenset[float | str]:
    """The numbers of a proof: in its sentences, its source, and the definitions that it uses, directly or not."""
    recipe, _, name = test.partition("::")
    defined = _definitions(project, recipe)
    found: set[float | str] = set()
    used, unread = set(), [name]
    while unread:
        symbol = unread.pop()
        if symbol not in defined or symbol in used:
            continue
        used.add(symbol)
        unread += defined[symbol].names
        found |= defined[symbol].numbers
    return frozenset(found)


@cache
def _definitions(project: Project, recipe: str) -> dict[str, Definition]:
    """What the proof module of *recipe* and the modules beside it that it imports define."""
    module = records.proof_module(project, recipe)
    found: dict[str, Definition] = {}
    for file in reversed(records.modules(module) if module.exists() else []):
        found |= _definitions_in(file.read_text(encoding="utf-8"))
    return found


@lru_cache(maxsize=512)  # several recipes share some
def _definitions_in(text: str) -> dict[str, Definition]:
    """What a module whose source is *text* defines."""
    lines = text.splitlines()
    found: dict[str, Definition] = {}
    for statement in ast.parse(text).body:
        if python_source.is_import(statement):
            continue
        first = min(node.lineno for node in (statement, *getattr(statement, "decorator_list", ())))
        numbers = _numbers_in_code("\n".join(lines[first - 1 : statement.end_lineno]))
        if isinstance(statement, ast.FunctionDef):
            sentences = ast.get_docstring(statement) or ""
            numbers |= {number.value for language in LANGUAGES for number in numbers_in(sentences, language)}
        names = frozenset(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
        found |= dict.fromkeys(python_source.bound_names(statement), Definition(names, frozenset(numbers)))
    return found


@cache
def _versions(project: Project) -> set[float | str]:
    """The versions that the project requires, and the older releases that it runs."""
    files = [project.root / "pyproject.toml", project.recipes / "requirements.txt"]
    files += sorted((project.root / "tests" / "environments").glob("celery-*.in"))
    written = " ".join(file.name + file.read_text(encoding="utf-8") for file in files if file.exists())
    return {celery.__version__, *re.findall(r"\d+(?:\.\d+)+", written)}
