"""Python cut out of a recipe file by symbol, with the imports that it uses, so that it stands alone."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedExport, UndefinedName

from cookbook.project import CookbookError
from cookbook.suggest import most_similar_first

LINE_LENGTH = 120  # of the recipes, as set for ruff in pyproject.toml
FUTURE = "__future__"  # its imports change how Python reads the code below: a cut always includes them
_Import = ast.Import | ast.ImportFrom


def cut_python(lines: Sequence[str], symbols: Sequence[str], where: str, given: Set[str] = frozenset()) -> list[str]:
    """The lines that define *symbols*, in the order of the file, below their imports; all *lines* without symbols.

    *where* names the file in errors; *given* are names that the reader's file already defines. Raises CookbookError
    when the file cannot be parsed, when a symbol is unknown or defined twice, and when the cut would use a name that is
    neither shown, imported nor given.
    """
    source = "\n".join(lines)
    try:
        tree, known = _read(source)
    except SyntaxError as error:
        raise CookbookError(f"{where}:{error.lineno}: {error.msg}: correct it, then run the recipe") from None
    if not symbols:
        _refuse(
            f"{where}:{line}: '{name}' is used but never defined: define or import it"
            for name, line in _undefined(source, where).items()
        )
        return list(lines)
    pieces = _chosen(known, symbols, where)
    numbers = _numbers(pieces, lines)
    body = [lines[number - 1] if number else "" for number in numbers]
    always = _needed_imports(set(), tree, lines)
    used = _undefined("\n".join([*always, *body]), where)
    imported = {
        _bound_by(alias) for statement in tree.body if isinstance(statement, _Import) for alias in statement.names
    }
    faults = []
    for name in used.keys() - imported - given:
        line = numbers[used[name] - len(always) - 1]
        user = next(piece.symbol for piece in pieces if piece.first <= line <= piece.last)
        hidden = name in known and name not in symbols
        why = f'not shown: add "{name}" to the call' if hidden else "never defined: define or import it"
        faults.append((line, f"{where}:{line}: '{name}' is used by {user} but {why}"))
    _refuse(fault for _, fault in sorted(faults))
    imports = _needed_imports(used.keys(), tree, lines)
    if not imports:
        return body
    return [*imports, "", *([""] if pieces[0].is_block else []), *body]


def symbol_lines(lines: Sequence[str], symbols: Sequence[str], where: str) -> list[int]:
    """The numbers (from 1) of the lines that define *symbols*; CookbookError when one is unknown or defined twice."""
    _, known = _read("\n".join(lines))
    return [number for number in _numbers(_chosen(known, symbols, where), lines) if number]


def unknown_name(where: str, kind: str, name: str, names: Iterable[str]) -> CookbookError:
    """The error for a *name* that is none of *names*; it lists these, the most similar first."""
    has = ", ".join(f'"{known}"' for known in most_similar_first(name, list(names))) or "none"
    return CookbookError(f'{where}: no {kind} "{name}": the file has {has}')


def defined_names(source: str) -> set[str]:
    """The names that a module defines itself, without those that it imports."""
    return {name for statement in ast.parse(source).body if not is_import(statement) for name in bound_names(statement)}


def _refuse(faults: Iterable[str]) -> None:
    if line := "; ".join(faults):
        raise CookbookError(line)


# Symbols -------------------------------------------------------------------------------------------------------------


class _Piece(NamedTuple):
    """Lines that are shown together: *first* and *last* (from 1) belong to it."""

    first: int
    last: int
    symbol: str
    is_block: bool  # a function or a class, which two blank lines separate from its neighbors


@lru_cache(maxsize=512)  # pages show a file symbol by symbol
def _read(source: str) -> tuple[ast.Module, Mapping[str, Sequence[_Piece]]]:
    """The tree of *source*, and the pieces that define each name of the module."""
    tree = ast.parse(source)
    lines = source.split("\n")
    pieces: dict[str, list[_Piece]] = {}
    for statement in tree.body:
        for name in [] if is_import(statement) else bound_names(statement):
            pieces.setdefault(name, []).append(_piece(statement, name, lines))
    return tree, pieces


def bound_names(statement: ast.stmt) -> list[str]:
    """The names that a statement defines, whatever its kind: ``x += 1`` and ``with a as x:`` too."""
    table = symtable.symtable(ast.unparse(statement), "", "exec")
    return [symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()]


def _piece(statement: ast.stmt, symbol: str, lines: Sequence[str]) -> _Piece:
    """The lines of a statement, with its decorators and the comment right above it."""
    first = min(node.lineno for node in (statement, *getattr(statement, "decorator_list", ())))
    while first > 1 and lines[first - 2].startswith("#"):
        first -= 1
    is_block = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return _Piece(first, statement.end_lineno or first, symbol, is_block)


def _chosen(known: Mapping[str, Sequence[_Piece]], symbols: Sequence[str], where: str) -> list[_Piece]:
    """The pieces of *symbols* in the order of the file, each once."""
    chosen: dict[int, _Piece] = {}
    for symbol in symbols:
        if symbol not in known:
            raise unknown_name(where, "function, class or assignment", symbol, known)
        piece, *others = known[symbol]
        if others:
            numbers = " and ".join(str(each.first) for each in known[symbol])
            raise CookbookError(f'{where}:{piece.first}: "{symbol}" is defined on lines {numbers}: rename one')
        chosen[piece.first] = piece
    return [chosen[first] for first in sorted(chosen)]


def _numbers(pieces: Sequence[_Piece], lines: Sequence[str]) -> list[int]:
    """The number of each line to show, 0 for a blank line that is not in the file."""
    numbers = [*range(pieces[0].first, pieces[0].last + 1)]
    for before, piece in pairwise(pieces):
        between = range(before.last + 1, piece.first)
        if all(not lines[number - 1].strip() or lines[number - 1].lstrip().startswith("#") for number in between):
            numbers += between  # neighbors keep their distance
        else:
            numbers += [0, 0] if before.is_block or piece.is_block else [0]
        numbers += range(piece.first, piece.last + 1)
    return numbers


# Imports -------------------------------------------------------------------------------------------------------------


def is_import(statement: ast.stmt) -> bool:
    """Whether *statement* only imports. A block that imports, such as ``try:``, is a symbol like any other."""
    return isinstance(statement, _Import)


def _undefined(code: str, where: str) -> dict[str, int]:
    """The names that *code* uses and does not define, with the line (from 1) of their first use, in that order.

    After a star import, pyflakes reports no name as undefined.
    """
    lines: dict[str, int] = {}
    for message in sorted(Checker(ast.parse(code), filename=where).messages, key=lambda message: message.lineno):
        if isinstance(message, UndefinedName | UndefinedExport):
            lines.setdefault(message.message_args[0], message.lineno)
    return lines


def _needed_imports(names: Set[str], tree: ast.Module, lines: Sequence[str]) -> list[str]:
    """The lines of the imports of *names*, with the blank lines that group them in the file, and without other names.

    ``from a import b, c`` gives ``from a import b`` where *names* has only b.
    """
    found: list[str] = []
    end = 0
    for statement in tree.body:
        if not isinstance(statement, _Import):
            continue
        always = isinstance(statement, ast.ImportFrom) and statement.module == FUTURE
        kept = [alias for alias in statement.names if always or _bound_by(alias) in names]
        if kept:
            between = lines[end : statement.lineno - 1]
            found += [""] if found and not all(line.strip() for line in between) else []
            found += _import_lines(statement, kept, lines)
            end = statement.end_lineno or statement.lineno
    return found


def _bound_by(alias: ast.alias) -> str:
    """The name that an import defines: ``import a.b`` defines ``a``."""
    return alias.asname or alias.name.partition(".")[0]


def _import_lines(statement: _Import, kept: list[ast.alias], lines: Sequence[str]) -> list[str]:
    """The lines of one import with only the *kept* names, laid out as ``ruff format`` does."""
    if len(kept) == len(statement.names):
        return list(lines[statement.lineno - 1 : statement.end_lineno])
    if isinstance(statement, ast.Import):
        return [ast.unparse(ast.Import(kept))]
    line = ast.unparse(ast.ImportFrom(statement.module, kept, statement.level))
    if len(line) <= LINE_LENGTH:
        return [line]
    head, _, _ = line.partition(" import ")
    return [f"{head} import (", *(f"    {ast.unparse(alias)}," for alias in kept), ")"]
