"""The stylesheets of a built site made one, without the rules that none of its pages can use.

Material styles all that it can do, of which a site does a third: its stylesheet alone would be a quarter of what a
first visit loads. A rule stays when all that its selector asks for (elements, classes, ids, the direction of writing)
is on a page, or named by a script, which may put it there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import tinycss2
from tinycss2.ast import Declaration, Node, QualifiedRule

from cookbook.project import LANGUAGES, CookbookError

LINK = re.compile(r'[ \t]*<link rel="stylesheet" href="(?P<to_root>[^"]*?)(?P<name>assets/[^"]+)">\n?')
ELEMENT = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*)")
NAMES = re.compile(r'\s(?:class|id)="([^"]*)"')
WORD = re.compile(r"[A-Za-z_][\w-]*")
VARIABLE = re.compile(r"--[\w-]+")
ASKED = re.compile(r"var\(\s*(--[\w-]+)")
OF_RULES = ("media", "supports", "layer", "container")  # what holds rules rather than declarations
IN_COMMON = ("html", "body")  # a page has them even where its text leaves them out
MATERIAL = "assets/javascripts/"  # its scripts, of whose words those with a hyphen can be classes
# What Material's script would make, were it asked for: mkdocs.base.yml asks for none of it. On a page, it counts.
OFF = (
    "md-banner",
    "md-consent",
    "md-feedback",
    "md-source",
    "md-status",
    "md-tag",
    "md-tooltip2",
    "md-version",
    "tabbed-",
)
DIRECTION = re.compile(r"dir=[\"']?(\w+)")


def join(root: Path) -> Path:
    """Make one stylesheet of those that the pages of the site at *root* link to; the file that holds it.

    Each page then links to that file alone, whose name holds a digest of its bytes, and the others are removed. *root*
    is the site of one language: another one within it has its own. Raises CookbookError when two pages link to
    different stylesheets, or one of these has a mistake.
    """
    pages = {file: file.read_text(encoding="utf-8") for file in own_files(root, "*.html")}
    sheets = _linked(root, pages)
    rules = [rule for sheet in sheets for rule in _rules(sheet)]
    scripts = " ".join(file.read_text(encoding="utf-8") for file in own_files(root, "*.js"))
    names = _names(pages.values()) | _scripted(root)
    elsewhere = {*VARIABLE.findall(" ".join([scripts, *pages.values()]))}
    text, shorter = "", _used(rules, names)
    while text != shorter:  # a variable that only an unused one asks for is unused too
        text, shorter = shorter, _used(rules, names, {*ASKED.findall(shorter)} | elsewhere)
    joined = root / f"assets/stylesheets/site.{hashlib.sha256(text.encode()).hexdigest()[:8]}.css"
    joined.write_text(text, encoding="utf-8")
    for file, page in pages.items():
        first = LINK.search(page)
        assert first
        link = f'<link rel="stylesheet" href="{first["to_root"]}{joined.relative_to(root).as_posix()}">\n'
        file.write_text(page[: first.start()] + link + LINK.sub("", page[first.end() :]), encoding="utf-8")
    for sheet in sheets:
        sheet.unlink()
        sheet.with_name(f"{sheet.name}.map").unlink(missing_ok=True)
    return joined


def own_files(root: Path, pattern: str) -> Iterator[Path]:
    """The files of the site at *root*, without those of a language within it."""
    yield from (file for file in sorted(root.rglob(pattern)) if file.relative_to(root).parts[0] not in LANGUAGES)


def _linked(root: Path, pages: dict[Path, str]) -> list[Path]:
    """The stylesheets of *pages*, in order: the same on each."""
    linked = {file: [match["name"] for match in LINK.finditer(page)] for file, page in pages.items()}
    first, *others = linked
    for file in others:
        if linked[file] != linked[first]:
            raise CookbookError(
                f"{file.relative_to(root)}: links to {', '.join(linked[file]) or 'no stylesheet'}, and "
                f"{first.relative_to(root)} to {', '.join(linked[first])}: link to the same ones on every page"
            )
    return [root / name for name in linked[first]]


def _rules(sheet: Path) -> Iterator[Node]:
    for rule in tinycss2.parse_stylesheet(sheet.read_text(encoding="utf-8"), skip_comments=True, skip_whitespace=True):
        if rule.type == "error":
            raise CookbookError(f"{sheet.name}:{rule.source_line}: {rule.message}: mend the stylesheet")
        yield rule


# What is used --------------------------------------------------------------------------------------------------------


def _names(pages: Iterable[str]) -> set[str]:
    """The elements of *pages*, their classes and ids (`.md-nav`), and how they are written (`=ltr`)."""
    found = {*IN_COMMON}
    for page in pages:
        found.update(ELEMENT.findall(page))
        found.update(f"={direction}" for direction in DIRECTION.findall(page))
        for value in NAMES.findall(page):
            found.update(f".{name}" for name in value.split())
    return found


def _scripted(root: Path) -> set[str]:
    """What the scripts of the site at *root* may put on its pages, in the same words."""
    found = set()
    for file in own_files(root, "*.js"):
        words = {*WORD.findall(file.read_text(encoding="utf-8"))}
        is_material = file.relative_to(root).as_posix().startswith(MATERIAL)
        found |= words
        found |= {f".{word}" for word in words if not is_material or ("-" in word and not word.startswith(OFF))}
    return found


def _used(rules: Iterable[Node], names: set[str], variables: set[str] | None = None) -> str:
    """The text of *rules* without selectors that *names* cannot make match, nor variables other than *variables*."""
    text = ""
    for rule in rules:
        if isinstance(rule, QualifiedRule):
            selectors = [selector for selector in _split(rule.prelude) if _asks_for(selector) <= names]
            declarations = _declarations(rule.content, variables)
            if selectors and declarations:
                text += f"{','.join(map(_text, selectors))}{{{declarations}}}"
        elif rule.at_keyword in OF_RULES:
            nested = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            if inside := _used(nested, names, variables):
                text += f"@{rule.at_keyword} {_text(rule.prelude)}{{{inside}}}"
        elif rule.at_keyword != "charset":  # that one has no place amidst others
            end = ";" if rule.content is None else f"{{{_text(rule.content)}}}"
            text += f"@{rule.at_keyword} {_text(rule.prelude)}{end}"
    return text


def _declarations(content: list[Node], variables: set[str] | None) -> str:
    found = []
    for declaration in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if not isinstance(declaration, Declaration):
            return _text(content)  # a rule within the rule: as it is
        if variables is None or declaration.name in variables or not declaration.name.startswith("--"):
            important = "!important" if declaration.important else ""
            found.append(f"{declaration.name}:{_text(declaration.value)}{important}")
    return ";".join(found)


def _split(prelude: Iterable[Node]) -> list[list[Node]]:
    """The selectors of a rule, which commas part."""
    selectors: list[list[Node]] = [[]]
    for node in prelude:
        if node == ",":
            selectors.append([])
        elif node.type != "comment":
            selectors[-1].append(node)
    return selectors


def _asks_for(selector: list[Node]) -> set[str]:
    """The names without which *selector* matches nothing: not what :is() or :not() hold."""
    asked = set()
    before = ""
    for node in selector:
        if node.type == "hash":
            asked.add(f".{node.value}")
        elif node.type == "[] block":
            asked.update(f"={direction}" for direction in DIRECTION.findall(_text(node.content)))
        elif node.type == "ident" and before != ":":
            asked.add(f".{node.value}" if before == "." else node.lower_value)
        before = node.value if node.type == "literal" else ""
    return asked


def _text(nodes: Iterable[Node]) -> str:
    """The text of *nodes* without comments, and each white space between them one blank."""
    shown = (" " if node.type == "whitespace" else node.serialize() for node in nodes if node.type != "comment")
    return "".join(shown).strip()
