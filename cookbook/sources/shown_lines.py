"""Which lines of which files pages show, and by which recipes' proofs each is judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cookbook.project import COMPOSE_FILE, LANGUAGES, Project
from cookbook.snapshot import once
from cookbook.sources import pages, snippets
from cookbook.sources.pages import Call


@dataclass
class Shown:
    """A file that pages show: the numbers of its lines that they do, and the recipes whose proofs are about it.

    The first recipe is the one that it is counted for: its own, or for a file that recipes share the first to show it.
    """

    lines: set[int] = field(default_factory=set)
    recipes: list[str] = field(default_factory=list)


def code_calls(project: Project) -> Iterator[tuple[str, Call]]:
    """Each call of code(), and the page that it is on."""
    for language in LANGUAGES:
        for file in project.pages(language):
            yield from ((project.relative(file), call) for call in _code_calls(project, file))


@once
def shown(project: Project) -> dict[str, Shown]:
    """What the pages of recipes show, by the path from the root; CookbookError for a call that shows nothing."""
    found: dict[str, Shown] = {}
    known = project.recipe_names()
    for file in project.pages(LANGUAGES[0]):  # the other language shows the same
        recipe = pages.front_matter(file).get("recipe")
        for call in _code_calls(project, file):
            path = str(call.args[0])
            each = found.setdefault(snippets.from_root(path), Shown())
            each.lines.update(snippets.line_numbers(project, *call.args))
            owner = path.partition("/")[0]
            for name in (owner, recipe):
                if name in known and name not in each.recipes:
                    each.recipes.insert(0 if name == owner else len(each.recipes), name)
    return {path: each for path, each in sorted(found.items()) if each.recipes}


def of_recipe(project: Project, recipe: str) -> dict[str, Shown]:
    """What is counted for *recipe*, but for the Compose file, which a proof of its own takes apart line by line."""
    return {path: each for path, each in shown(project).items() if each.recipes[0] == recipe and path != COMPOSE_FILE}


def _code_calls(project: Project, file: Path) -> list[Call]:
    return [call for call in pages.macro_calls(file, project.relative(file)) if call.name == "code"]
