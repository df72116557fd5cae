"""The source of proofs: each test with its sentence, and the code of a module without comments and docstrings."""

from __future__ import annotations

import ast
import hashlib
import re
import textwrap
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cookbook.project import CookbookError, Project

IGNORED_FIELDS = ("ctx", "kind", "type_comment")  # of the syntax tree: they do not change what runs


class ProofSource(NamedTuple):
    """A test in the source of its module.

    ``line`` is its first line, decorators included; ``sentence`` is by language, empty unless its docstring has both
    paragraphs; ``fixtures`` are those it requests, directly or through fixtures of its module.
    """

    line: int
    source: str
    sentence: Mapping[str, str]
    fixtures: frozenset[str]


def tests(project: Project, module: Path) -> Mapping[str, ProofSource]:
    """The tests of *module* by name, in their order; none without that file. CookbookError when it is not Python."""
    return _read(project, module).tests if module.exists() else {}


def code(project: Project, module: Path) -> str:
    """The syntax tree of *module* as text, without docstrings, comments, layout and line numbers.

    It is the same on each version of Python. Raises CookbookError when the module is not Python.
    """
    return _read(project, module).code


def digest_of_code(project: Project, module: Path) -> str:
    """SHA-256 of the code of *module*, as hexadecimal text."""
    return hashlib.sha256(code(project, module).encode()).hexdigest()


def sentence(docstring: str | None) -> dict[str, str]:
    """The two paragraphs of a proof's docstring, English and French; empty when there are not exactly two."""
    paragraphs = re.split(r"\n\s*\n", (docstring or "").strip())
    if len(paragraphs) != 2:
        return {}
    english, french = (" ".join(paragraph.split()) for paragraph in paragraphs)
    return {"en": english, "fr": french}


def imported(source: str) -> frozenset[str]:
    """The modules that *source* imports names from; none when it is not Python."""
    try:
        return _parsed(source).imported
    except SyntaxError:
        return frozenset()


class _Parsed(NamedTuple):
    tests: Mapping[str, ProofSource]
    code: str
    imported: frozenset[str]


def _read(project: Project, module: Path) -> _Parsed:
    try:
        return _parsed(module.read_text(encoding="utf-8"))
    except SyntaxError as error:
        where = f"{project.relative(module)}:{error.lineno}"
        raise CookbookError(f"{where}: not Python ({error.msg}): correct it, then run its proofs again") from error


@cache
def _parsed(source: str) -> _Parsed:
    """What is read of *source*; cached, because a build asks for each mark."""
    tree = ast.parse(source)
    imports_from = (node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
    return _Parsed(_tests(source, tree), _text(tree), frozenset(imports_from))


def _tests(source: str, tree: ast.Module) -> dict[str, ProofSource]:
    lines = source.splitlines()
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    asked = {name: {each.arg for each in node.args.args} for name, node in functions.items()}
    found = {}
    for name, node in functions.items():
        if name.startswith("test_"):
            start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            text = textwrap.dedent("\n".join(lines[start - 1 : node.end_lineno]))
            found[name] = ProofSource(start, text, sentence(ast.get_docstring(node)), _fixtures(asked, name))
    return found


def _fixtures(asked: Mapping[str, set[str]], test: str) -> frozenset[str]:
    found: set[str] = set()
    unread = {test}
    while unread:
        unread |= asked.get(unread.pop(), set()) - found
        found |= unread
    return frozenset(found)


def _text(node: object) -> str:
    """The syntax tree as text. `ast.dump` and `ast.unparse` would differ between versions of Python."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in IGNORED_FIELDS)
        parts = [f"{name}={_text(value)}" for name, value in fields if value is not None and value != []]
        return f"{type(node).__name__}({', '.join(parts)})"
    if isinstance(node, list):
        return f"[{', '.join(_text(each) for each in node if not _is_text(each))}]"
    return ascii(node)


def _is_text(statement: object) -> bool:
    """Whether *statement* is only a string: a docstring, or the explanation below a constant."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
