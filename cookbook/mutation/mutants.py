"""Makes mutants of a recipe's file: copies with one thing removed or altered: a statement, a setting, a flag, a line.

The mutation tools for Python do not fit recipes: mutmut 3 leaves decorated functions alone, and every task is one;
cosmic-ray 8 removes no statement, no argument and no entry of a dict, and settings consist of these.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

from cookbook.mutation.changes import Change, Mutant

FLAG = re.compile(r" *(?<![\w-])--?[a-z][\w-]*(?:[ =][^\s\"'|\\-]\S*)?")
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\d.])")
NUMBERS_UNTESTED = ("Dockerfile", ".env.example")  # their numbers are versions and switches: the next one means nothing
IMPORTS = (ast.Import, ast.ImportFrom)
NUMERIC = (ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.Constant)


def mutants(name: str, source: str, shown: Container[int]) -> list[Mutant]:
    """The mutants of the *shown* lines of the file called *name*, each once, in the order of the lines.

    Imports, docstrings, comments and annotations stay as they are: `code()` refuses a name that no import defines, and
    the others change nothing that runs.
    """
    seen, original = {source}, _program(name, source)
    equal: Counter[tuple[int, Change]] = Counter()
    kept = []
    found = _of_python(source) if name.endswith(".py") else _of_lines(source, numbers=name not in NUMBERS_UNTESTED)
    for mutant in sorted(found, key=lambda mutant: (mutant.line, not mutant.change.removes)):
        if mutant.line not in shown or mutant.text in seen:
            continue
        seen.add(mutant.text)
        if _program(name, mutant.text) not in (None, original):
            equal[mutant.line, mutant.change] += 1
            kept.append(replace(mutant, change=replace(mutant.change, nth=equal[mutant.line, mutant.change])))
    return kept


def _program(name: str, text: str) -> str | None:
    """What counts of the *text* of a file: of Python its syntax tree, None when it has none."""
    if not name.endswith(".py"):
        return text
    try:
        return ast.dump(ast.parse(text))
    except SyntaxError:  # such as an `elif` without its `if`
        return None


# Python --------------------------------------------------------------------------------------------------------------

Node = ast.expr | ast.stmt | ast.keyword | ast.excepthandler


class _Source:
    """A file as bytes, since ast counts columns in bytes; makes the mutants that change a span of them.

    Only the changed span differs: proofs may look for the text around it.
    """

    def __init__(self, text: str) -> None:
        self.bytes = text.encode()
        lines = self.bytes.splitlines(keepends=True)
        self.starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]

    def span(self, first: Node, last: Node | None = None) -> tuple[int, int]:
        """The offsets of the bytes from the start of *first* to the end of *last*, by default its own."""
        last = last or first
        assert last.end_lineno and last.end_col_offset
        return self.starts[first.lineno - 1] + first.col_offset, self.starts[last.end_lineno - 1] + last.end_col_offset

    def text(self, node: Node) -> str:
        start, end = self.span(node)
        return self.bytes[start:end].decode()

    def mutant(self, line: int, change: Change, span: tuple[int, int], new: str = "") -> Mutant:
        """The mutant with *new* in the place of *span*."""
        start, end = span
        return Mutant(line, change, (self.bytes[:start] + new.encode() + self.bytes[end:]).decode())

    def with_comma(self, start: int, end: int) -> tuple[int, int]:
        """The span of a part of a list and of the comma after it, or else before it."""
        if comma := re.compile(rb"\s*,[ \t]*").match(self.bytes, end):
            return start, comma.end()
        before = re.search(rb",\s*$", self.bytes[:start])
        return (before.start() if before else start), end


def _of_python(text: str) -> Iterator[Mutant]:
    source = _Source(text)
    for node in _acting(ast.parse(text)):
        yield from _removals(node, source)
        yield from _alterations(node, source)


def _acting(node: ast.AST) -> Iterator[ast.AST]:
    """*node* and what acts in it: no annotation, docstring, import or key of a dict; numbers and f-strings whole."""
    yield node
    if isinstance(node, ast.JoinedStr) or _is_number(node) or _is_timeout(node):
        return
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns") or (field == "keys" and isinstance(node, ast.Dict)):
            continue
        for child in value if isinstance(value, list) else [value]:
            is_element = field == "elts" and isinstance(child, ast.Constant)  # its removal is test enough
            if isinstance(child, ast.AST) and not (_is_text(child) or is_element or isinstance(child, IMPORTS)):
                yield from _acting(child)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_number(node: ast.AST) -> bool:
    """Whether *node* is a number, or computed of nothing but numbers."""
    parts = list(ast.walk(node))
    constants = [part.value for part in parts if isinstance(part, ast.Constant)]
    return all(isinstance(part, NUMERIC) for part in parts) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in constants
    )


def _is_timeout(node: ast.AST) -> bool:
    """Whether *node* is a timeout: a proof sees that the code waits, but not for how long at most."""
    return isinstance(node, ast.keyword) and node.arg == "timeout" and _is_number(node.value)


def _removals(node: ast.AST, source: _Source) -> Iterator[Mutant]:
    for part, new in _replaceable(node):
        yield source.mutant(part.lineno, _without(source.text(part)), source.span(part), new)
    if isinstance(node, ast.FunctionDef) and len(body := [each for each in node.body if not _is_text(each)]) > 1:
        change = Change("emptied", node.name)
        yield source.mutant(node.lineno, change, source.span(body[0], body[-1]), "pass")
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        for decorator in node.decorator_list:
            start, end = source.span(decorator)
            yield source.mutant(decorator.lineno, _without(f"@{source.text(decorator)}"), (start - 1, end))
    for first, last in _parts(node):
        start, end = source.span(first, last)
        if isinstance(node, ast.Dict) and first is last:  # {**other}
            start = source.bytes.rindex(b"**", 0, start)
        change = _without(source.bytes[start:end].decode())
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            [left] = (element for element in node.elts if element is not first)
            yield source.mutant(first.lineno, change, source.span(node), f"({source.text(left)},)")
        else:
            yield source.mutant(first.lineno, change, source.with_comma(start, end))
    if isinstance(node, ast.BoolOp):
        sign = " and " if isinstance(node.op, ast.And) else " or "
        for operand in node.values:
            rest = sign.join(source.text(value) for value in node.values if value is not operand)
            yield source.mutant(operand.lineno, _without(source.text(operand)), source.span(node), f"({rest})")


def _replaceable(node: ast.AST) -> Iterator[tuple[Node, str]]:
    """The parts of *node* that something empty can replace, and what does."""
    if isinstance(node, ast.stmt) and not isinstance(node, ast.Pass | ast.FunctionDef | ast.ClassDef):
        yield node, "pass"
    if isinstance(node, ast.ClassDef):
        yield from ((base, "object") for base in node.bases)
    if isinstance(node, ast.comprehension):
        yield from ((test, "True") for test in node.ifs)
    if isinstance(node, ast.Try):
        alone = len(node.handlers) == 1 and not node.finalbody
        yield from ((handler, "finally: pass" if alone else "") for handler in node.handlers)
    if isinstance(node, ast.With) and len(node.items) > 1:
        yield from ((item.context_expr, "__import__('contextlib').nullcontext()") for item in node.items)


def _parts(node: ast.AST) -> Iterable[tuple[ast.expr | ast.keyword, ast.expr | ast.keyword]]:
    """The first and the last node of each part of *node* that can go with its comma."""
    if isinstance(node, ast.Call):
        return [(keyword, keyword) for keyword in node.keywords]
    if isinstance(node, ast.Dict):
        return [(key or value, value) for key, value in zip(node.keys, node.values, strict=True)]
    if isinstance(node, ast.Set) or (isinstance(node, ast.List | ast.Tuple) and isinstance(node.ctx, ast.Load)):
        return [(element, element) for element in node.elts]
    return ()


def _alterations(node: ast.AST, source: _Source) -> Iterator[Mutant]:
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        test = source.text(node.test)
        yield source.mutant(node.test.lineno, Change("negated", test), source.span(node.test), f"(not ({test}))")
    if isinstance(node, ast.keyword) and _is_timeout(node):
        yield _replaced(node.value, "0", source)
    elif isinstance(node, ast.expr) and _is_number(node):
        number = ast.literal_eval(node) if isinstance(node, ast.Constant | ast.UnaryOp) else None
        yield _replaced(node, f"({source.text(node)} + 1)" if number is None else repr(number + 1), source)
    elif isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
        text = source.text(node)
        yield _replaced(node, f"{text[:-1]}x{text[-1]}", source)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _replaced(node, str(not node.value), source)


def _replaced(node: ast.expr, new: str, source: _Source) -> Mutant:
    change = Change("replaced", _first_line(source.text(node)), new)
    return source.mutant(node.lineno, change, source.span(node), new)


def _without(text: str) -> Change:
    return Change("removed", _first_line(text))


def _first_line(text: str) -> str:
    first, more, _ = text.partition("\n")
    return f"{first.rstrip()} …" if more else first


# Other files ---------------------------------------------------------------------------------------------------------


def _of_lines(text: str, *, numbers: bool) -> Iterator[Mutant]:
    """Lines with what is indented below them, the flags in them, and the *numbers* if these are to change."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        words = line.strip().rstrip("\\").strip()
        if not words or re.match(r"#(?!!)", words):
            continue
        below = next((n for n in range(at + 1, len(lines)) if _depth(lines[n]) <= _depth(line)), len(lines))
        until = below if words.endswith(":") else at + 1
        yield Mutant(at + 1, _without(words), "\n".join(lines[:at] + lines[until:]))
        edits = [(match, Change("removed", match[0].strip())) for match in FLAG.finditer(line)]
        if numbers:
            edits += [(match, Change("replaced", match[0], _next(match[0]))) for match in NUMBER.finditer(line)]
        for match, change in edits:
            if change != _without(words):
                edited = line[: match.start()] + change.new + line[match.end() :]
                yield Mutant(at + 1, change, "\n".join([*lines[:at], edited, *lines[at + 1 :]]))


def _next(number: str) -> str:
    return f"{float(number) + 1:g}" if "." in number else str(int(number) + 1)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip())
