"""`cookbook.testing` is the only part of the machinery that proofs import."""

import ast

from cookbook import testing
from tests.cookbook.mini import HOUSE


def test_every_name_that_it_promises_is_there():
    assert [name for name in testing.__all__ if not hasattr(testing, name)] == []


def test_proofs_import_nothing_else_of_the_machinery():
    imported: dict[str, list[str]] = {}
    for file in sorted(HOUSE.proofs.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [each.name for each in node.names] if isinstance(node, ast.Import) else []
            for name in modules:
                if name and name.partition(".")[0] == "cookbook":
                    imported.setdefault(name, []).append(file.name)
    assert list(imported) == ["cookbook.testing"]
