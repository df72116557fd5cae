"""Refuses words that do not belong in plain technical English or in the vocabulary of French teams.

`INSTEAD` is the whole list. Inline code is not read: there, a word is a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cookbook.checks.inline_code import Faults
from cookbook.evidence import records
from cookbook.project import Project
from cookbook.sources import markup, pages, proof_source
from cookbook.sources.pages import Page
from cookbook.sources.proof_source import ProofSource

INSTEAD: Mapping[str, Mapping[str, str]] = {
    "en": {
        r"of (?:one's|its|their|your|our|my|his|her) own": "its own …, a separate …",
        r"do(?:es|ing)? without|did without|done without": "without, not need",
        r"for (?:it|they|this|that) (?:is|are)": "because",
        r"(?:cannot|can't|could not) be had": "is unavailable",
        r"(?:hold(?:s|ing)?|held)(?! (?:a|an|the|this|that|its) lock)": "contains, keeps, reserves, is true",
        r"(?<!for\s)wants?|wanted": "needs, asks for",
        r"(?<!there\s)(?:is|are|was|were) no(?! (?:longer|more|less|fewer|later|sooner)\b) \w+": "is not a …",
        r"what one (?:sees|gets|has|needs|knows|finds|reads|writes|does)": "what you see",
        r"go(?:es)? on|going on|went on|gone on": "continues",
        r"tells?|told|telling": "reports, says",
        r"mend(?:s|ed|ing)?": "fixes",
        r"(?:take|takes|taken|taking|took) (?:\w+ )?away": "removes",
        r"bears? (?:it|being \w+)": "is idempotent",
        r"kin": "the similar ones",
        r"who(?:m)?ever": "anyone who, the person who",
        r"be it": "whether",
        r"aloud": "with an error",
        r"in the midst of": "inside, during",
        r"for want of": "without",
    },
    "fr": {
        r"estampill\w+": "stamp",
        r"(?<!\bau\s)fils?(?! (?:de l'eau|conducteur))": "thread",
        r"journ(?:al|aux)": "les logs",
        r"rappels?": "callback",
        r"battements?": "heartbeat",
        r"mode immédiat": "mode eager",
        r"éprouv\w+": "tester",
        r"rend(?:re|ent|s|ait|u|us|ue|ues)?(?! la main\b)"
        r"(?!(?: \S+){0,2} (?:idempotent|sûr|possible|visible|inutile|plus))": "renvoyer, rejouer",
        r"déten\w+|détien\w+": "réserver, contenir",
        r"(?:tient|tiennent|tenir|tenait|tenaient|tenue?s?)(?! (?:compte|dans|en|à)\b)": "réserver, contenir, garder",
    },
}
"""For each language, what is refused, as a regular expression, and what to say instead. A blank is any white space."""


def _compiled(words: str) -> re.Pattern[str]:
    anywhere = words.replace(" ", r"\s+").replace("'", "['’]")
    return re.compile(rf"(?<![\w-])(?:{anywhere})(?![\w-])", re.IGNORECASE)


_PATTERNS = {
    language: [(_compiled(words), instead) for words, instead in refused.items()]
    for language, refused in INSTEAD.items()
}


def faults(page: Page, language: str) -> Faults:
    """The refused words of *page*: its text, the texts in its macro calls, its title and its description."""
    for first, text in [(1, page.text), *page.texts, *pages.meta_prose(page)]:
        yield from _found(markup.words_only(text), first, language)


def of_proofs(project: Project) -> list[str]:
    """A line for each refused word in the sentences of proofs, which pages show."""
    return [
        f"{project.relative(module)}:{line}: {fault}"
        for module in (records.proof_module(project, recipe) for recipe in project.recipe_names())
        for test in proof_source.tests(project, module).values()
        for language, first, text in _sentences(test)
        for line, fault in _found(text, first, language)
    ]


def _found(text: str, first: int, language: str) -> Faults:
    """The refused words of *text*, whose first line is line *first* of its file, in the order of the text."""
    matches = [
        (match.start(), " ".join(match[0].split()), instead)
        for pattern, instead in _PATTERNS[language]
        for match in pattern.finditer(text)
    ]
    for start, words, instead in sorted(matches):
        yield first - 1 + pages.line_at(text, start), f"'{words}': say '{instead}' instead"


def _sentences(test: ProofSource) -> Iterator[tuple[str, int, str]]:
    """The language, the first line and the text of each sentence of *test*, as its docstring has it, without code."""
    before, _, docstring = test.source.partition('"""')
    line = test.line + before.count("\n")
    for language, text in zip(test.sentence, docstring.partition('"""')[0].split("\n\n"), strict=False):
        yield language, line, re.sub(r"`[^`]*`", lambda code: "\n" * code[0].count("\n"), text)
        line += text.count("\n") + 2
