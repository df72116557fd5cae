"""A mutant, and what it changes: as a value, and as the text that names it in messages and in stored verdicts."""

from __future__ import annotations

import re
from dataclasses import dataclass

FORMS = {
    "removed": "without `{operand}`",
    "emptied": "`{operand}` does nothing",
    "negated": "`not ({operand})`",
    "replaced": "`{operand}` is `{new}`",
}
WRITTEN = re.compile(
    r"(?:without `(?P<removed>.*)`|`(?P<emptied>.*)` does nothing|`not \((?P<negated>.*)\)`"
    r"|`(?P<replaced>.*?)` is `(?P<new>.*)`)(?: \((?P<nth>\d+)\))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Change:
    """What a mutant changes: *kind* is a key of FORMS, *operand* the code as it was, *new* what replaces it.

    *nth* tells equal changes of one line apart. As text it is one of FORMS, ``without `queue="x"` (2)``; this text
    names the change in the verdicts and in tests/recipes/untestable.toml.
    """

    kind: str
    operand: str
    new: str = ""
    nth: int = 1

    @property
    def removes(self) -> bool:
        """Whether it removes something rather than altering it."""
        return self.kind in ("removed", "emptied")

    def __str__(self) -> str:
        text = FORMS[self.kind].format(operand=self.operand, new=self.new)
        return f"{text} ({self.nth})" if self.nth > 1 else text


@dataclass(frozen=True)
class Mutant:
    """One change of a file, on *line* (from 1), and the whole *text* of the file with it."""

    line: int
    change: Change
    text: str


def read_change(text: str) -> Change:
    """The change that *text* names; ValueError for any other text."""
    found = WRITTEN.fullmatch(text)
    if not found:
        raise ValueError(f"no change: {text}")
    kind = next(kind for kind in FORMS if found[kind] is not None)
    return Change(kind, found[kind], found["new"] or "", int(found["nth"] or 1))
