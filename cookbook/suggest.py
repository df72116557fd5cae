"""Suggestions for error messages: which of the known names an unknown one was likely meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

SIMILAR = 0.6  # of 1: the cutoff of difflib


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`` (did you mean …?)`` for the most similar of *names*; empty when none is similar."""
    return _question(difflib.get_close_matches(name, sorted(names), n=1, cutoff=SIMILAR))


def did_you_mean_file(path: str, paths: Iterable[str]) -> str:
    """The same for a file, or for the end of its path.

    A file of the same kind in the same folder is taken for this one under a new name, however different that is; in
    another folder, its name must be similar.
    """
    folder, stem, suffix = _parts(path)
    ranked = []
    for known in sorted(paths):
        its_folder, its_stem, its_suffix = _parts("/".join(known.split("/")[-len(path.split("/")) :]))
        same_kind, alike = suffix == its_suffix, _ratio(stem, its_stem)
        if alike == 1 or (same_kind and (alike >= SIMILAR or (folder and folder == its_folder))):
            ranked.append((2 * _ratio(folder, its_folder) + alike + same_kind, known))
    return _question([max(ranked, key=lambda each: each[0])[1]] if ranked else [])


def most_similar_first(name: str, names: Collection[str]) -> list[str]:
    """All of *names*, those that are written most like *name* first."""
    return difflib.get_close_matches(name, names, n=len(names) or 1, cutoff=0)


def _parts(path: str) -> tuple[str, str, str]:
    pure = PurePosixPath(path)
    return path.rpartition("/")[0], pure.stem, pure.suffix


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _question(found: list[str]) -> str:
    return f" (did you mean {found[0]}?)" if found else ""
