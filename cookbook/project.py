"""Where the parts of a cookbook are, and the one error that the machinery raises."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

LANGUAGES = ("fr", "en")
CONFIGS = {"fr": "mkdocs.yml", "en": "mkdocs.en.yml"}
SHARED = ("core", "manage.py", "requirements.txt")  # below recipes/: part of every recipe
COMPOSE_FILE = "docker-compose.yml"
STACK_FILES = (COMPOSE_FILE, "Dockerfile", ".env.example")  # at the root: shown as a recipe's files are


class CookbookError(Exception):
    """One line for the user: where (file:line), what, why, and how to fix it."""


@dataclass(frozen=True)
class Project:
    """The folders of one cookbook, below ``root``; every path that the machinery shows is relative to it."""

    root: Path

    @property
    def recipes(self) -> Path:
        """The reader's Django project, with a folder for each recipe."""
        return self.root / "recipes"

    @property
    def docs(self) -> Path:
        """The pages, with a folder for each language."""
        return self.root / "docs"

    @property
    def proofs(self) -> Path:
        """The tests of the recipes: ``test_<recipe>.py``."""
        return self.root / "tests" / "recipes"

    @property
    def evidence(self) -> Path:
        """What the last runs on this machine recorded."""
        return self.root / "evidence"

    @property
    def site(self) -> Path:
        """The published site."""
        return self.root / "site"

    def relative(self, path: Path) -> str:
        """*path* as messages and evidence show it: POSIX, from the root."""
        return path.resolve().relative_to(self.root.resolve()).as_posix()

    def recipe_names(self) -> list[str]:
        """The recipes that have a proof module, sorted."""
        return sorted(path.stem.removeprefix("test_") for path in self.proofs.glob("test_*.py"))

    def comes_with_the_stack(self, recipe: str) -> bool:
        """Whether *recipe* has a requirements.txt: it needs more than Redis, and runs on docker-compose.yml."""
        return (self.recipes / recipe / "requirements.txt").exists()

    def pages(self, language: str) -> list[Path]:
        """The files of all pages in *language*, sorted."""
        return sorted((self.docs / language).rglob("*.md"))


def find_project(start: Path | None = None) -> Project:
    """The project around *start* (default: the current folder): the nearest folder with a ``mkdocs.base.yml``.

    CookbookError when there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "mkdocs.base.yml").is_file():
            return Project(folder)
    raise CookbookError(f"{start}: no mkdocs.base.yml here or above: run this inside the cookbook's folder")


def language_folder(language: str) -> str:
    """Where the pages of *language* are below the site: empty for the first language, else like ``en/``."""
    return "" if language == LANGUAGES[0] else f"{language}/"


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_whole(file: Path, content: str | bytes) -> None:
    """Write *content* to *file* atomically: readers see the old or the new one, and the last of two writers wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.urandom(4).hex()}")
    try:
        aside.write_bytes(content if isinstance(content, bytes) else content.encode())
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
