"""The stylesheets of a built site joined into one, without rules that no page uses, and its scripts joined into one.

Material's stylesheet covers all of its features, of which a site uses a third: it alone would be a quarter of what a
first visit loads. A rule stays when all that its selector requires (elements, classes, ids, the writing direction) is
on a page, or named by a script, which may put it there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import tinycss2
from tinycss2.ast import Declaration, Node, QualifiedRule

from cookbook.project import LANGUAGES, CookbookError

LINK = re.compile(r'[ \t]*<link rel="stylesheet" href="[^"]*?(?P<name>assets/[^"]+)">\n?')
SCRIPT = re.compile(r'[ \t]*<script defer src="[^"]*?(?P<name>assets/[^"]+)"></script>\n?')
COMMENT = re.compile(r"^[ \t]*//.*\n?", re.MULTILINE)  # also the name of a source map, which would be wrong
ELEMENT = re.compile(r"<([a-zA-Z][a-zA-Z0-9]*)")
NAMES = re.compile(r'\s(?:class|id)="([^"]*)"')
WORD = re.compile(r"[A-Za-z_][\w-]*")
VARIABLE = re.compile(r"--[\w-]+")
VARIABLE_USE = re.compile(r"var\(\s*(--[\w-]+)")
DIRECTION = re.compile(r"dir=[\"']?(\w+)")
NESTING = ("media", "supports", "layer", "container")  # at-rules that contain rules rather than declarations
ALWAYS_THERE = ("html", "body")  # a page has them even where its text leaves them out
MATERIAL = "assets/javascripts/"  # Material's scripts: of their words, those with a hyphen can be classes
# Classes of Material's script for features that mkdocs.base.yml does not enable. On a page, they count.
NOT_ENABLED = (
    "md-banner",
    "md-consent",
    "md-feedback",
    "md-source",
    "md-status",
    "md-tag",
    "md-top",
    "md-tooltip2",
    "md-version",
    "tabbed-",
)
Pages = dict[Path, str]
"""The text of each HTML file of a site."""


def join(root: Path) -> None:
    """Replace the stylesheets that every page of the site at *root* links to by one, and its deferred scripts too.

    The joined files have a digest of their bytes in their names, stand in the place of the first file that they
    replace, and keep the order. A file of some pages only stays as it is. *root* is the site of one language: another
    language below it has its own files. Raises CookbookError when a stylesheet has a syntax error.
    """
    pages = {file: file.read_text(encoding="utf-8") for file in _own_files(root, "*.html")}
    _replace(root, pages, LINK, "assets/stylesheets/site.{}.css", partial(_stylesheet, root, pages))
    _replace(root, pages, SCRIPT, "assets/site.{}.js", _script)
    for file, page in pages.items():
        file.write_text(page, encoding="utf-8")


def _own_files(root: Path, pattern: str) -> list[Path]:
    """The files of the site at *root*, without those of a language below it."""
    return [file for file in sorted(root.rglob(pattern)) if file.relative_to(root).parts[0] not in LANGUAGES]


def _replace(root: Path, pages: Pages, link: re.Pattern[str], name: str, joined: Callable[[list[Path]], str]) -> None:
    """Replace the files that each of *pages* names in a *link* by one, called *name*, with the text that *joined*
    makes of them."""
    linked = [[match["name"] for match in link.finditer(page)] for page in pages.values()]
    common = [each for each in (linked[0] if linked else []) if all(each in names for names in linked)]
    if not common:
        return
    files = [root / each for each in common]
    text = joined(files)
    name = name.format(hashlib.sha256(text.encode()).hexdigest()[:8])
    (root / name).write_text(text, encoding="utf-8")

    def replaced(match: re.Match[str]) -> str:
        if match["name"] not in common:
            return match[0]
        return f"{match[0].strip()}\n".replace(match["name"], name) if match["name"] == common[0] else ""

    for file, page in pages.items():
        pages[file] = link.sub(replaced, page)
    for file in files:
        file.unlink()
        file.with_name(f"{file.name}.map").unlink(missing_ok=True)


def _script(files: Iterable[Path]) -> str:
    return ";\n".join(COMMENT.sub("", file.read_text(encoding="utf-8")).strip() for file in files) + "\n"


# Stylesheets ---------------------------------------------------------------------------------------------------------


def _stylesheet(root: Path, pages: Pages, sheets: Iterable[Path]) -> str:
    """The rules of *sheets* that *pages* and the scripts of the site at *root* can use."""
    rules = [rule for sheet in sheets for rule in _rules(sheet)]
    scripts = " ".join(file.read_text(encoding="utf-8") for file in _own_files(root, "*.js"))
    names = _names(pages.values()) | _names_in_scripts(root)
    elsewhere = {*VARIABLE.findall(" ".join([scripts, *pages.values()]))}
    text, shorter = "", _used(rules, names)
    while text != shorter:  # a variable that only an unused one uses is unused too
        text, shorter = shorter, _used(rules, names, {*VARIABLE_USE.findall(shorter)} | elsewhere)
    return text


def _rules(sheet: Path) -> Iterator[Node]:
    for rule in tinycss2.parse_stylesheet(sheet.read_text(encoding="utf-8"), skip_comments=True, skip_whitespace=True):
        if rule.type == "error":
            raise CookbookError(f"{sheet.name}:{rule.source_line}: {rule.message}: fix the stylesheet")
        yield rule


def _names(pages: Iterable[str]) -> set[str]:
    """The elements of *pages* (`p`), their classes and ids (`.md-nav`), and their writing direction (`=ltr`)."""
    found = {*ALWAYS_THERE}
    for page in pages:
        found.update(ELEMENT.findall(page))
        found.update(f"={direction}" for direction in DIRECTION.findall(page))
        for value in NAMES.findall(page):
            found.update(f".{name}" for name in value.split())
    return found


def _names_in_scripts(root: Path) -> set[str]:
    """What the scripts of the site at *root* may put on its pages, in the form of `_names`."""
    found = set()
    for file in _own_files(root, "*.js"):
        words = {*WORD.findall(file.read_text(encoding="utf-8"))}
        is_material = file.relative_to(root).as_posix().startswith(MATERIAL)
        found |= words
        found |= {f".{word}" for word in words if not is_material or ("-" in word and not word.startswith(NOT_ENABLED))}
    return found


def _used(rules: Iterable[Node], names: set[str], variables: set[str] | None = None) -> str:
    """The text of *rules* without selectors that need more than *names*, and without variables except *variables*;
    all variables stay when it is None."""
    text = ""
    for rule in rules:
        if isinstance(rule, QualifiedRule):
            selectors = [selector for selector in _selectors(rule.prelude) if _required(selector) <= names]
            declarations = _declarations(rule.content, variables)
            if selectors and declarations:
                text += f"{','.join(map(_text, selectors))}{{{declarations}}}"
        elif rule.at_keyword in NESTING:
            nested = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            if inside := _used(nested, names, variables):
                text += f"@{rule.at_keyword} {_text(rule.prelude)}{{{inside}}}"
        elif rule.at_keyword != "charset":  # valid only at the start of a file
            end = ";" if rule.content is None else f"{{{_text(rule.content)}}}"
            text += f"@{rule.at_keyword} {_text(rule.prelude)}{end}"
    return text


def _declarations(content: list[Node], variables: set[str] | None) -> str:
    found = []
    for declaration in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
        if not isinstance(declaration, Declaration):
            return _text(content)  # a nested rule: as it is
        if variables is None or declaration.name in variables or not declaration.name.startswith("--"):
            important = "!important" if declaration.important else ""
            found.append(f"{declaration.name}:{_text(declaration.value)}{important}")
    return ";".join(found)


def _selectors(prelude: Iterable[Node]) -> list[list[Node]]:
    """The selectors of a rule, which commas separate."""
    selectors: list[list[Node]] = [[]]
    for node in prelude:
        if node == ",":
            selectors.append([])
        elif node.type != "comment":
            selectors[-1].append(node)
    return selectors


def _required(selector: list[Node]) -> set[str]:
    """The names without which *selector* matches nothing; what is inside :is() or :not() does not count."""
    required = set()
    before = ""
    for node in selector:
        if node.type == "hash":
            required.add(f".{node.value}")
        elif node.type == "[] block":
            required.update(f"={direction}" for direction in DIRECTION.findall(_text(node.content)))
        elif node.type == "ident" and before != ":":
            required.add(f".{node.value}" if before == "." else node.lower_value)
        before = node.value if node.type == "literal" else ""
    return required


def _text(nodes: Iterable[Node]) -> str:
    """The text of *nodes* without comments, with one blank for each white space."""
    texts = (" " if node.type == "whitespace" else node.serialize() for node in nodes if node.type != "comment")
    return "".join(texts).strip()
