"""The numbers of the pages' prose: each comes from a proof, a macro or the code shown, and none from nowhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import celery

from cookbook.checks.inline_code import Faults
from cookbook.evidence import records
from cookbook.project import CookbookError, Project
from cookbook.sources import pages, reading, snippets
from cookbook.sources.pages import Page

MACROS = ("code", "transcript")  # what they show, the prose around may speak of
UNITS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
}
TENS = {  # from twenty on
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "fr": "vingt trente quarante cinquante soixante",
}
SCALES = {"en": {"hundred": 100, "thousand": 1000}, "fr": {"cent": 100, "cents": 100, "mille": 1000}}
LEAST = 3  # the words for one and two are articles and pairs as often as numbers
DIGITS = {
    "en": r"(?<![\w.,#/^-])\d+(?:,\d{3})*(?:\.\d+)*(?!\w)",
    "fr": r"(?<![\w.,#/^-])\d+(?:[\u00a0\u202f]\d{3})*(?:[.,]\d+)*(?!\w)",
}
_MEASURED = re.compile(r"[\s\u00a0\u202f]*(?:s|ms|%|[KMG]i?[Bo]|seconds?|secondes?|times|fois)\b")
_BLOCK = re.compile(r"^[ \t>]*(?:(?:[-*+]|\d+\.)[ \t]|\||#)|^[ \t]*$")
_LIST = re.compile(r"^[ \t>]*\d+\.[ \t]")
_PLAIN = re.compile(r"(?<![\w.])(?<!\w-)\d+(?:_\d{3})*(?:\.\d+)*")


class Count(NamedTuple):
    """How many sentences of a page point to their proof, how many numbers its prose has, how many come from macros."""

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
    names = [call.name for call in page.calls]
    numbers = sum(1 for _, text in _blocks(page) for _ in numbers_in(text, language))
    return Count(names.count("proven"), numbers, names.count("default") + names.count("setting"))


def faults(project: Project, page: Page, language: str) -> Faults:
    """The numbers of *page* that neither the proofs of their paragraph nor the code of the page has."""
    shown = _shown_numbers(project, page)
    proofs = [call for call in page.calls if call.name == "proven" and call.args]
    cited = [(call.line, _proof_numbers(project, str(call.args[0]))) for call in proofs]
    quoted = [(line, _plain_numbers(text)) for line, text in page.code]
    everywhere = shown.union(*(numbers for _, numbers in cited))
    for start, text in _blocks(page):
        end = start + text.count("\n")
        near = (numbers for line, numbers in (*cited, *quoted) if start <= line <= end)
        known = everywhere if text.lstrip().startswith("#") else shown.union(*near)
        yield from _unknown(numbers_in(text, language, start), known, project)
    meta = [(pages.meta_line(page, key), str(page.meta.get(key, ""))) for key in ("title", "description")]
    for line, text in (*page.texts, *meta):
        yield from _unknown(numbers_in(text, language, line), everywhere, project)


def _unknown(numbers: Iterable[Number], known: set[float | str], project: Project) -> Faults:
    for number in numbers:
        if number.value not in known and number.value not in _versions(project):
            yield (
                number.line,
                f"{number.written}: a number from nowhere: cite the proof that has it with proven(), take it from a "
                "macro, or say it without",
            )


# Reading numbers -----------------------------------------------------------------------------------------------------


def numbers_in(text: str, language: str, first_line: int = 1) -> Iterator[Number]:
    """The numbers of *text*, a line after the other: digits, and the words for three and more."""
    for line, whole in enumerate(text.splitlines(), first_line):
        words = _LIST.sub("", whole)
        for match in re.finditer(DIGITS[language], words):
            written = match[0]
            is_version = "." in written and not _MEASURED.match(words, match.end())
            plain = re.sub("[\u00a0\u202f]" if language == "fr" else ",", "", written)
            yield Number(line, written, written if is_version else float(plain.replace(",", ".")))
        for match in _words(language).finditer(words):
            if (value := _value(match[0].lower(), language)) >= LEAST:
                yield Number(line, match[0], float(value))


@cache
def _words(language: str) -> re.Pattern[str]:
    """What matches a number in words: `twenty-five`, `two hundred and five`, `soixante et onze`, `quatre-vingt-dix`."""
    unit, tens, scale = (
        "|".join(sorted(words, key=len, reverse=True))
        for words in (UNITS[language].split(), TENS[language].split(), SCALES[language])
    )
    joined = rf"(?:(?:-| et )(?:{unit}))" if language == "fr" else rf"(?:-(?:{unit}))"
    simple = rf"(?:quatre-vingts?(?:-(?:{unit}))*|(?:{tens}){joined}?|(?:{unit})(?:-(?:{unit}))?)"
    whole = rf"(?:(?:{simple} )?(?:{scale})(?: (?:and )?{simple})?|{simple})"
    return re.compile(rf"(?<![\w-]){whole}(?!\w)", re.IGNORECASE)


def _value(words: str, language: str) -> int:
    values = {name: value for value, name in enumerate(UNITS[language].split())}
    values |= dict(zip(TENS[language].split(), range(20, 100, 10), strict=False))
    total = 0
    for word in re.split(r"[- ]", words):
        if word in SCALES[language]:
            total = max(total, 1) * SCALES[language][word]
        elif total == 4 and word in ("vingt", "vingts"):
            total = 80
        else:
            total += values.get(word, 0)  # none: the `and` between two
    return total


def _plain_numbers(source: str) -> set[float | str]:
    """The numbers of a source as values and, where it has points, as text too: 5.6 may be a version there."""
    written = [match[0] for match in _PLAIN.finditer(source)]
    values = {float(number) for number in written if number.count(".") < 2}
    return {*values, *(number for number in written if "." in number)}


# Where numbers come from ---------------------------------------------------------------------------------------------


def _blocks(page: Page) -> Iterator[tuple[int, str]]:
    """(line, text) of each paragraph, item of a list, row of a table and heading."""
    start, block = 1, ""
    for number, line in enumerate(reading.words_only(page.text).split("\n"), 1):
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
        if call.name in MACROS:
            try:
                found |= _plain_numbers(_text_shown(project, call.name, *call.args))
            except (CookbookError, OSError, TypeError):  # told elsewhere
                continue
    return found


def _text_shown(project: Project, macro: str, path: str, *symbols: str) -> str:
    if macro == "code":
        return snippets.cut(project, path, *symbols).text
    return (project.recipes / path).read_text(encoding="utf-8")


@cache
def _proof_numbers(project: Project, test: str) -> frozenset[float | str]:
    """The numbers of a proof: in its sentences, its source, and what it uses of its module and of those beside it."""
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
    """What the proofs of *recipe*, and the modules beside them that they use, define."""
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
        first = min(node.lineno for node in (statement, *getattr(statement, "decorator_list", ())))
        numbers = _plain_numbers("\n".join(lines[first - 1 : statement.end_lineno]))
        if isinstance(statement, ast.FunctionDef):
            sentences = ast.get_docstring(statement) or ""
            numbers |= {number.value for language in UNITS for number in numbers_in(sentences, language)}
        names = frozenset(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
        found |= dict.fromkeys(_bound(statement), Definition(names, frozenset(numbers)))
    return found


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]


@cache
def _versions(project: Project) -> set[float | str]:
    """The versions that the project is about: what it asks for, and the older releases that it runs."""
    files: list[Path] = [project.root / "pyproject.toml", project.recipes / "requirements.txt"]
    files += sorted((project.root / "tests" / "environments").glob("celery-*.in"))
    written = " ".join(file.name + file.read_text(encoding="utf-8") for file in files if file.exists())
    return {celery.__version__, *re.findall(r"\d+(?:\.\d+)+", written)}
