"""Python cut out of a recipe file by symbol, with the imports that it uses, so that it stands alone."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedExport, UndefinedName

from cookbook.project import CookbookError
from cookbook.suggest import most_similar_first

LINE_LENGTH = 120  # that recipes are formatted to, as pyproject.toml tells ruff
ALWAYS = "__future__"  # changes how the code around it is read, so it comes along unasked
STAR = "*"
_Import = ast.Import | ast.ImportFrom


def cut_python(lines: Sequence[str], symbols: Sequence[str], where: str, given: Set[str] = frozenset()) -> list[str]:
    """The lines that define *symbols*, in source order, behind their imports; all *lines* when no symbol is named.

    *where* names the file in errors; *given* are the names of the file that readers add the lines to. CookbookError
    when it cannot be parsed, when a symbol is unknown or defined twice, and when a name would be used that is neither
    shown nor imported nor given.
    """
    source = "\n".join(lines)
    try:
        tree, known = _read(source)
    except SyntaxError as error:
        raise CookbookError(f"{where}:{error.lineno}: {error.msg}: correct it, then run the recipe") from None
    if not symbols:
        _refuse(
            f"{where}:{line}: '{name}' is used but nowhere defined: define or import it"
            for name, line in undefined(source, where).items()
        )
        return list(lines)
    pieces = _chosen(known, symbols, where)
    numbers = _numbers(pieces, lines)
    body = [lines[number - 1] if number else "" for number in numbers]
    hidden = known.keys() - set(symbols)
    imports, missing = imports_for("\n".join(body), tree, lines, where)
    missing = {name: at for name, at in missing.items() if name not in given}
    faults = []
    for name, at in missing.items():
        line = numbers[at - 1]
        user = next(piece.symbol for piece in pieces if piece.first <= line <= piece.last)
        why = f'not shown: add "{name}" to the call' if name in hidden else "nowhere defined: define or import it"
        faults.append(f"{where}:{line}: '{name}' is used by {user} but {why}")
    _refuse(faults)
    if not imports:
        return body
    return [*imports, "", *([""] if pieces[0].is_block else []), *body]


def symbol_lines(lines: Sequence[str], symbols: Sequence[str], where: str) -> list[int]:
    """The numbers (from 1) of the lines that define *symbols*; CookbookError when one is unknown or defined twice."""
    _, known = _read("\n".join(lines))
    return [number for number in _numbers(_chosen(known, symbols, where), lines) if number]


def _refuse(faults: Iterable[str]) -> None:
    if line := "; ".join(faults):
        raise CookbookError(line)


def unknown(where: str, what: str, name: str, names: Iterable[str]) -> CookbookError:
    """The error for a *name* that is none of *names*, which it lists, the most similar first."""
    has = ", ".join(f'"{known}"' for known in most_similar_first(name, list(names))) or "none"
    return CookbookError(f'{where}: no {what} "{name}": the file has {has}')


def bound_names(source: str) -> set[str]:
    """The names that a module defines itself, imports apart."""
    return {name for statement in ast.parse(source).body if not is_import(statement) for name in _bound(statement)}


# Symbols -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Piece:
    """Lines that are shown together, *first* and *last* included, both from 1."""

    first: int
    last: int
    symbol: str
    is_block: bool = False  # a function or a class, which blank lines set apart
    member_of: _Piece | None = None  # for a member of a class: the class's first line, with what stands above it


@lru_cache(maxsize=512)
def _read(source: str) -> tuple[ast.Module, Mapping[str, Sequence[_Piece]]]:
    """The tree of *source*, and its pieces: pages show a file symbol by symbol."""
    tree = ast.parse(source)
    return tree, _pieces(tree, source.split("\n"))


def _pieces(tree: ast.Module, lines: Sequence[str]) -> dict[str, list[_Piece]]:
    """The pieces that define each symbol: a module's names, ``Class.name`` for the members of its classes."""
    pieces: dict[str, list[_Piece]] = {}
    for statement in tree.body:
        if is_import(statement):
            continue
        for name in _bound(statement):
            pieces.setdefault(name, []).append(_piece(statement, name, lines))
        if isinstance(statement, ast.ClassDef):
            whole = _piece(statement, statement.name, lines)
            last = _piece(statement.body[0], "", lines).first - 1
            head = _Piece(whole.first, last, statement.name, is_block=True)
            for member in statement.body:
                for name in _bound(member):
                    symbol = f"{statement.name}.{name}"
                    pieces.setdefault(symbol, []).append(_piece(member, symbol, lines, head))
    return pieces


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a statement defines, whatever it is: ``x += 1`` and ``with a as x:`` too."""
    table = symtable.symtable(ast.unparse(statement), "", "exec")
    return [symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()]


def _piece(statement: ast.stmt, symbol: str, lines: Sequence[str], member_of: _Piece | None = None) -> _Piece:
    """The lines of a statement, with its decorators and the comment that stands right above."""
    first = min(node.lineno for node in (statement, *getattr(statement, "decorator_list", ())))
    while first > 1 and lines[first - 2].lstrip().startswith("#"):
        first -= 1
    is_block = isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    assert statement.end_lineno is not None
    return _Piece(first, statement.end_lineno, symbol, is_block, member_of)


def _chosen(known: Mapping[str, Sequence[_Piece]], symbols: Sequence[str], where: str) -> list[_Piece]:
    """The pieces of *symbols* in source order, each once, with the class lines that members need above them."""
    chosen: dict[int, _Piece] = {}
    for symbol in symbols:
        if symbol not in known:
            raise unknown(where, "function, class or assignment", symbol, known)
        piece, *others = known[symbol]
        if others:
            numbers = " and ".join(str(other.first) for other in (piece, *others))
            raise CookbookError(f'{where}:{piece.first}: "{symbol}" is defined on lines {numbers}: rename one')
        if piece.member_of:
            chosen.setdefault(piece.member_of.first, piece.member_of)
        chosen[piece.first] = piece
    pieces = [chosen[first] for first in sorted(chosen)]
    for before, piece in pairwise(pieces):
        if piece.first <= before.last:
            raise CookbookError(f'{where}: "{piece.symbol}" is part of "{before.symbol}": name one of them')
    return pieces


def _numbers(pieces: Sequence[_Piece], lines: Sequence[str]) -> list[int]:
    """The number of each line to show, 0 for a blank line that is not the source's."""
    numbers = [*range(pieces[0].first, pieces[0].last + 1)]
    for before, piece in pairwise(pieces):
        between = range(before.last + 1, piece.first)
        if all(not lines[number - 1].strip() or lines[number - 1].lstrip().startswith("#") for number in between):
            numbers += between  # neighbours keep their distance
        elif piece.member_of:
            numbers += [0] if before is not piece.member_of else []
        else:
            numbers += [0, 0] if before.is_block or before.member_of or piece.is_block else [0]
        numbers += range(piece.first, piece.last + 1)
    return numbers


# Imports -------------------------------------------------------------------------------------------------------------


def undefined(code: str, filename: str) -> dict[str, int]:
    """The names that *code* uses and does not define, with the line (from 1) of their first use, in that order.

    Behind a star import no name is known to be undefined.
    """
    lines: dict[str, int] = {}
    for message in sorted(Checker(ast.parse(code), filename=filename).messages, key=lambda message: message.lineno):
        if isinstance(message, UndefinedName | UndefinedExport):
            lines.setdefault(message.message_args[0], message.lineno)
    return lines


def is_import(statement: ast.stmt) -> bool:
    """Whether a module-level statement only imports: alone, or below ``if TYPE_CHECKING:``."""
    if isinstance(statement, ast.If):
        guarded = ast.unparse(statement.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"} and not statement.orelse
        return guarded and all(isinstance(inner, _Import) for inner in statement.body)
    return isinstance(statement, _Import)


def imports_for(body: str, tree: ast.Module, source: Sequence[str], filename: str) -> tuple[list[str], dict[str, int]]:
    """The import lines that *body*, cut out of a file, needs; and what stays undefined, by line of *body* (from 1).

    *tree* and *source* are the file's. A star import gives no name: what comes from it stays undefined.
    """
    statements = list(_imports(tree))
    importable = {_name(alias) for statement, _ in statements for alias in statement.names} - {STAR}
    names: set[str] = set()
    while True:
        lines = _written(statements, _wanted(statements, names, body), source)
        missing = undefined("\n".join([*lines, body]), filename)
        more = missing.keys() & importable - names
        if not more:
            break
        names |= more  # the imports may need names themselves: TYPE_CHECKING
    return lines, {name: line - len(lines) for name, line in missing.items()}


def _imports(tree: ast.Module) -> Iterator[tuple[_Import, ast.If | None]]:
    """Every module-level import, with the ``if TYPE_CHECKING:`` around it."""
    for statement in filter(is_import, tree.body):
        guard = statement if isinstance(statement, ast.If) else None
        for inner in guard.body if guard else [statement]:
            assert isinstance(inner, _Import)
            yield inner, guard


def _name(alias: ast.alias) -> str:
    """The name that an import defines: ``import a.b`` defines ``a``."""
    return alias.asname or alias.name.partition(".")[0]


def _wanted(statements: Sequence[tuple[_Import, ast.If | None]], names: Set[str], body: str) -> set[ast.alias]:
    """The parts of import statements that define *names*; of ``import a.b`` and ``import a.c``, those *body* uses."""
    used = {ast.unparse(node) for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Attribute)}
    by_name: dict[str, list[ast.alias]] = {}
    wanted: set[ast.alias] = set()
    for statement, _ in statements:
        if isinstance(statement, ast.ImportFrom) and statement.module == ALWAYS:
            wanted.update(statement.names)
        for alias in statement.names:
            by_name.setdefault(_name(alias), []).append(alias)
    for name in names & by_name.keys():
        exact = [alias for alias in by_name[name] if alias.asname or "." not in alias.name or alias.name in used]
        wanted.update(exact or by_name[name])
    return wanted


def _written(
    statements: Sequence[tuple[_Import, ast.If | None]],
    wanted: Set[ast.alias],
    source: Sequence[str],
) -> list[str]:
    """The lines of the *wanted* imports, in the groups that blank lines make of them in the *source*."""
    lines: list[str] = []
    end = 0
    guarded: ast.If | None = None
    for statement, guard in statements:
        kept = [alias for alias in statement.names if alias in wanted]
        if not kept:
            continue
        if lines and not all(line.strip() for line in source[end : statement.lineno - 1]):
            lines.append("")
        if guard and guard is not guarded:
            lines.append(source[guard.lineno - 1])
        lines += _trimmed(statement, kept, source)
        assert statement.end_lineno is not None
        end, guarded = statement.end_lineno, guard
    return lines


def _trimmed(statement: _Import, kept: list[ast.alias], source: Sequence[str]) -> list[str]:
    """The lines of one import statement with only the *kept* names, laid out as ``ruff format`` does."""
    if len(kept) == len(statement.names):
        return list(source[statement.lineno - 1 : statement.end_lineno])
    indent = " " * statement.col_offset
    if isinstance(statement, ast.Import):
        return [indent + ast.unparse(ast.Import(kept))]
    line = indent + ast.unparse(ast.ImportFrom(statement.module, kept, statement.level))
    if len(line) <= LINE_LENGTH:
        return [line]
    head, _, _ = line.partition(" import ")
    return [f"{head} import (", *(f"{indent}    {ast.unparse(alias)}," for alias in kept), f"{indent})"]
