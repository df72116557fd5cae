"""Lays down the files of a new recipe, each with what is left to write in it; the checks fail until it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cookbook.project import CONFIGS, LANGUAGES, SHARED, CookbookError, Project

MARK = "✎"  # stands where somebody has still to write
NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")

FILES = {
    "recipes/{name}/__init__.py": "",
    "recipes/{name}/apps.py": """\
from django.apps import AppConfig


class {config}(AppConfig):
    name = "{name}"
""",
    "recipes/{name}/settings.py": """\
from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "{name}.apps.{config}"]
""",
    "recipes/{name}/tasks.py": """\
from celery import shared_task


@shared_task
def work() -> None:
    raise NotImplementedError("✎ what the task does, and a name that says so")
""",
    "tests/recipes/test_{name}.py": '''\
import pytest


def test_what_the_page_says(worker, django):
    """✎ the sentence of the page that this proves.

    ✎ la phrase de la page que ceci prouve.
    """
    pytest.fail("✎ start a worker, send the task from django, assert what the page says", pytrace=False)
''',
}
PAGES = {
    "en": """\
---
title: ✎ what the reader wants to do
description: ✎ one sentence for search engines and the table of contents.
keywords: [✎ words that readers search it by and that the page does not use]
recipe: {name}
---

# ✎ what the reader wants to do

✎ The problem as the reader meets it, in a few sentences.

## The recipe {{ #recipe }}

✎ What to copy, and why each line is there.

{{@ code("{name}/tasks.py", "work") @}}

{{@ code("{name}/settings.py", "INSTALLED_APPS") @}}

## How it behaves {{ #behaviour }}

✎ What was seen, each sentence with its proof.{{@ proven("{name}::test_what_the_page_says") @}}

## When to do without {{ #when-not }}

✎ The cases for which something simpler is better.

## What goes wrong {{ #pitfalls }}

- **✎ What the reader sees.** Why, and what to do.
""",
    "fr": """\
---
title: ✎ ce que le lecteur veut faire
description: ✎ une phrase pour les moteurs de recherche et la table des matières.
keywords: [✎ mots que les lecteurs cherchent et que la page n'emploie pas]
recipe: {name}
---

# ✎ ce que le lecteur veut faire

✎ Le problème tel que le lecteur le rencontre, en quelques phrases.

## La recette {{ #recipe }}

✎ Ce qu'il faut copier, et la raison d'être de chaque ligne.

{{@ code("{name}/tasks.py", "work") @}}

{{@ code("{name}/settings.py", "INSTALLED_APPS") @}}

## Comment ça se comporte {{ #behaviour }}

✎ Ce qui a été vu, chaque phrase avec sa preuve.{{@ proven("{name}::test_what_the_page_says") @}}

## Quand s'en passer {{ #when-not }}

✎ Les cas où plus simple vaut mieux.

## Ce qui tourne mal {{ #pitfalls }}

- **✎ Ce que voit le lecteur.** Pourquoi, et que faire.
""",
}


def lay_down(project: Project, name: str, section: str) -> list[Path]:
    """Write the recipe *name* with its proof, its pages below *section* and their lines in the nav; the files written.

    Raises CookbookError, and writes nothing, for a name that cannot be one or is taken, and for an unknown section.
    """
    if not NAME.fullmatch(name) or name in SHARED:
        raise CookbookError(f"{name}: no name for a recipe: take a Python module's, such as visibility_timeout")
    words = {"name": name, "config": "".join(map(str.capitalize, name.split("_"))) + "Config"}
    page = f"{section}/{name.replace('_', '-')}.md"
    texts = {file.format(**words): text.format(**words) for file, text in FILES.items()}
    texts |= {f"docs/{language}/{page}": PAGES[language].format(**words) for language in LANGUAGES}
    texts |= {config: _with_page(project, config, section, page) for config in CONFIGS.values()}
    taken = [file for file in texts if file not in CONFIGS.values() and (project.root / file).exists()]
    if taken:
        raise CookbookError(f"{taken[0]}: there already: choose another name, or go on with that one")
    for file, text in texts.items():
        (project.root / file).parent.mkdir(parents=True, exist_ok=True)
        (project.root / file).write_text(text, encoding="utf-8")
    return [project.root / file for file in texts]


def problems(project: Project) -> list[str]:
    """One line for each file that still has a `MARK`, at the first one."""
    found = []
    for file in _written_by_people(project):
        lines = file.read_text(encoding="utf-8").splitlines()
        marked = [(number, line) for number, line in enumerate(lines, 1) if MARK in line]
        if marked:
            number, line = marked[0]
            more = f" (and {len(marked) - 1} more)" if marked[1:] else ""
            what = line[line.index(MARK) :].strip(" -*\"')]")
            found.append(f"{project.relative(file)}:{number}: still to write: {what}{more}")
    return found


def _written_by_people(project: Project) -> Iterator[Path]:
    for folder in (project.recipes, project.proofs, *(project.docs / language for language in LANGUAGES)):
        for pattern in ("*.py", "*.md"):
            yield from sorted(folder.rglob(pattern))


def _with_page(project: Project, config: str, section: str, page: str) -> str:
    """The text of the configuration with a line for *page* after the last one of its section."""
    lines = (project.root / config).read_text(encoding="utf-8").splitlines(keepends=True)
    pattern = re.compile(rf"(?P<indent> +- ){re.escape(section)}/[\w-]+\.md\n?")
    own = [(number, match) for number, line in enumerate(lines) if (match := pattern.fullmatch(line))]
    if not own:
        sections = sorted({match[1] for line in lines if (match := re.fullmatch(r" +- ([\w-]+)/[\w-]+\.md\n?", line))})
        raise CookbookError(f"{config}: no section {section!r} in its nav: it has {', '.join(sections)}")
    number, match = own[-1]
    lines.insert(number + 1, f"{match['indent']}{page}\n")
    return "".join(lines)
