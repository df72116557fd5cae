"""What a page shows of a recipe file: symbols of a Python file, named regions of any other, or all of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from pygments.lexers import get_lexer_by_name, get_lexer_for_filename
from pygments.token import Comment
from pygments.util import ClassNotFound

from cookbook.project import STACK_FILES, CookbookError, Project
from cookbook.snapshot import once
from cookbook.sources.python_source import cut_python, defined_names, symbol_lines
from cookbook.sources.regions import cut_lines, find_regions, region_lines
from cookbook.suggest import did_you_mean_file

# For file names that Pygments does not know. Of its lexers, bash is the one that reads a comment after a Redis
# directive.
LEXERS = {"*.console": "console", "Dockerfile.*": "docker"} | dict.fromkeys(
    ("*.conf", "*.acl", "*.env", ".env.*"), "bash"
)
COMMENT_STARTS = {
    **dict.fromkeys(("python", "yaml", "bash", "toml", "ini", "docker", "make", "nginx"), "#"),
    **dict.fromkeys(("javascript", "typescript"), "//"),
    **dict.fromkeys(("sql", "tsql", "lua"), "--"),
}
# Readers add a recipe's settings to this file, where the import would be of the file itself.
BASE = "core/settings/base.py"
EXTENDS = "from core.settings.base import *"


@dataclass(frozen=True)
class Snippet:
    """A piece of a recipe file, ready to be shown.

    ``path`` is below ``recipes/``, or one of STACK_FILES; ``title`` is the path that readers give the file in their own
    project. ``text`` ends without a newline; ``language`` names a Pygments lexer.
    """

    path: str
    text: str
    language: str
    title: str


@once
def cut(project: Project, path: str, *symbols: str) -> Snippet:
    """The *symbols* of the file at *path* (below ``recipes/``, or of the stack) in the order of the file, or all of it.

    Python comes with the imports that it uses and must stand alone; a recipe's settings may use the names of core's,
    which readers add them to. Raises CookbookError when the file, a symbol or a region is unknown, ambiguous or empty,
    when Python leaves a name undefined, and when a call shows a recipe's settings whole.
    """
    file = _file(project, path, symbols)
    path = path if path in STACK_FILES else file.relative_to(project.recipes.resolve()).as_posix()
    where = project.relative(file)
    lines = _lines(file, where)
    marked = find_regions(lines, where)
    if file.suffix != ".py":
        shown = cut_lines(lines, region_lines(lines, marked, symbols, where))
    elif marked:
        first = min(region.start for region in marked.values()) - 1
        raise CookbookError(f"{where}:{first}: a region in a Python file, which is cut by symbol: remove its markers")
    elif EXTENDS in lines and _title(path) == BASE:
        if not symbols:
            line = lines.index(EXTENDS) + 1
            raise CookbookError(
                f"{where}:{line}: readers add it to {BASE}, which would import itself: name its symbols"
            )
        base = (project.recipes / BASE).read_text(encoding="utf-8")
        own = ["" if line == EXTENDS else line for line in lines]
        shown = cut_python(own, symbols, where, given=defined_names(base))
    else:
        shown = cut_python(lines, symbols, where)
    text = _without_outer_blanks(shown)
    if not text:
        raise CookbookError(f"{where}: the file is empty: there is nothing to show")
    return Snippet(path, text, _language(file.name), _title(path))


def line_numbers(project: Project, path: str, *symbols: str) -> list[int]:
    """The numbers (from 1) of the file's lines that `cut` shows, without blank lines and the imports that it adds.

    Raises CookbookError as `cut` does, for a file or a symbol that does not exist.
    """
    file = _file(project, path, symbols)
    where = project.relative(file)
    lines = _lines(file, where)
    if file.suffix == ".py" and symbols:
        numbers = symbol_lines(lines, symbols, where)
    else:
        numbers = region_lines(lines, find_regions(lines, where), symbols, where)
    return [number for number in numbers if lines[number - 1].strip()]


def annotate(snippet: Snippet, notes: Mapping[str, str]) -> tuple[str, list[str]]:
    """The snippet's text with numbered markers of code annotations, and the *notes* in the order of their numbers.

    Each key is a text that one line of the snippet alone contains: that line gets the note. Raises CookbookError when
    no line or several contain it, and when a line cannot end in a marker: it has a comment, a string continues on the
    next line, or it has a note already.
    """
    if not notes:
        return snippet.text, []
    where = from_root(snippet.path)
    start = COMMENT_STARTS.get(snippet.language)
    if not start:
        raise CookbookError(
            f"{where}: no comment can end a line of {snippet.language}: put the notes into the page's text"
        )
    lines = snippet.text.split("\n")
    placed: dict[int, str] = {}
    for key, note in notes.items():
        found = [number for number, line in enumerate(lines, 1) if key in line]
        if not found:
            raise CookbookError(f"{where}: a note is for {key!r}, which is in no line of the snippet: correct its key")
        if len(found) > 1:
            numbers = ", ".join(map(str, found))
            raise CookbookError(f"{where}: a note is for {key!r}, which is in lines {numbers}: make its key longer")
        if found[0] in placed:
            line = lines[found[0] - 1].strip()
            raise CookbookError(f"{where}: two notes are for line {found[0]} ({line}): make them one")
        placed[found[0]] = note
    markers = {line: f"{start} ({number})!" for number, line in enumerate(sorted(placed), 1)}
    text = "\n".join(f"{line}  {markers[at]}" if at in markers else line for at, line in enumerate(lines, 1))
    # The theme makes a button of a comment only, and the button replaces the whole comment.
    kinds = (Comment, Comment.Single, Comment.Multiline)
    comments = {value.strip() for kind, value in get_lexer_by_name(snippet.language).get_tokens(text) if kind in kinds}
    for at, marker in markers.items():
        if marker not in comments:
            why = f"line {at} ({lines[at - 1].strip()}) ends in a comment or inside a string"
            raise CookbookError(f"{where}: {why}, so it cannot have a note: choose another line")
    return text, [placed[at] for at in markers]


def from_root(path: str) -> str:
    """The path from the project's root of a file that pages call *path*."""
    return path if path in STACK_FILES else f"recipes/{path}"


def regions(project: Project) -> dict[str, set[str]]:
    """The names of the regions of each file that has some, by the path that a page calls it by."""
    found: dict[str, set[str]] = {}
    for path in (*_paths(project), *STACK_FILES):
        where = from_root(path)
        file = project.root / where
        try:
            lines = _lines(file, where) if file.is_file() else []
        except CookbookError:  # not text, so without regions
            continue
        if names := find_regions(lines, where).keys():
            found[path] = set(names)
    return found


# Files ---------------------------------------------------------------------------------------------------------------


def _file(project: Project, path: str, symbols: Sequence[str]) -> Path:
    """The file that a page calls *path*; CookbookError when there is none, with the file that has *symbols*."""
    if path in STACK_FILES and (project.root / path).is_file():
        return (project.root / path).resolve()
    recipes = project.recipes.resolve()
    file = (recipes / path).resolve()
    if not file.is_relative_to(recipes):
        raise CookbookError(f"{path}: outside recipes/: name a file by its path below recipes/")
    if not file.is_file():
        known = _paths(project)
        meant = did_you_mean_file(path, [each for each in known if _has_words(project, each, symbols)] or known)
        raise CookbookError(f"recipes/{path}: no such file{meant}: correct the path in the call")
    return file


def _has_words(project: Project, path: str, words: Sequence[str]) -> bool:
    text = (project.recipes / path).read_text(encoding="utf-8", errors="replace") if words else ""
    return all(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in words)


def _paths(project: Project) -> list[str]:
    """Every file below ``recipes/`` except compiled Python."""
    files = (file.relative_to(project.recipes) for file in project.recipes.rglob("*") if file.is_file())
    return sorted(file.as_posix() for file in files if "__pycache__" not in file.parts)


def _lines(file: Path, where: str) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split("\n")  # splitlines() splits at more characters than Python does
    except UnicodeDecodeError:
        raise CookbookError(f"{where}: not a text in UTF-8: it cannot be shown") from None


@cache
def _language(name: str) -> str:
    try:
        return str(get_lexer_for_filename(name).aliases[0])
    except ClassNotFound:
        return next((language for pattern, language in LEXERS.items() if fnmatch(name, pattern)), "text")


def _title(path: str) -> str:
    recipe, _, rest = path.partition("/")
    return BASE if rest == "settings.py" and recipe != "core" else path


def _without_outer_blanks(lines: Sequence[str]) -> str:
    """The lines as one text, without the blank ones at either end."""
    full = [number for number, line in enumerate(lines) if line.strip()]
    return "\n".join(lines[full[0] : full[-1] + 1]) if full else ""
