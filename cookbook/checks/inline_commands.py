"""Checks inline code on pages: the commands of Celery and redis-cli, and their options, must exist as written."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from itertools import takewhile

import click
from celery import __version__
from celery.bin.celery import celery
from celery.worker.control import Panel

from cookbook.checks.inline_code import Faults, unknown
from cookbook.sources.pages import PLACEHOLDER, Page
from cookbook.stack import programs
from cookbook.suggest import did_you_mean

_OPERATORS = {"|", "&", "&&", "||", ";", ">", ">>", "<", "--"}
_FLAG = re.compile(r"(-[A-Za-z]|--[a-z][a-z0-9-]*)(?:[ =].*)?")
_CELERY = re.compile(r"(?:python -m )?celery (?=\S)|(?=(?:beat|control|inspect|worker) \S)")


def faults(page: Page) -> Faults:
    """The commands and options in the inline code of *page* that the installed programs do not have."""
    for line, text in page.code:
        flag = _FLAG.fullmatch(text)
        command = _CELERY.match(text)
        if flag and flag[1] not in _all_options():
            yield line, f"{unknown('option', flag[1], _all_options())}, or write it after its command"
        elif command and (fault := _celery_fault(_words(text[command.end() :]))):
            yield line, f"{text}: {fault}: correct it, this is Celery {__version__}"
        elif text.startswith("redis-cli ") and _redis_cli_options():
            for word in _words(text):
                if word.startswith("--") and word not in _redis_cli_options():
                    yield line, f"{text}: redis-cli has no {word}{did_you_mean(word, _redis_cli_options())}: correct it"


def _celery_fault(words: list[str]) -> str:
    """What the installed ``celery`` would not accept of these arguments; empty when it accepts them all."""
    command: click.Command = celery
    path = "celery"
    while True:
        context = click.Context(command, **command.context_settings)
        try:
            values, words, _ = command.make_parser(context).parse_args(words)
        except click.NoSuchOption as error:
            return f"{path} has no option {error.option_name}{did_you_mean(error.option_name, _options(command))}"
        except click.BadOptionUsage:  # a value that the page leaves out
            return ""
        if not isinstance(command, click.Group):
            remote = [name for name, info in Panel.meta.items() if info.type == command.name]
            word = values.get("command")
            if not isinstance(word, str) or not remote or word in remote or _is_placeholder(word):
                return ""
            return f"{path} has no command {word}{did_you_mean(word, remote)}"
        if not words or _is_placeholder(words[0]):
            return ""
        name, *words = words
        if name not in command.commands:
            return f"{path} has no subcommand {name}{did_you_mean(name, command.commands)}"
        command = command.commands[name]
        path += f" {name}"


def _is_placeholder(word: str) -> bool:
    """Whether the word is ``…``, ``<name>``, ``[options]``, ``COMMAND``, a variable or a macro call."""
    return word[:1] in f"…<[{{$.{PLACEHOLDER}" or word.isupper()


def _options(command: click.Command) -> set[str]:
    options = (param for param in command.params if isinstance(param, click.Option))
    return {"--help", *(name for option in options for name in (*option.opts, *option.secondary_opts))}


@cache
def _all_options() -> frozenset[str]:
    found = set(_redis_cli_options())
    commands: list[click.Command] = [celery]
    for command in commands:  # grows by the commands of each group
        found |= _options(command)
        commands += command.commands.values() if isinstance(command, click.Group) else []
    return frozenset(found)


@cache
def _redis_cli_options() -> set[str]:
    """The options in the help of the installed client, or of the one in a wheel; none without a client."""
    clients = programs.installed(programs.CLIENTS)
    if not clients:
        return set()
    help_text = subprocess.run([clients[0], "--help"], capture_output=True, text=True, timeout=10, check=False)
    return set(re.findall(r"^ +(--?[A-Za-z][\w-]*)", help_text.stdout + help_text.stderr, re.MULTILINE))


def _words(command: str) -> list[str]:
    """The words of *command* up to the first pipe, redirection or separator."""
    try:
        words = shlex.split(command)
    except ValueError:  # an open quote, or an apostrophe
        words = command.split()
    return list(takewhile(lambda word: word not in _OPERATORS, words))
