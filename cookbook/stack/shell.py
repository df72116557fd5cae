"""A Django process that runs the code it is sent: the web side of a stack, as `manage.py shell` would be.

Standard input: a line of JSON, the source. Standard output: a line of JSON behind RECORD, with the value of the last
expression or the error; everything else printed there is the code's own.
"""

from __future__ import annotations

import ast
import json
import sys
from typing import Any

import django

RECORD = "\x1e"


def main() -> None:
    django.setup()
    namespace: dict[str, Any] = {}
    tell({"value": "ready"})
    for line in sys.stdin:
        tell(reply(json.loads(line), namespace))


def tell(answer: dict[str, Any]) -> None:
    """Write a line in one piece: what a thread logs meanwhile must not come before its end."""
    sys.stdout.write(f"{RECORD}{json.dumps(answer, default=str)}\n")
    sys.stdout.flush()


def reply(source: str, namespace: dict[str, Any]) -> dict[str, Any]:
    tree = ast.parse(source)
    last = tree.body[-1] if tree.body else None
    expression = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
    if expression:
        del tree.body[-1]
    try:
        exec(compile(tree, "<django>", "exec"), namespace)  # noqa: S102
        return {"value": eval(compile(expression, "<django>", "eval"), namespace) if expression else None}  # noqa: S307
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    main()
