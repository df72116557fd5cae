"""A recipe's file with one thing taken away or altered: a statement, an argument, a setting's value, a flag, a line.

The mutation tools for Python do not fit recipes: mutmut 3 leaves decorated functions alone, and every task is one;
cosmic-ray 8 removes no statement, no argument and no entry of a dict, which is what settings are made of.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace

FLAG = re.compile(r" *(?<![\w-])--?[a-z][\w-]*(?:[ =][^\s\"'|\\-]\S*)?")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\d.])")
SWITCHES_AND_VERSIONS = ("Dockerfile", ".env.example")  # of their numbers, the next one says nothing
_IMPORTS = (ast.Import, ast.ImportFrom)
_NUMERIC = (ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Constant)


@dataclass(frozen=True)
class Mutant:
    """One change of a file: on which line (from 1), what it is, and the whole text that the file has with it."""

    line: int
    change: str
    removes: bool  # rather than alters
    text: str


def mutants(name: str, source: str, shown: Container[int]) -> list[Mutant]:
    """What can be changed on the *shown* lines of the file called *name*, each once, in the order of the lines.

    Imports, docstrings, comments and annotations are left alone: `code()` refuses a name that no import defines, and
    nothing acts on the others.
    """
    names: Counter[tuple[int, str]] = Counter()
    kept = []
    is_another = _telling_apart(name, source)
    for mutant in filter(is_another, _candidates(name, source, shown)):
        names[mutant.line, mutant.change] += 1
        count = names[mutant.line, mutant.change]
        kept.append(replace(mutant, change=f"{mutant.change} ({count})") if count > 1 else mutant)
    return kept


def testable(name: str, source: str, shown: Container[int]) -> set[int]:
    """The *shown* lines of the file called *name* on which something can be changed: those of its `mutants`."""
    found: set[int] = set()
    is_another = _telling_apart(name, source)
    for mutant in _candidates(name, source, shown):
        if mutant.line not in found and is_another(mutant):
            found.add(mutant.line)
    return found


def _candidates(name: str, source: str, shown: Container[int]) -> Iterator[Mutant]:
    """Each other text that a change of a *shown* line makes of *source*, once, in the order of the lines."""
    seen = {source}
    found = _of_python(source) if name.endswith(".py") else _of_lines(source)
    for mutant in sorted(found, key=lambda mutant: (mutant.line, not mutant.removes)):
        may_be = mutant.removes or name not in SWITCHES_AND_VERSIONS
        if may_be and mutant.line in shown and mutant.text not in seen:
            seen.add(mutant.text)
            yield mutant


def _telling_apart(name: str, source: str) -> Callable[[Mutant], bool]:
    """Whether a mutant of *source* is another program; costs as much as reading it."""
    program = ast.dump(ast.parse(source)) if name.endswith(".py") else source

    def is_another(mutant: Mutant) -> bool:
        if not name.endswith(".py"):
            return True
        try:
            return ast.dump(ast.parse(mutant.text)) != program
        except SyntaxError:  # an `elif` by itself is no statement
            return False

    return is_another


# Python --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Change:
    """What stands between two offsets of a source is replaced by *new*; a part of a list goes with its comma."""

    line: int
    change: str
    removes: bool
    start: int
    end: int
    new: str = ""
    is_part: bool = False


class _Source:
    """The bytes of a file, where ast counts columns."""

    def __init__(self, text: str) -> None:
        self.bytes = text.encode()
        lines = self.bytes.splitlines(keepends=True)
        self.starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]

    def span(self, node: ast.expr | ast.stmt | ast.keyword | ast.excepthandler) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.starts[node.lineno - 1] + node.col_offset, self.starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.expr | ast.stmt | ast.keyword | ast.excepthandler) -> str:
        start, end = self.span(node)
        return self.bytes[start:end].decode()

    def changed(self, change: _Change) -> str:
        start, end = change.start, change.end
        if change.is_part:
            if comma := re.compile(rb"\s*,[ \t]*").match(self.bytes, end):
                end = comma.end()
            elif before := re.search(rb",\s*$", self.bytes[:start]):
                start = before.start()
        return (self.bytes[:start] + change.new.encode() + self.bytes[end:]).decode()


def _of_python(text: str) -> Iterator[Mutant]:
    """Only the text of what changes differs: proofs may look for the text around it."""
    source = _Source(text)
    for node in _acting(ast.parse(text)):
        for change in (*_removals(node, source), *_alterations(node, source)):
            yield Mutant(change.line, change.change, change.removes, source.changed(change))


def _acting(node: ast.AST) -> Iterator[ast.AST]:
    """*node* and what acts in it: no annotation, docstring, import or key of a dict; numbers and f-strings whole."""
    yield node
    if isinstance(node, ast.JoinedStr) or _is_number(node) or _is_time(node):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns") or (field == "keys" and isinstance(node, ast.Dict)):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_element = field == "elts" and isinstance(child, ast.Constant)  # that it can go says enough of it
            if isinstance(child, ast.AST) and not (_is_text(child) or is_element or isinstance(child, _IMPORTS)):
                yield from _acting(child)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_number(node: ast.AST) -> bool:
    """Whether *node* is a number, or computed of nothing but numbers."""
    parts = list(ast.walk(node))
    constants = [part.value for part in parts if isinstance(part, ast.Constant)]
    return all(isinstance(part, _NUMERIC) for part in parts) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in constants
    )


def _is_time(node: ast.AST) -> bool:
    """Whether *node* is how long to wait at most: that it waits shows, but not for how long."""
    return isinstance(node, ast.keyword) and node.arg == "timeout" and _is_number(node.value)


def _removals(node: ast.AST, source: _Source) -> Iterator[_Change]:
    if isinstance(node, ast.stmt) and not isinstance(node, ast.Pass | ast.FunctionDef | ast.ClassDef):
        yield _Change(node.lineno, _without(source.text(node)), True, *source.span(node), "pass")
    if isinstance(node, ast.FunctionDef) and len(body := [each for each in node.body if not _is_text(each)]) > 1:
        start, end = source.span(body[0])[0], source.span(body[-1])[1]
        yield _Change(node.lineno, f"`{node.name}` does nothing", True, start, end, "pass")
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        for decorator in node.decorator_list:
            start, end = source.span(decorator)
            yield _Change(decorator.lineno, _without(f"@{source.text(decorator)}"), True, start - 1, end)
    for part, new in _replaceable(node, source):
        yield _Change(part.lineno, _without(source.text(part)), True, *source.span(part), new)
    for first, last in _parts(node):
        start, end = source.span(first)[0], source.span(last)[1]
        if isinstance(node, ast.Dict) and first is last:  # {**other}
            start = source.bytes.rindex(b"**", 0, start)
        what = source.bytes[start:end].decode()
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            [left] = (element for element in node.elts if element is not first)
            yield _Change(first.lineno, _without(what), True, *source.span(node), f"({source.text(left)},)")
        else:
            yield _Change(first.lineno, _without(what), True, start, end, is_part=True)
    if isinstance(node, ast.BoolOp):
        sign = " and " if isinstance(node.op, ast.And) else " or "
        for operand in node.values:
            rest = sign.join(source.text(value) for value in node.values if value is not operand)
            yield _Change(operand.lineno, _without(source.text(operand)), True, *source.span(node), f"({rest})")


def _parts(node: ast.AST) -> Iterable[tuple[ast.expr | ast.keyword, ast.expr | ast.keyword]]:
    """The first and the last node of each part of *node* that can go with its comma."""
    if isinstance(node, ast.Call):
        return [(keyword, keyword) for keyword in node.keywords]
    if isinstance(node, ast.Dict):
        return [(key or value, value) for key, value in zip(node.keys, node.values, strict=True)]
    if isinstance(node, ast.Set) or (isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load)):
        return [(element, element) for element in node.elts]
    return ()


def _replaceable(node: ast.AST, source: _Source) -> Iterator[tuple[ast.expr | ast.excepthandler, str]]:
    """The parts of *node* that something empty can stand in for, and what does."""
    if isinstance(node, ast.ClassDef):
        yield from ((base, "object") for base in node.bases)
    if isinstance(node, ast.comprehension):
        yield from ((test, "True") for test in node.ifs)
    if isinstance(node, ast.Try):
        alone = len(node.handlers) == 1 and not node.finalbody
        yield from ((handler, "finally: pass" if alone else "") for handler in node.handlers)
    if isinstance(node, ast.With) and len(node.items) > 1:
        for item in node.items:
            yield item.context_expr, "__import__('contextlib').nullcontext()"


def _alterations(node: ast.AST, source: _Source) -> Iterator[_Change]:
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        test = source.text(node.test)
        yield _Change(node.test.lineno, f"`not ({test})`", False, *source.span(node.test), f"(not ({test}))")
    if isinstance(node, ast.keyword) and _is_time(node):
        yield _altered(node.value, "0", source)
    elif isinstance(node, ast.expr) and _is_number(node):
        number = ast.literal_eval(node) if isinstance(node, ast.Constant | ast.UnaryOp) else None
        yield _altered(node, f"({source.text(node)} + 1)" if number is None else repr(number + 1), source)
    elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
        text = source.text(node)
        yield _altered(node, f"{text[:-1]}x{text[-1]}", source)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _altered(node, str(not node.value), source)


def _altered(node: ast.expr, new: str, source: _Source) -> _Change:
    return _Change(node.lineno, f"`{_first_line(source.text(node))}` is `{new}`", False, *source.span(node), new)


def _without(text: str) -> str:
    return f"without `{_first_line(text)}`"


def _first_line(text: str) -> str:
    first, more, _ = text.partition("\n")
    return f"{first.rstrip()} …" if more else first


# Other files ---------------------------------------------------------------------------------------------------------


def _of_lines(text: str) -> Iterator[Mutant]:
    """Lines with what is indented below them, the flags and the numbers in them."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        words = line.strip().rstrip("\\").strip()
        if not words or re.match(r"#(?!!)", words):
            continue

        def changed(*new: str, until: int = 0) -> str:
            return "\n".join([*lines[:at], *new, *lines[max(at + 1, until) :]])  # noqa: B023  # called at once

        depth = len(line) - len(line.lstrip())
        below = next((n for n in range(at + 1, len(lines)) if _depth(lines[n]) <= depth), len(lines))
        until = below if words.endswith(":") else at + 1
        yield Mutant(at + 1, _without(words), True, changed(until=until))
        for match in FLAG.finditer(line):
            if match[0].strip() != words:
                left = line[: match.start()] + line[match.end() :]
                yield Mutant(at + 1, _without(match[0].strip()), True, changed(left))
        for match in NUMBER.finditer(line):
            new = f"{float(match[0]) + 1:g}" if "." in match[0] else str(int(match[0]) + 1)
            left = line[: match.start()] + new + line[match.end() :]
            yield Mutant(at + 1, f"`{match[0]}` is `{new}`", False, changed(left))


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
