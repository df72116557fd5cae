"""Regions: the named parts of a file that is not Python, between ``# region: name`` and ``# endregion: name``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence

from cookbook.project import CookbookError
from cookbook.sources.python_source import unknown_name

MARKER = re.compile(r"\s*(?:#|//|;|--|<!--)\s*(region|endregion):\s*(.*?)\s*(?:-->)?\s*")


def find_regions(lines: Sequence[str], where: str) -> dict[str, range]:
    """The line numbers (from 1) between the markers of each region; CookbookError for markers that do not pair."""
    opened: dict[str, int] = {}
    closed: dict[str, range] = {}
    for number, line in enumerate(lines, 1):
        if not (marker := MARKER.fullmatch(line)):
            continue
        kind, name = marker.groups()
        if not re.fullmatch(r"[\w-]+", name):
            raise CookbookError(f'{where}:{number}: invalid region name "{name}": use letters, digits, - and _')
        if kind == "endregion" and name not in opened:
            raise CookbookError(f'{where}:{number}: region "{name}" ends but is not open: add "region: {name}" above')
        if kind == "endregion":
            closed[name] = range(opened.pop(name) + 1, number)
            if not any(lines[at - 1].strip() and not MARKER.fullmatch(lines[at - 1]) for at in closed[name]):
                raise CookbookError(f'{where}:{number}: region "{name}" is empty: remove its markers')
        elif name in opened or name in closed:
            first = opened.get(name) or closed[name].start - 1
            raise CookbookError(f'{where}:{number}: region "{name}" is already on line {first}: rename one')
        else:
            opened[name] = number
    for name, number in opened.items():
        raise CookbookError(f'{where}:{number}: region "{name}" is not closed: add "endregion: {name}" below')
    return closed


def region_lines(lines: Sequence[str], marked: Mapping[str, range], names: Sequence[str], where: str) -> list[int]:
    """The numbers (from 1) of the lines of the regions called *names*, or of the whole file, without markers.

    Raises CookbookError when *marked*, which `find_regions` gave, has no region of a name.
    """
    for name in names:
        if name not in marked:
            raise unknown_name(where, "region", name, marked)
    numbers = {number for name in names for number in marked[name]} if names else range(1, len(lines) + 1)
    return [number for number in sorted(numbers) if not MARKER.fullmatch(lines[number - 1])]


def cut_lines(lines: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """The lines with these *numbers*, dedented together; one blank line replaces the lines that are left out."""
    shown: list[str] = []
    last = 0
    for number in numbers:
        skipped = [line for line in lines[last : number - 1] if not MARKER.fullmatch(line)]
        shown += [*([""] if any(line.strip() for line in skipped) else skipped), lines[number - 1]]
        last = number
    return textwrap.dedent("\n".join(shown)).split("\n")
