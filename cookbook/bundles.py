"""The download of a recipe: a zip that holds the project as the reader would have it, and runs as it is."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

from cookbook import evidence, pages
from cookbook.evidence import Evidence
from cookbook.project import LANGUAGES, STACK_FILES, CookbookError, Project
from cookbook.proofs import NAMES

EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold: its bytes depend on the content alone
FILE, PROGRAM = 0o100644, 0o100755
PACKAGES = {"celery": "celery", "django": "django", "kombu": "kombu", "redis": "redis-py"}  # pip's name: the evidence's
NEEDED = re.compile(r"os\.environ\[\"(\w+)\"\]")  # a variable without which the settings do not load

README = """\
# {title[en]} / {title[fr]}

## English

The files of the recipe `{recipe}` as they were run, in a Django project that starts as it is.

Have Redis listen on localhost:6379, or name another one: `export REDIS_URL=redis://host:6379`. Then, in this folder:

{commands}

In another terminal, with the same environment: `python manage.py shell`.

Verified on {versions}.

## Français

Les fichiers de la recette `{recipe}` tels qu'ils ont été exécutés, dans un projet Django qui démarre tel quel.

Redis doit écouter sur localhost:6379 ; sinon, nommez le vôtre : `export REDIS_URL=redis://hote:6379`.
Puis, dans ce dossier :

{commands}

Dans un autre terminal, avec le même environnement : `python manage.py shell`.

Vérifié sur {versions}.
"""


def shown_recipes(project: Project) -> dict[str, dict[str, str]]:
    """Each recipe that a page names in its front matter, with the page's title in each language."""
    found: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        for file in project.pages(language):
            meta = pages.front_matter(file)
            if recipe := meta.get("recipe"):
                found.setdefault(str(recipe), {})[language] = str(meta.get("title", recipe))
    return found


def write_bundle(project: Project, recipe: str, target: Path) -> None:
    """Write the zip of *recipe* to *target*: the same bytes each time, for the same files and evidence.

    Raises CookbookError when the recipe never ran: a bundle says on which versions it was verified.
    """
    runs = evidence.load(project, recipe)
    if not runs:
        raise CookbookError(
            f"recipes/{recipe}: no evidence says which versions its bundle needs: run `python -m cookbook run {recipe}`"
        )
    paths = [project.root / name for name in evidence.digests(project, recipe)]
    files = {
        path.relative_to(project.recipes).as_posix(): path.read_bytes()
        for path in paths
        if path.is_relative_to(project.recipes)
    }
    files["requirements.txt"] = _pinned(files["requirements.txt"].decode(), runs).encode()
    if f"{recipe}/settings.py" in files:
        files["core/settings/__init__.py"] = f"from {recipe}.settings import *\n".encode()
    commands = _commands(project, recipe)
    if (
        f"{recipe}/requirements.txt" in files
    ):  # it needs more than Python packages: it comes with the stack, laid out as here
        files = {f"recipes/{name}": data for name, data in files.items()}
        files |= {name: (project.root / name).read_bytes() for name in (*STACK_FILES, ".dockerignore")}
        commands = ["cp .env.example .env", "docker compose up --build --wait"]
    files["README.md"] = _readme(project, recipe, runs, commands).encode()

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


def _commands(project: Project, recipe: str) -> list[str]:
    """What starts a worker of the bundle on this machine."""
    settings = (project.recipes / "core/settings/base.py", project.recipes / recipe / "settings.py")
    needed = {name for file in settings if file.is_file() for name in NEEDED.findall(file.read_text(encoding="utf-8"))}
    return [
        "python3 -m venv .venv",
        ". .venv/bin/activate",
        "pip install -r requirements.txt",
        *(f"export {name}=change-me" for name in sorted(needed)),
        "celery -A core worker --loglevel INFO",
    ]


def _readme(project: Project, recipe: str, runs: list[Evidence], commands: list[str]) -> str:
    titles = shown_recipes(project).get(recipe, {})
    return README.format(
        recipe=recipe,
        title={language: titles.get(language, recipe) for language in LANGUAGES},
        commands="\n".join(f"    {command}" for command in commands),
        versions="; ".join(_named(run) for run in runs),
    )


def _named(run: Evidence) -> str:
    """ "Celery 5.7.0, Django 5.2.19, …, Valkey 8.1.8"."""
    return ", ".join([*(f"{name} {run.versions[key]}" for key, name in NAMES.items()), run.versions["server"]])
