"""The download of a recipe: a zip that holds the project as the reader would have it, and runs as it is."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from cookbook.evidence import records
from cookbook.evidence.records import Evidence
from cookbook.project import LANGUAGES, STACK_FILES, CookbookError, Project
from cookbook.render.proofs import NAMES
from cookbook.sources import pages

EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold: its bytes depend on the content alone
FILE, PROGRAM = 0o100644, 0o100755
PACKAGES = {"celery": "celery", "django": "django", "kombu": "kombu", "redis": "redis-py"}  # pip's name: the evidence's
NEEDED = re.compile(r"os\.environ\[\"(\w+)\"\]")  # a variable without which the settings do not load

WORKER = "celery -A core worker --loglevel INFO"
ONE_COMMAND = "docker compose up --build --wait"
COMPOSE = """\
# A worker and its Redis, for trying the recipe: {command}
services:
  redis:
    image: {redis}
    healthcheck:
      test: {ping}
      interval: 5s
  worker:
    build:
      args:
        PYTHON_IMAGE: {python}
      dockerfile_inline: |
        ARG PYTHON_IMAGE
        FROM $$PYTHON_IMAGE
        WORKDIR /app
        COPY requirements.txt .
        RUN pip install --no-cache-dir --requirement requirements.txt
        COPY . .
    command: {worker}
    environment:
      REDIS_URL: redis://redis:6379
{environment}
    depends_on:
      redis:
        condition: service_healthy
"""
README = """\
# {title[en]} / {title[fr]}

## English

The files of the recipe `{recipe}` as they were run, in a Django project that starts as it is.
With Docker, in this folder:

    {start}

Then `docker compose exec worker python manage.py shell` to try it, and `docker compose down --volumes` to remove it.
{by_hand[en]}
Verified on {versions}.

## Français

Les fichiers de la recette `{recipe}` tels qu'ils ont été exécutés, dans un projet Django qui démarre tel quel.
Avec Docker, dans ce dossier :

    {start}

Puis `docker compose exec worker python manage.py shell` pour essayer,
et `docker compose down --volumes` pour tout enlever.
{by_hand[fr]}
Vérifié sur {versions}.
"""
BY_HAND = {
    "en": """
Without Docker, have Redis listen on localhost:6379, or name another one: `export REDIS_URL=redis://host:6379`. Then:

{commands}

In another terminal, with the same environment: `python manage.py shell`.
""",
    "fr": """
Sans Docker, Redis doit écouter sur localhost:6379 ; sinon, nommez le vôtre : `export REDIS_URL=redis://hote:6379`.
Puis :

{commands}

Dans un autre terminal, avec le même environnement : `python manage.py shell`.
""",
}


def shown_recipes(project: Project) -> dict[str, dict[str, str]]:
    """Each recipe that a page names in its front matter, with the page's title in each language."""
    found: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        for recipe, (_, meta) in pages.of_recipes(project, language).items():
            found.setdefault(recipe, {})[language] = str(meta.get("title", recipe))
    return found


def write_bundle(project: Project, recipe: str, target: Path) -> None:
    """Write the zip of *recipe* to *target*: the same bytes each time, for the same files and evidence.

    Raises CookbookError when the recipe never ran: a bundle says on which versions it was verified.
    """
    runs = records.load(project, recipe)
    if not runs:
        raise CookbookError(
            f"recipes/{recipe}: no evidence says which versions its bundle needs: run `python -m cookbook run {recipe}`"
        )
    paths = [project.root / name for name in records.digests(project, recipe)]
    files = {
        path.relative_to(project.recipes).as_posix(): path.read_bytes()
        for path in paths
        if path.is_relative_to(project.recipes)
    }
    files["requirements.txt"] = _pinned(files["requirements.txt"].decode(), runs).encode()
    if f"{recipe}/settings.py" in files:
        files["core/settings/__init__.py"] = f"from {recipe}.settings import *\n".encode()
    if project.comes_with_the_stack(recipe):  # laid out as here
        files = {f"recipes/{name}": data for name, data in files.items()}
        files |= {name: (project.root / name).read_bytes() for name in (*STACK_FILES, ".dockerignore")}
        readme = _readme(project, recipe, runs, f"cp .env.example .env && {ONE_COMMAND}", by_hand=False)
    else:
        files["docker-compose.yml"] = _compose(project, recipe).encode()
        readme = _readme(project, recipe, runs, ONE_COMMAND, by_hand=True)
    files["README.md"] = readme.encode()

    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as bundle:
        for name in sorted(files):
            # One folder holds it all: unpacking it covers nothing up.
            entry = zipfile.ZipInfo(f"{recipe}/{name}", EPOCH)
            entry.create_system = 3  # Unix, wherever it is written: that is how the modes are read
            entry.external_attr = (PROGRAM if name.endswith("manage.py") else FILE) << 16
            bundle.writestr(entry, files[name], zipfile.ZIP_DEFLATED)


def _pinned(requirements: str, runs: list[Evidence]) -> str:
    """*requirements* on the versions of the newest run, and what those brought along on theirs."""
    versions = max(runs, key=lambda run: run.date).versions
    pinned = {}
    for line in requirements.splitlines():
        if text := line.partition("#")[0].strip():
            asked = Requirement(text)
            extras = f"[{','.join(sorted(asked.extras))}]" if asked.extras else ""
            version = versions.get(PACKAGES.get(asked.name.lower(), ""))
            pinned[asked.name.lower()] = f"{asked.name}{extras}=={version}" if version else text
    for name, key in PACKAGES.items():
        pinned.setdefault(name, f"{name}=={versions[key]}")
    return "".join(f"{line}\n" for line in pinned.values())


def _compose(project: Project, recipe: str) -> str:
    """A worker and its Redis, on the images of the project's own stack."""
    services = yaml.safe_load((project.root / STACK_FILES[0]).read_text(encoding="utf-8"))["services"]
    return COMPOSE.format(
        command=ONE_COMMAND,
        redis=services["redis"]["image"],
        ping=services["redis"]["healthcheck"]["test"],
        python=services["migrate"]["build"]["args"]["PYTHON_IMAGE"],
        worker=WORKER,
        environment="\n".join(f"      {name}: change-me" for name in _needed(project, recipe)),
    )


def _needed(project: Project, recipe: str) -> list[str]:
    """The variables without which the settings of the bundle do not load."""
    settings = (project.recipes / "core/settings/base.py", project.recipes / recipe / "settings.py")
    return sorted(
        {name for file in settings if file.is_file() for name in NEEDED.findall(file.read_text(encoding="utf-8"))}
    )


def _readme(project: Project, recipe: str, runs: list[Evidence], start: str, *, by_hand: bool) -> str:
    titles = shown_recipes(project).get(recipe, {})
    commands = [
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        "pip install -r requirements.txt",
        *(f"export {name}=change-me" for name in _needed(project, recipe)),
        WORKER,
    ]
    listed = "\n".join(f"    {command}" for command in commands)
    return README.format(
        recipe=recipe,
        title={language: titles.get(language, recipe) for language in LANGUAGES},
        start=start,
        by_hand={language: text.format(commands=listed) if by_hand else "" for language, text in BY_HAND.items()},
        versions="; ".join(_named(run) for run in runs),
    )


def _named(run: Evidence) -> str:
    """ "Celery 5.7.0, Django 5.2.19, …, Valkey 8.1.8"."""
    return ", ".join([*(f"{name} {run.versions[key]}" for key, name in NAMES.items()), run.versions["server"]])
