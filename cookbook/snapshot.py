"""The project during one build: each thing is read or computed from its files once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from cookbook.project import Project

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Snapshot(Project):
    """A project whose files count as unchanged: made at the start of a build, and passed to all that the build calls.

    ``known`` maps each call of a function marked `once` to its result. Callers share the results and never change them.
    A pickle includes them, for another process.
    """

    known: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)


def once(read: Callable[Concatenate[Project, _P], _T]) -> Callable[Concatenate[Project, _P], _T]:
    """Make *read* run once for the same arguments when the project is a `Snapshot`, and each time otherwise."""

    @wraps(read)
    def reading(project: Project, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        if not isinstance(project, Snapshot):
            return read(project, *args, **kwargs)
        call = (read.__module__, read.__qualname__, args, *sorted(kwargs.items()))
        if call not in project.known:
            project.known[call] = read(project, *args, **kwargs)
        found: _T = project.known[call]
        return found

    return reading
