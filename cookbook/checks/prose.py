"""Checks what people type on pages: no blocks of code, inline code that names what exists, typography, vocabulary."""

from __future__ import annotations

import html
import re
from typing import Any

from markdown import Markdown

from cookbook.checks import inline_code, inline_commands, inline_names, numbers, vocabulary
from cookbook.checks.inline_code import Faults
from cookbook.project import LANGUAGES, CookbookError, Project
from cookbook.sources import markup, pages
from cookbook.sources.pages import Page


def problems(project: Project) -> list[str]:
    """One line for each fault of the pages' prose, ``docs/fr/start/install.md:12: …``, page by page."""
    found = []
    for language in LANGUAGES:
        for file in project.pages(language):
            name = project.relative(file)
            try:
                page = pages.read(file, name)
                faults = sorted(
                    [
                        *_blocks(page),
                        *inline_code.faults(project, page),
                        *inline_commands.faults(page),
                        *inline_names.faults(project, page),
                        *_typography(page, language),
                        *numbers.faults(project, page, language),
                        *vocabulary.faults(page, language),
                    ]
                )
                found += [f"{name}:{line}: {fault}" for line, fault in faults]
            except CookbookError as error:
                found.append(str(error))
    return found


# Blocks --------------------------------------------------------------------------------------------------------------

# The Markdown extensions in mkdocs.base.yml that decide where a block begins and ends.
BLOCK_EXTENSIONS: dict[str, dict[str, Any]] = {
    "admonition": {},
    "attr_list": {},
    "def_list": {},
    "footnotes": {},
    "md_in_html": {},
    "tables": {},
    "pymdownx.details": {},
    "pymdownx.superfences": {},
    "pymdownx.tabbed": {"alternate_style": True},
}
_INSTEAD = "put it into a recipe and show it with code() or transcript()"


def _blocks(page: Page) -> Faults:
    for fence in page.fences:
        if not fence.closed:
            yield fence.line, f"a block without a closing line: close it, or {_INSTEAD}"
        elif not re.fullmatch(r"mermaid|\{ *\.mermaid\b.*\}", fence.info):
            yield fence.line, f"a code block typed by hand, which nothing runs: {_INSTEAD}"
    for match in re.finditer(r"<(?:pre|code)\b", page.text):
        yield pages.line_at(page.text, match.start()), f"{match[0]}> typed by hand: use backticks, or {_INSTEAD}"

    # Whether four spaces make code depends on the lists, tabs and admonitions around them: only Markdown knows.
    rendered = Markdown(extensions=[*BLOCK_EXTENSIONS], extension_configs=BLOCK_EXTENSIONS).convert(page.text)
    indented = [number for number, line in enumerate(page.text.splitlines(), 1) if re.search(r"(?: {4}|\t)\s*\S", line)]
    for block in re.findall(r"<pre><code>(.*?)</code></pre>", rendered, re.DOTALL):
        first = html.unescape(block).strip().partition("\n")[0].strip()
        line = next((line for line in indented if page.text.splitlines()[line - 1].rstrip().endswith(first)), 1)
        if line in indented:
            indented.remove(line)
        yield line, f"four spaces outside any list, tab or note make a code block: unindent it, or {_INSTEAD}"


# Typography ----------------------------------------------------------------------------------------------------------

_NO_EXCLAMATION = (re.compile("!"), "an exclamation mark: end the sentence with a full stop")
RULES = {
    "fr": [
        _NO_EXCLAMATION,
        (
            re.compile(r"(?<![\u00a0\u202f?;])[;?»%]|(?<![\u00a0\u202f:]):(?=[\s*_)\]»|]|$)"),
            "missing no-break space before '{}': write U+00A0 (or U+202F before ; and ?) or &nbsp; there",
        ),
        (re.compile(r"«(?![\u00a0\u202f])"), "missing no-break space after '{}': write U+00A0 or &nbsp; there"),
        (re.compile('"'), "a straight quote: write « … », with no-break spaces"),
        (re.compile(r"\.\.\."), "three dots: write …"),
        (
            re.compile(r"\b(?:[Tt](?:u|e|oi|on|a|es|ien|iens|ienne|iennes)\b|[Tt]['’](?=\w))"),
            "'{}' addresses the reader as tu: write vous, or rephrase",
        ),
    ],
    "en": [_NO_EXCLAMATION, (re.compile("[«»]"), "the French quote '{}': write “ … ” or \"…\"")],
}


def _typography(page: Page, language: str) -> Faults:
    meta = pages.meta_prose(page)
    for line, text in meta:
        if re.search(r"\w'", text):
            yield line, "a straight apostrophe: write ’ here, since this is not Markdown, which would convert it"
    for first, text in [(1, page.text), *page.texts, *meta]:
        for line, words in enumerate(markup.words_only(text).splitlines(), first):
            for rule, fault in RULES[language]:
                if match := rule.search(words):
                    yield line, fault.format(match[0])
