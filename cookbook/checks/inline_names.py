"""Checks inline code on pages: the signals, Redis commands, classes, calls and modules that it names must exist."""

from __future__ import annotations

import builtins
import importlib
import inspect
import keyword
import pydoc
import re
import signal
from functools import cache

import celery
from celery import states
from celery.app.control import Control, Inspect
from django.conf import global_settings
from redis import client as redis_client
from redis.commands import core as redis_commands

from cookbook.checks.inline_code import Faults, python_names, sources, unknown
from cookbook.project import Project
from cookbook.sources.pages import Page

PACKAGES = ("celery", "kombu", "redis", "django", "billiard", "unittest", "logging")  # that readers import names from
_SIGNAL = re.compile(r"(?<![A-Z])SIG[A-Z]{2,}\d*\b")
_CAPITALS = re.compile(r"([A-Z]{2,})(?: .*)?")
_CLASS = re.compile(r"[A-Z][a-z]+(?:[A-Z][a-z]*)+")
_CALL = re.compile(r"\.?(?:\w+\.)*([a-z_]\w*)\(.*\)")
_DOTTED = re.compile(r"([a-z_]\w*)(?:\.\w+)+")
_DEFINED = re.compile(r"^[ \t]*(?:def|class|async def) (\w+)|^(\w+)[ \t]*(?::[^=\n]+)?=", re.MULTILINE)


def faults(project: Project, page: Page) -> Faults:
    """The names in the inline code of *page* that nothing defines."""
    known = python_names(project)
    for line, text in page.code:
        for name in _SIGNAL.findall(text):
            if name not in signal.Signals.__members__:
                yield line, unknown("signal", name, signal.Signals.__members__)
        if words := _CAPITALS.fullmatch(text):
            if not words[1].startswith("SIG") and words[1] not in known | _capitals():
                yield line, unknown("Redis command, state or setting", words[1], _capitals())
        elif _CLASS.fullmatch(text):
            if text not in known | _defined():
                yield line, unknown("class", text, _defined())
        elif call := _CALL.fullmatch(text):
            if not keyword.iskeyword(call[1]) and call[1] not in known | _defined():
                yield line, unknown("function", call[1], known)
        elif (dotted := _DOTTED.fullmatch(text)) and dotted[1] in ("app", *PACKAGES) and not _exists(text):
            yield line, f"unknown object {text}: correct it"


@cache
def _capitals() -> frozenset[str]:
    """Redis's commands and their options, as redis-py sends them; states of a task; Django's settings; log levels."""
    sources = inspect.getsource(redis_commands) + inspect.getsource(redis_client)
    sent = {word for text in re.findall(r'"([A-Z]{2,}(?: [A-Z]+)*)"', sources) for word in text.split()}
    levels = {"CRITICAL", "DEBUG", "ERROR", "INFO", "WARNING"}
    return frozenset({*sent, *states.ALL_STATES, *dir(global_settings), *levels})


@cache
def _defined() -> frozenset[str]:
    """Every function, class and variable that Python's builtins, Celery's remote control and the packages define."""
    found = {*dir(builtins), *dir(Control), *dir(Inspect)}
    for package in map(importlib.import_module, PACKAGES):
        for text in sources(package):
            found.update(first or second for first, second in _DEFINED.findall(text))
    return frozenset(found)


def _exists(path: str) -> bool:
    """Whether *path* is an object or the name of one of Celery's tasks; ``app`` is a Celery application."""
    app = celery.Celery(set_as_current=False)
    top, _, rest = path.partition(".")
    if top == "app":
        found: object = app
        for name in rest.split("."):
            found = getattr(found, name, None)
        return found is not None
    return pydoc.locate(path) is not None or path in app.tasks
