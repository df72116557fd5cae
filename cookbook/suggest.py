"""Suggestions for error messages: the known name that is most similar to an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

SIMILAR = 0.6  # of 1: the cutoff of difflib


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`` (did you mean …?)`` for the most similar of *names*; empty when none is similar."""
    return _suggestion(difflib.get_close_matches(name, sorted(names), n=1, cutoff=SIMILAR))


def did_you_mean_file(path: str, paths: Iterable[str]) -> str:
    """The same for the *path* of a file, which may be the end of one of *paths*.

    A file with the same suffix in the same folder is suggested whatever its name; in another folder, its name must be
    similar.
    """
    folder, stem, suffix = _parts(path)
    ranked = []
    for known in sorted(paths):
        its_folder, its_stem, its_suffix = _parts("/".join(known.split("/")[-len(path.split("/")) :]))
        same_kind, alike = suffix == its_suffix, _ratio(stem, its_stem)
        if alike == 1 or (same_kind and (alike >= SIMILAR or (folder and folder == its_folder))):
            ranked.append((2 * _ratio(folder, its_folder) + alike + same_kind, known))
    return _suggestion([max(ranked, key=lambda each: each[0])[1]] if ranked else [])


def most_similar_first(name: str, names: Collection[str]) -> list[str]:
    """All of *names*, the most similar to *name* first."""
    return difflib.get_close_matches(name, names, n=len(names) or 1, cutoff=0)


def _parts(path: str) -> tuple[str, str, str]:
    pure = PurePosixPath(path)
    return path.rpartition("/")[0], pure.stem, pure.suffix


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _suggestion(found: list[str]) -> str:
    return f" (did you mean {found[0]}?)" if found else ""
