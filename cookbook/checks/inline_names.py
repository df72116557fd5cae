"""Checks inline code on pages: the signals, Redis commands, classes, calls and modules that it names must exist."""

from __future__ import annotations

import builtins
import importlib
import inspect
import keyword
import os
import pydoc
import re
import signal
from functools import cache
from pathlib import Path

import celery
from celery import states
from celery.app.control import Control, Inspect
from django.conf import global_settings
from redis import client as redis_client
from redis.commands import core as redis_commands

from cookbook.checks.inline_code import Faults, python_names
from cookbook.project import Project
from cookbook.sources.pages import Page
from cookbook.suggest import did_you_mean

PACKAGES = ("celery", "kombu", "redis", "django", "billiard", "unittest", "logging")  # where readers' names come from
_SIGNAL = re.compile(r"(?<![A-Z])SIG[A-Z]{2,}\d*\b")
_CAPITALS = re.compile(r"([A-Z]{2,})(?: .*)?")
_CLASS = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]*)+")
_CALL = re.compile(r"\.?(?:\w+\.)*([a-z_]\w*)\(.*\)")
_DOTTED = re.compile(r"([a-z_]\w*)(?:\.\w+)+")
_DEFINED = re.compile(r"^[ \t]*(?:def|class|async def) (\w+)|^(\w+)[ \t]*(?::[^=\n]+)?=", re.MULTILINE)


def faults(project: Project, page: Page) -> Faults:
    """What the inline code of *page* names and nothing has."""
    for line, text in page.code:
        for name in _SIGNAL.findall(text):
            if name not in signal.Signals.__members__:
                yield line, f"{name} is no signal{did_you_mean(name, signal.Signals.__members__)}: correct it"
        known = python_names(project)
        if words := _CAPITALS.fullmatch(text):
            if not words[1].startswith("SIG") and words[1] not in known | _capitals():
                nearest = did_you_mean(words[1], _capitals())
                yield line, f"{words[1]} is no Redis command, state or setting{nearest}: correct it"
        elif _CLASS.fullmatch(text):
            if text not in known and not _is_defined(text):
                yield line, f"no class is called {text}{did_you_mean(text, _defined())}: correct it"
        elif call := _CALL.fullmatch(text):
            if not (keyword.iskeyword(call[1]) or call[1] in known or _is_defined(call[1])):
                yield line, f"nothing has {call[1]}(){did_you_mean(call[1], known)}: correct it"
        elif (dotted := _DOTTED.fullmatch(text)) and dotted[1] in ("app", *PACKAGES) and not _is_there(text):
            yield line, f"there is no {text}: correct it"


@cache
def _capitals() -> frozenset[str]:
    """Redis's commands and their options, as redis-py sends them; states of a task; Django's settings; log levels."""
    sources = inspect.getsource(redis_commands) + inspect.getsource(redis_client)
    sent = {word for text in re.findall(r'"([A-Z]{2,}(?: [A-Z]+)*)"', sources) for word in text.split()}
    levels = {"CRITICAL", "DEBUG", "ERROR", "INFO", "WARNING"}
    return frozenset({*sent, *states.ALL_STATES, *dir(global_settings), *levels})


def _is_defined(name: str) -> bool:
    return hasattr(builtins, name) or any(hasattr(owner, name) for owner in (Control, Inspect)) or name in _defined()


@cache
def _defined() -> frozenset[str]:
    """Every function, class and variable that the packages define, read from their sources."""
    found: set[str] = set()
    for package in PACKAGES:
        for folder, _, files in os.walk(Path(str(importlib.import_module(package).__file__)).parent):
            for file in (Path(folder, name) for name in files if name.endswith(".py")):
                found.update(first or second for first, second in _DEFINED.findall(file.read_text(encoding="utf-8")))
    return frozenset(found)


def _is_there(path: str) -> bool:
    """Whether *path* is an object, or a task of Celery's own; ``app`` is a Celery application."""
    app = celery.Celery(set_as_current=False)
    top, _, rest = path.partition(".")
    if top == "app":
        found: object = app
        for name in rest.split("."):
            found = getattr(found, name, None)
        return found is not None
    return pydoc.locate(path) is not None or path in app.tasks
