"""Which lines of which files pages show, and which recipes' proofs judge them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cookbook.project import COMPOSE_FILE, LANGUAGES, Project
from cookbook.snapshot import once
from cookbook.sources import pages, snippets
from cookbook.sources.pages import Call


@dataclass
class ShownFile:
    """A file that pages show: the numbers of the lines that they show, and the recipes whose proofs are about it.

    The first of ``recipes`` is the one that counts the file: its own, or the first to show a file that recipes share.
    """

    lines: set[int] = field(default_factory=set)
    recipes: list[str] = field(default_factory=list)


def code_calls(project: Project) -> Iterator[tuple[str, Call]]:
    """Each call of code(), and the page that it is on."""
    for language in LANGUAGES:
        for file in project.pages(language):
            yield from ((project.relative(file), call) for call in _code_calls(project, file))


@once
def shown_files(project: Project) -> dict[str, ShownFile]:
    """What the pages of recipes show, by the path from the root; CookbookError for a call that shows nothing."""
    found: dict[str, ShownFile] = {}
    known = project.recipe_names()
    for file in project.pages(LANGUAGES[0]):  # the other language shows the same
        recipe = pages.front_matter(file).get("recipe")
        for call in _code_calls(project, file):
            path = str(call.args[0])
            shown = found.setdefault(snippets.from_root(path), ShownFile())
            shown.lines.update(snippets.line_numbers(project, *call.args))
            owner = path.partition("/")[0]
            for name in (owner, recipe):
                if name in known and name not in shown.recipes:
                    shown.recipes.append(name)
    return {path: shown for path, shown in sorted(found.items()) if shown.recipes}


def files_of_recipe(project: Project, recipe: str) -> dict[str, ShownFile]:
    """The files that *recipe* counts, without the Compose file: a proof of its own removes each line of that."""
    return {
        path: shown
        for path, shown in shown_files(project).items()
        if shown.recipes[0] == recipe and path != COMPOSE_FILE
    }


def _code_calls(project: Project, file: Path) -> list[Call]:
    return [call for call in pages.read(file, project.relative(file)).calls if call.name == "code"]
