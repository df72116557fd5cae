"""A whole cookbook in a folder of its own, small enough to be built in seconds, for tests to break."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from cookbook.checks import parity
from cookbook.evidence import records
from cookbook.evidence.records import Evidence, Proof
from cookbook.project import Project

HOUSE = Project(Path(__file__).parents[2])

FILES = {
    "docker-compose.yml": """\
services:
  redis:
    image: ${REDIS_IMAGE:-redis:8}
    healthcheck:
      test: redis-cli -e ping
  migrate:
    build:
      args:
        PYTHON_IMAGE: ${PYTHON_IMAGE:-python:3.13-slim}
""",
    "recipes/greet/__init__.py": "",
    "recipes/greet/apps.py": """\
from django.apps import AppConfig


class GreetConfig(AppConfig):
    name = "greet"
""",
    "recipes/greet/settings.py": """\
from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "greet.apps.GreetConfig"]
""",
    "recipes/greet/tasks.py": """\
from celery import shared_task


@shared_task
def greet(name: str) -> str:
    return f"Hello {name}"


@shared_task
def part(name: str) -> str:
    return f"Goodbye {name}"
""",
    "recipes/greet/worker.conf": """\
# region: memory
maxmemory 100mb
# endregion: memory
""",
    "recipes/greet/hello.console": """\
$ celery -A core call greet.tasks.greet --args '["Ada"]'
6f2d3b1c-52b4-4c53-9c9d-0c9e8e3f1a55
""",
    "tests/recipes/test_greet.py": """\
def test_it_greets_by_name(django):
    \"\"\"It greets by name.

    Elle salue par le nom.
    \"\"\"
    assert django("from greet.tasks import greet; greet('Ada')") == "Hello Ada"
""",
    "docs/fr/index.md": """\
---
title: Accueil
description: Un petit livre.
---

# Accueil

Une recette\u00a0: [saluer](start/greet.md#files).
""",
    "docs/en/index.md": """\
---
title: Home
description: A small book.
---

# Home

One recipe: [greet](start/greet.md#files).
""",
    "docs/fr/start/greet.md": """\
---
title: Saluer
description: Une tâche qui salue.
recipe: greet
---

# Saluer

## Les fichiers { #files }

Elle salue.{@ proven("greet::test_it_greets_by_name") @}

{@ code("greet/tasks.py", "greet", notes={"return f": "Le nom."}) @}

- En liste\u00a0:

    {@ code("greet/tasks.py", "part") @}

{@ code("greet/worker.conf", "memory") @}

{@ transcript("greet/hello.console") @}
""",
    "docs/en/start/greet.md": """\
---
title: Greet
description: A task that greets.
recipe: greet
---

# Greet

## The files { #files }

It greets.{@ proven("greet::test_it_greets_by_name") @}

{@ code("greet/tasks.py", "greet", notes={"return f": "The name."}) @}

- In a list:

    {@ code("greet/tasks.py", "part") @}

{@ code("greet/worker.conf", "memory") @}

{@ transcript("greet/hello.console") @}
""",
}
QUICK_PROOF = '''\
def test_it_greets_by_name():
    """It greets by name.

    Elle salue par le nom.
    """
    assert "Ada" in "Hello Ada"
'''
NAV = "nav:\n  - index.md\n  - start/greet.md\n"
BLOCKS = 8  # four on each page of the recipe


def make_project(folder: Path) -> Project:
    """A cookbook of one recipe below *folder* which can be published as it is: its evidence is fresh, its lock too."""
    project = Project(folder / "book")
    for name, text in FILES.items():
        write(project, name, text)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HOUSE.recipes / "core", project.recipes / "core", ignore=ignored)
    for name in ("recipes/manage.py", "recipes/requirements.txt", "mkdocs.base.yml", "pyproject.toml"):
        shutil.copy(HOUSE.root / name, project.root / name)
    for name in ("mkdocs.yml", "mkdocs.en.yml"):
        house = (HOUSE.root / name).read_text(encoding="utf-8")
        write(project, name, re.sub(r"^nav:\n(?:[ \t].*\n|\n)*", NAV, house, flags=re.MULTILINE))
    (project.root / "theme").symlink_to(HOUSE.root / "theme")
    write_evidence(project)
    parity.record(project)
    return project


def write(project: Project, name: str, text: str) -> Path:
    file = project.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def edit(project: Project, name: str, old: str, new: str) -> None:
    """Replace *old*, which the file holds once."""
    file = project.root / name
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def write_evidence(project: Project, **changes: object) -> Evidence:
    """Evidence of a run that passed, on the files as they are; *changes* to its fields."""
    proof = Proof(
        name="test_it_greets_by_name",
        id="tests/recipes/test_greet.py::test_it_greets_by_name",
        outcome="passed",
        seconds=1.2,
    )
    versions = {
        "python": "3.13.1",
        "django": "5.2.19",
        "celery": "5.7.0",
        "kombu": "5.7.0",
        "redis-py": "8.1.0",
        "server": "Valkey 8.1.8",
    }
    run = Evidence(
        recipe="greet",
        backend="local",
        date="2026-11-22T19:00:00+00:00",
        versions=versions,
        files=records.digests(project, "greet"),
        tests=[proof],
        transcripts={"recipes/greet/hello.console": proof.name},
    )
    run = replace(run, **changes)  # type: ignore[arg-type]
    records.write(project, run)
    return run


def cookbook(project: Project, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`python -m cookbook` with *args*, as a person in the project's folder runs it."""
    return subprocess.run(
        [sys.executable, "-m", "cookbook", *args],
        cwd=project.root,
        # It is not one of the tests that xdist spreads, even where this one is.
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | env,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
