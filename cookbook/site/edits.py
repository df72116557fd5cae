"""Finds the pages that an edit affects: those that show what was edited, or a whole language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cookbook.project import CONFIGS, LANGUAGES, CookbookError, Project
from cookbook.sources import pages

GENERATED = ("__pycache__", ".pyc", ".sqlite3")  # by programs that ran there
Pages = set[str] | None
"""Paths below the folder of a language; None for the whole language."""


def states(folders: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """The time of the last change, in nanoseconds, and the size of each file below *folders*, or of the files among
    them."""
    found = {}
    for folder in folders:
        for file in [*folder.rglob("*")] if folder.is_dir() else [folder]:
            try:
                if file.is_file() and not any(part in file.relative_to(folder).as_posix() for part in GENERATED):
                    stat = file.stat()
                    found[file] = stat.st_mtime_ns, stat.st_size
            except FileNotFoundError:  # removed since it was listed
                continue
    return found


def front_matters(project: Project) -> dict[Path, dict[str, Any]]:
    """The front matter of each page."""
    return {file: pages.front_matter(file) for language in LANGUAGES for file in project.pages(language)}


def due(project: Project, edited: Iterable[Path], known: Mapping[Path, Mapping[str, Any]]) -> dict[str, Pages]:
    """What to build again in each language after the files *edited* were changed, added or removed.

    *known* is the front matter of each page at its last build: other pages depend on it.
    """
    found: dict[str, Pages] = {language: set() for language in LANGUAGES}
    recipes = set()
    for file in edited:
        parts = file.relative_to(project.root).parts
        for language in LANGUAGES:
            path = "/".join(parts[2:]) if parts[:2] == ("docs", language) else ""
            if path and file in known and file.exists() and pages.front_matter(file) == known[file]:
                found[language] = _with(found[language], {path})
            elif path or file.name == CONFIGS[language]:
                found[language] = None
        if parts[0] == "docs" or file.name in CONFIGS.values():
            continue
        if not (recipe := _recipe(project, parts)):
            return dict.fromkeys(LANGUAGES)
        recipes.add(recipe)
    for language in LANGUAGES if recipes else ():
        shown = {file for file in project.pages(language) if _is_about(project, file, recipes)}
        paths = {file.relative_to(project.docs / language).as_posix() for file in shown}
        found[language] = _with(found[language], paths)
    return found


def _with(found: Pages, paths: set[str]) -> Pages:
    return None if found is None else found | paths


def _recipe(project: Project, parts: tuple[str, ...]) -> str:
    """The recipe that the file at *parts* belongs to; empty when it belongs to several, or to none."""
    if parts[0] == project.recipes.name and len(parts) > 2:
        name = parts[1]
    elif parts[:2] == ("tests", "recipes"):
        name = Path(parts[-1]).stem.removeprefix("test_")
    else:
        name = Path(parts[-1]).stem if parts[0] == project.evidence.name else ""
    return name if name in project.recipe_names() else ""


def _is_about(project: Project, file: Path, recipes: set[str]) -> bool:
    """Whether the page in *file* shows something of *recipes*; a macro call without a recipe shows all of them."""
    try:
        page = pages.read(file, project.relative(file))
    except CookbookError:  # which building it reports
        return True
    named = (re.split("[/:]", str(call.args[0]))[0] if call.args else "" for call in page.calls)
    return page.meta.get("recipe") in recipes or any(not name or name in recipes for name in named)
