"""Checks inline code on pages: the settings and the files that it names must exist."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import zoneinfo
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import celery
from celery import Celery, Task, __version__, signals
from celery.app.defaults import NAMESPACES, SETTING_KEYS, flatten
from celery.app.task import Context
from celery.result import AsyncResult
from celery.utils.dispatch import Signal

from cookbook.project import Project
from cookbook.sources import pages
from cookbook.sources.pages import Page
from cookbook.suggest import did_you_mean, did_you_mean_file

Faults = Iterator[tuple[int, str]]
"""(line, message): what is wrong on that line, why, and how to fix it."""


def faults(project: Project, page: Page) -> Faults:
    """The settings and files that the inline code of *page* names and that do not exist."""
    yield from _settings(project, page)
    yield from _files(project, page)


def unknown(kind: str, name: str, names: Iterable[str]) -> str:
    """The message about a *name* that is none of *names*, with the most similar of these."""
    return f"unknown {kind} {name}{did_you_mean(name, names)}: correct it"


def sources(package: ModuleType) -> Iterator[str]:
    """The text of each Python file of an installed package."""
    for folder, _, files in os.walk(Path(str(package.__file__)).parent):
        yield from (Path(folder, name).read_text(encoding="utf-8") for name in files if name.endswith(".py"))


# Celery's settings ---------------------------------------------------------------------------------------------------

_INFO_FIELDS = {"redis_build_id", "redis_git_dirty", "redis_git_sha1", "redis_mode", "redis_version"}  # of Redis's INFO
_ENVIRONMENT = re.compile(r"(?:environ\b.*?|_env\()['\"](CELERY_\w+)['\"]")  # as Celery's code reads a variable
_UPPER = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*[*…]?")
_LOWER = re.compile(
    r"(?:(?:\w+\.)*conf\.)?((?:task|worker|result|broker|beat|redis|database)_[a-z0-9_]+)(?:\s*[=\[].*)?"
)


def _settings(project: Project, page: Page) -> Faults:
    listed = pages.meta_list(page, "unknown_settings")
    for line, text in page.code:
        lower = _LOWER.fullmatch(text)
        names = [lower[1]] if lower and lower[1] not in python_names(project) else []
        names += [name for name in _UPPER.findall(text) if name.startswith("CELERY") or name in _old_names()]
        for name in names:
            if not (_is_setting(name) or name in _environment() or name in listed or name[-1] in "_*…"):
                yield (
                    line,
                    f"unknown Celery {__version__} setting {name}{_nearest_setting(name)}: correct it, or list it "
                    "under unknown_settings if the page says that it does not exist",
                )
    for entry in listed:
        line = pages.meta_line(page, "unknown_settings", entry)
        if _is_setting(entry):
            yield line, f"unknown_settings has {entry}, which Celery {__version__} knows: remove it"
    yield from _unused(page, "unknown_settings", r"(?<!\w){}(?!\w)")


def _unused(page: Page, key: str, pattern: str) -> Faults:
    """The entries under *key* in the front matter that no inline code contains as *pattern* says."""
    for entry in pages.meta_list(page, key):
        if not any(re.search(pattern.format(re.escape(entry)), text) for _, text in page.code):
            yield (
                pages.meta_line(page, key, entry),
                f"{key} has {entry}, which no inline code of this page names: remove it",
            )


def _is_setting(name: str) -> bool:
    """Whether *name* is a setting, as a Django project writes it or as Celery's own configuration does."""
    return (name.removeprefix("CELERY_").lower() if name.startswith("CELERY_") else name) in SETTING_KEYS


@cache
def _environment() -> frozenset[str]:
    """The variables that Celery reads from the environment."""
    return frozenset(name for text in sources(celery) for name in _ENVIRONMENT.findall(text))


@cache
def _old_names() -> dict[str, str]:
    """The names from before Celery 4, such as CELERYD_POOL and BROKER_URL, and the current name of each."""

    def old(namespace: str, key: str, option: Any) -> list[tuple[str, str]]:
        names = option.old or {namespace + key}
        return [(name.format(key).upper(), f"CELERY_{namespace}{key}".upper()) for name in names]

    return dict(flatten(NAMESPACES, keyfilter=old))


def _nearest_setting(name: str) -> str:
    if name in _old_names():
        return f" (its name is now {_old_names()[name]})"
    close = did_you_mean(name.removeprefix("CELERY_").lower(), SETTING_KEYS)
    return re.sub(r"\w+(?=\?)", lambda key: f"CELERY_{key[0]}".upper(), close) if name.isupper() else close


def python_names(project: Project) -> set[str]:
    """The names of Celery's own objects and those in the recipes, many of which begin as settings do."""
    return _names_of_celery() | _names_of_recipes(project)


@cache
def _names_of_celery() -> set[str]:
    names = set(_INFO_FIELDS)
    for signal in vars(signals).values():
        if isinstance(signal, Signal):
            names |= {signal.name, *signal.providing_args}
    for owner in (AsyncResult, Celery, Context, Task):
        names.update(dir(owner))
    return names


@cache
def _names_of_recipes(project: Project) -> set[str]:
    names: set[object] = set()
    for file in project.recipes.rglob("*.py"):
        with contextlib.suppress(SyntaxError):  # the recipe's proofs report it
            for node in ast.walk(ast.parse(file.read_bytes())):
                names.update(getattr(node, field, None) for field in ("arg", "attr", "id", "name"))
    return {name for name in names if isinstance(name, str)}


# Files ---------------------------------------------------------------------------------------------------------------

_FILE = re.compile(r"(?P<path>\.?\w[\w.+-]*(?:/[\w.+-]+)*/?)(?P<within>::?[\w.:]+)?")
_SUFFIX = re.compile(r"\.(?:conf|console|py|toml|txt|ya?ml)$")
_NOT_A_FILE = re.compile(
    r"(?:application|audio|image|multipart|text|video)/[\w.+-]+"  # a media type
    r"|\d[\d.]*/\w+"  # a rate: 10/s
    r"|(?:\w+\.)*(?:app|current_app|django|self)\.conf"  # attributes and modules
)


def _files(project: Project, page: Page) -> Faults:
    others = pages.meta_list(page, "other_files")
    for line, text in page.code:
        match = _FILE.fullmatch(text)
        if not match or not ("/" in match["path"] or _SUFFIX.search(match["path"])):
            continue
        path = match["path"].rstrip("/")
        if _NOT_A_FILE.fullmatch(path) or path in _time_zones() or {text, path} & {*others}:
            continue
        if not (project.root / path).exists() and not _is_in_recipes(project, path):
            close = did_you_mean_file(path, _recipe_paths(project))
            yield line, f"unknown file {path}{close}: correct it, or list it under other_files"
    yield from _unused(page, "other_files", "{}")


@cache
def _time_zones() -> set[str]:
    return zoneinfo.available_timezones()


def _is_in_recipes(project: Project, path: str) -> bool:
    """Whether the path of a file or folder below ``recipes/`` ends in *path*: ``tasks.py`` may be any recipe's."""
    return any(f"/{known}".endswith(f"/{path}") for known in _recipe_paths(project))


@cache
def _recipe_paths(project: Project) -> list[str]:
    return [path.relative_to(project.recipes).as_posix() for path in sorted(project.recipes.rglob("*"))]
