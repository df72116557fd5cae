"""A page in both languages, for tests to change."""

import json

from cookbook.checks import parity
from cookbook.project import Project

FRENCH = """\
---
title: Installer
description: Les fichiers
recipe: install
---

# Installer

Du [texte](b.md).

## Les fichiers { #files }

{@ code("core/celery.py", "app", notes={"a=": "Pourquoi"}) @}

!!! note "Titre"
    Du texte.

## Comment ça marche { #behaviour }

| a | b |
|---|---|
| c | d |
"""
ENGLISH = """\
---
title: Install
description: The files
recipe: install
---

# Install

Some [text](b.md).

## The files { #files }

{@ code("core/celery.py", "app", notes={"a=": "Why"}) @}

!!! note "Title"
    Some text.

## How it behaves { #behaviour }

| a | b |
|---|---|
| c | d |
"""


def write(project: Project, language: str, text: str, path: str = "start/install.md") -> None:
    file = project.docs / language / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def edit(project: Project, language: str, old: str, new: str) -> None:
    text = FRENCH if language == "fr" else ENGLISH
    assert text.count(old) == 1
    write(project, language, text.replace(old, new))


def lock(project: Project) -> dict[str, dict[str, str]]:
    return dict(json.loads((project.root / parity.LOCK).read_text()))
