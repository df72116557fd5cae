"""A Django process that runs the code it receives: the web side of a stack, like `manage.py shell`.

Standard input: a line of JSON, the source. Standard output: a line of JSON behind RECORD, with the value of the last
expression or the error; every other output is the code's own.
"""

from __future__ import annotations

import ast
import json
import sys
from typing import Any

import django

RECORD = "\x1e"


def main() -> None:
    """Set Django up, then answer each line of standard input."""
    django.setup()
    namespace: dict[str, Any] = {}
    send({"value": "ready"})
    for line in sys.stdin:
        send(run(json.loads(line), namespace))


def send(answer: dict[str, Any]) -> None:
    """Write the answer as one line, in one call, so that no log line of a thread splits it."""
    sys.stdout.write(f"{RECORD}{json.dumps(answer, default=str)}\n")
    sys.stdout.flush()


def run(source: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """Run *source* in *namespace*: the ``value`` of its last expression, or the ``error`` that it raises."""
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
