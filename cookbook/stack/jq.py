"""`jq` for transcripts on a machine without one: `python -m cookbook.stack.jq [-c] [-r] FILTER <input`.

The wheel of the same name contains libjq; only the printing is ours.
"""

from __future__ import annotations

import argparse
import json
import sys

import jq


def main() -> int:
    """Print what the filter makes of standard input; 5 when it fails, as `jq` does."""
    parser = argparse.ArgumentParser("jq")
    parser.add_argument("-c", "--compact-output", action="store_true")
    parser.add_argument("-r", "--raw-output", action="store_true")
    parser.add_argument("filter")
    asked = parser.parse_args()
    try:
        values = list(jq.compile(asked.filter).input_text(sys.stdin.read()))
    except ValueError as error:
        print(f"jq: error: {error}", file=sys.stderr)
        return 5
    layout = {"separators": (",", ":")} if asked.compact_output else {"indent": 2}
    for value in values:
        raw = asked.raw_output and isinstance(value, str)
        print(value if raw else json.dumps(value, ensure_ascii=False, **layout))
    return 0


if __name__ == "__main__":
    sys.exit(main())
