"""What a page shows of a recipe file: symbols of a Python file, named regions of any other, or all of it."""

from __future__ import annotations

import re
import textwrap
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
from cookbook.sources.python_source import bound_names, cut_python, symbol_lines, unknown
from cookbook.suggest import did_you_mean_file

MARK = re.compile(r"\s*(?:#|//|;|--|<!--)\s*(region|endregion):\s*(.*?)\s*(?:-->)?\s*")
# What Pygments does not know by its name. Of its lexers, bash is the one that reads a comment behind a Redis directive.
LANGUAGES = {"*.console": "console", "Dockerfile.*": "docker"} | dict.fromkeys(
    ("*.conf", "*.acl", "*.env", ".env.*"), "bash"
)
# What a recipe's settings extend, and the file that readers add them to: the import would be of itself there.
BASE = "core/settings/base.py"
EXTENDS = "from core.settings.base import *"
LEADERS = {
    **dict.fromkeys(("python", "yaml", "bash", "toml", "ini", "docker", "make", "nginx"), "#"),
    **dict.fromkeys(("javascript", "typescript"), "//"),
    **dict.fromkeys(("sql", "tsql", "lua"), "--"),
}


@dataclass(frozen=True)
class Snippet:
    """A piece of a recipe file, ready to be shown."""

    path: str  # below recipes/, or one of STACK_FILES
    symbols: tuple[str, ...]  # as the page names them; none for the whole file
    text: str  # without a newline at its end
    language: str  # the name of a Pygments lexer
    title: str  # the path that readers give the file in their own project


@once
def cut(project: Project, path: str, *symbols: str) -> Snippet:
    """The *symbols* of the file at *path* (below ``recipes/``, or of the stack) in source order, or the whole file.

    Python comes with the imports that it uses and must stand alone; a recipe's settings stand below those of core,
    which readers add them to. CookbookError when the file, a symbol or a region is unknown, ambiguous or empty, when a
    symbol is named twice, when Python leaves a name undefined, and when settings are called for whole.
    """
    file = _file(project, path, symbols)
    path = path if path in STACK_FILES else file.relative_to(project.recipes.resolve()).as_posix()
    where = project.relative(file)
    lines = _lines(file, where)
    if repeated := {symbol for symbol in symbols if symbols.count(symbol) > 1}:
        raise CookbookError(f'{where}: "{min(repeated)}" is named twice in the call: name it once')
    marked = _regions(lines, where)
    if file.suffix != ".py":
        shown = _cut_regions(lines, marked, symbols, where)
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
        shown = cut_python(own, symbols, where, given=bound_names(base))
    else:
        shown = cut_python(lines, symbols, where)
    text = _trimmed(shown)
    if not text:
        raise CookbookError(f"{where}: the file is empty: there is nothing to show")
    return Snippet(path, symbols, text, _language(file.name), _title(path))


def line_numbers(project: Project, path: str, *symbols: str) -> list[int]:
    """The numbers (from 1) of the source lines that `cut` shows, without blank lines and the imports it brings along.

    CookbookError as from `cut`, for a file or a symbol that is not there.
    """
    file = _file(project, path, symbols)
    where = project.relative(file)
    lines = _lines(file, where)
    marked = _regions(lines, where)
    if file.suffix == ".py" and symbols:
        shown = symbol_lines(lines, symbols, where)
    elif symbols:
        for name in symbols:
            if name not in marked:
                raise unknown(where, "region", name, marked)
        shown = sorted({number for name in symbols for number in marked[name]})
    else:
        shown = list(range(1, len(lines) + 1))
    return [number for number in shown if lines[number - 1].strip() and not MARK.fullmatch(lines[number - 1])]


def annotate(snippet: Snippet, notes: Mapping[str, str]) -> tuple[str, list[str]]:
    """The snippet's text with numbered markers of code annotations, and the *notes* in the order of their numbers.

    Each key is a text that stands in one line of the snippet only: that line gets the note. CookbookError when none or
    several hold it, and when a line can carry no marker: a comment on it, a string across it, a second note.
    """
    if not notes:
        return snippet.text, []
    where = from_root(snippet.path)
    leader = LEADERS.get(snippet.language)
    if not leader:
        raise CookbookError(
            f"{where}: no comment can end a line of {snippet.language}: put the notes into the page's text"
        )
    lines = snippet.text.split("\n")
    placed: dict[int, str] = {}
    for key, note in notes.items():
        found = [number for number, line in enumerate(lines, 1) if key in line]
        if not found:
            raise CookbookError(f"{where}: a note is for {key!r}, which no line of the snippet holds: correct its key")
        if len(found) > 1:
            numbers = ", ".join(map(str, found))
            raise CookbookError(f"{where}: a note is for {key!r}, which lines {numbers} hold: make its key longer")
        if found[0] in placed:
            line = lines[found[0] - 1].strip()
            raise CookbookError(f"{where}: two notes are for line {found[0]} ({line}): make them one")
        placed[found[0]] = note
    markers = {line: f"{leader} ({number})!" for number, line in enumerate(sorted(placed), 1)}
    text = "\n".join(f"{line}  {markers[at]}" if at in markers else line for at, line in enumerate(lines, 1))
    # The theme turns only what is highlighted as a comment into a button, and puts it in the place of all the comment.
    shown = (Comment, Comment.Single, Comment.Multiline)
    comments = {value.strip() for kind, value in get_lexer_by_name(snippet.language).get_tokens(text) if kind in shown}
    for at, marker in markers.items():
        if marker not in comments:
            why = f"line {at} ({lines[at - 1].strip()}) ends in a comment or in the midst of a string"
            raise CookbookError(f"{where}: {why}, so that it can carry no note: choose another line")
    return text, [placed[at] for at in markers]


def from_root(path: str) -> str:
    """The path from the root of a file that pages call *path*."""
    return path if path in STACK_FILES else f"recipes/{path}"


def regions(project: Project) -> dict[str, set[str]]:
    """The names of the regions of each file that has some, by the path that a page calls it by."""
    found: dict[str, set[str]] = {}
    for path in (*_paths(project), *STACK_FILES):
        where = from_root(path)
        file = project.root / where
        try:
            lines = _lines(file, where) if file.is_file() else []
        except CookbookError:  # not a text: it cannot have any
            continue
        if names := _regions(lines, where).keys():
            found[path] = set(names)
    return found


# Files ---------------------------------------------------------------------------------------------------------------


def _file(project: Project, path: str, symbols: Sequence[str]) -> Path:
    """The file that a page calls *path*; CookbookError when it is none, with the one that has *symbols* as well."""
    if path in STACK_FILES and (project.root / path).is_file():
        return (project.root / path).resolve()
    recipes = project.recipes.resolve()
    file = (recipes / path).resolve()
    if not file.is_relative_to(recipes):
        raise CookbookError(f"{path}: outside recipes/: name a file by its path below recipes/")
    if not file.is_file():
        known = _paths(project)
        meant = did_you_mean_file(path, [each for each in known if _names_all(project, each, symbols)] or known)
        raise CookbookError(f"recipes/{path}: no such file{meant}: correct the path in the call")
    return file


def _names_all(project: Project, path: str, symbols: Sequence[str]) -> bool:
    """Whether the file has each of *symbols* as a word."""
    text = (project.recipes / path).read_text(encoding="utf-8", errors="replace") if symbols else ""
    return all(re.search(rf"(?<!\w){re.escape(symbol.rpartition('.')[2])}(?!\w)", text) for symbol in symbols)


def _paths(project: Project) -> list[str]:
    """Every file below ``recipes/``, but what Python compiled."""
    files = (file.relative_to(project.recipes) for file in project.recipes.rglob("*") if file.is_file())
    return sorted(file.as_posix() for file in files if "__pycache__" not in file.parts)


def _lines(file: Path, where: str) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").split("\n")  # splitlines() knows more line ends than Python's parser
    except UnicodeDecodeError:
        raise CookbookError(f"{where}: not a text in UTF-8: it cannot be shown") from None


@cache
def _language(name: str) -> str:
    try:
        return str(get_lexer_for_filename(name).aliases[0])
    except ClassNotFound:
        return next((language for pattern, language in LANGUAGES.items() if fnmatch(name, pattern)), "text")


def _title(path: str) -> str:
    recipe, _, rest = path.partition("/")
    return BASE if rest == "settings.py" and recipe != "core" else path


# Regions -------------------------------------------------------------------------------------------------------------


def _regions(lines: Sequence[str], where: str) -> dict[str, range]:
    """The line numbers (from 1) between the markers of each region."""
    opened: dict[str, int] = {}
    closed: dict[str, range] = {}
    for number, line in enumerate(lines, 1):
        if not (mark := MARK.fullmatch(line)):
            continue
        kind, name = mark.groups()
        if not re.fullmatch(r"[\w-]+", name):
            raise CookbookError(f'{where}:{number}: "{name}" is no name for a region: use letters, digits, - and _')
        if kind == "endregion" and name not in opened:
            raise CookbookError(f'{where}:{number}: region "{name}" ends but is not open: add "region: {name}" above')
        if kind == "endregion":
            closed[name] = range(opened.pop(name) + 1, number)
            if not any(lines[at - 1].strip() and not MARK.fullmatch(lines[at - 1]) for at in closed[name]):
                raise CookbookError(f'{where}:{number}: region "{name}" is empty: remove its markers')
        elif name in opened or name in closed:
            first = opened.get(name) or closed[name].start - 1
            raise CookbookError(f'{where}:{number}: region "{name}" is already on line {first}: rename one')
        else:
            opened[name] = number
    for name, number in opened.items():
        raise CookbookError(f'{where}:{number}: region "{name}" is not closed: add "endregion: {name}" below')
    return closed


def _cut_regions(lines: Sequence[str], regions: Mapping[str, range], names: Sequence[str], where: str) -> list[str]:
    """The lines of the regions called *names*, dedented together; without names, all lines but the markers."""
    for name in names:
        if name not in regions:
            raise unknown(where, "region", name, regions)
    if not names:
        return [line for line in lines if not MARK.fullmatch(line)]
    wanted = {number for name in names for number in regions[name]}
    shown: list[str] = []
    between: list[str] = []
    for number, line in enumerate(lines, 1):
        if MARK.fullmatch(line):
            continue
        if number not in wanted:
            between.append(line)
            continue
        # Neighbours keep their distance; one blank line stands for what is left out.
        shown += [*([""] if any(skipped.strip() for skipped in between) else between), line]
        between = []
    return textwrap.dedent("\n".join(shown)).split("\n")


def _trimmed(lines: Sequence[str]) -> str:
    """The lines as one text, without the blank ones at either end."""
    full = [number for number, line in enumerate(lines) if line.strip()]
    return "\n".join(lines[full[0] : full[-1] + 1]) if full else ""
