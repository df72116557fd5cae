"""What a terminal displays of a program's output, without colors, links and cursor movements."""

from __future__ import annotations

import re

# The families of ECMA-48, each in 7 bits (after ESC) and in 8 (a character of C1).
_SEQUENCE = re.compile(
    # Strings: OSC (titles, links), DCS, SOS, PM, APC, to their terminator; without one, to the end of the line.
    r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])(?:[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|[^\x07\x1b\x9c\n]*)"
    r"|(?:\x1b\[|\x9b)(?P<csi>[0-?]*[ -/]*[@-~]?)"  # CSI: colors, cursor movements, erasures
    r"|\x1b[ -/]+[0-~]"  # designations of a character set
    r"|\x1b[0-~]"  # single characters
    r"|(?P<move>[\r\b])"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # other control characters, and an ESC that starts no sequence
)
_ERASES = ("K", "0K", "1K", "2K")


def displayed(printed: str) -> str:
    """The text that a terminal displays after *printed*, with its tabs and line ends.

    A carriage return or a backspace moves back in the line, and the next characters overwrite it, as in a progress bar;
    CSI K erases a part of the line. Other movements of the cursor are ignored: ``"10 %\\r100 %"`` gives ``"100 %"``.
    """
    kept = _SEQUENCE.sub(lambda found: found[0] if found["move"] or found["csi"] in _ERASES else "", printed)
    return "\n".join(_line(line) for line in kept.split("\n"))


def displayed_in(data: object) -> object:
    """*data*, made of dicts, lists and texts, with each text as `displayed` returns it."""
    if isinstance(data, str):
        return displayed(data)
    if isinstance(data, dict):
        return {key: displayed_in(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [displayed_in(value) for value in data]
    return data


def _line(printed: str) -> str:
    """What is left of a line in which the cursor moves back and erases."""
    cells: list[str] = []
    column = read = 0
    for sequence in [*_SEQUENCE.finditer(printed), None]:
        text = printed[read : sequence.start() if sequence else None]
        if text:
            cells += " " * (column - len(cells))
            cells[column : column + len(text)] = text
            column += len(text)
        if sequence is None:
            break
        read = sequence.end()
        if sequence["move"]:
            column = 0 if sequence["move"] == "\r" else max(0, column - 1)
        elif sequence["csi"] in ("K", "0K"):
            del cells[column:]
        elif sequence["csi"] == "1K":
            cells[: column + 1] = " " * min(column + 1, len(cells))
        else:
            cells.clear()
    return "".join(cells)
