"""The download of a recipe: a zip with the reader's project, which runs as it is."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import yaml
from packaging.requirements import Requirement

from cookbook.evidence import records
from cookbook.evidence.records import Evidence
from cookbook.project import COMPOSE_FILE, LANGUAGES, STACK_FILES, CookbookError, Project
from cookbook.render.proofs import NAMES
from cookbook.site import templates
from cookbook.sources import pages

EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time in a zip: a constant, so that the bytes depend only on the content
FILE, PROGRAM = 0o100644, 0o100755
PACKAGES = {
    "celery": "celery",
    "django": "django",
    "kombu": "kombu",
    "redis": "redis-py",
}  # pip's name → the evidence's
REQUIRED = re.compile(r"os\.environ\[\"(\w+)\"\]")  # a variable without which the settings do not load

WORKER = "celery -A core worker --loglevel INFO"
START = "docker compose up --build --wait"


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
    has_stack = project.comes_with_the_stack(recipe)  # with which the files are laid out as here
    given = {
        "recipe": recipe,
        "titles": shown_recipes(project).get(recipe, dict.fromkeys(LANGUAGES, recipe)),
        "start": f"cp .env.example .env && {START}" if has_stack else START,
        "worker": WORKER,
        "variables": _required_variables(project, recipe),
        "by_hand": not has_stack,
        "versions": "; ".join(_versions(run) for run in runs),
    }
    if has_stack:
        files = {f"recipes/{name}": data for name, data in files.items()}
        files |= {name: (project.root / name).read_bytes() for name in (*STACK_FILES, ".dockerignore")}
    else:  # a worker and its Redis, on the images of the project's own stack
        stack = yaml.safe_load((project.root / COMPOSE_FILE).read_text(encoding="utf-8"))["services"]
        images = {"redis": stack["redis"], "python_image": stack["migrate"]["build"]["args"]["PYTHON_IMAGE"]}
        files[COMPOSE_FILE] = templates.rendered("docker-compose.yml.jinja", **given, **images).encode()
    files["README.md"] = templates.rendered("README.md.jinja", **given).encode()
    _zip(target, recipe, files)


def _zip(target: Path, folder: str, files: Mapping[str, bytes]) -> None:
    """Write *files* to the zip *target*, all in one *folder*, so that unpacking overwrites nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as bundle:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", EPOCH)
            entry.create_system = 3  # Unix, on every platform: external_attr is read accordingly
            entry.external_attr = (PROGRAM if name.endswith("manage.py") else FILE) << 16
            bundle.writestr(entry, files[name], zipfile.ZIP_DEFLATED)


def _pinned(requirements: str, runs: list[Evidence]) -> str:
    """*requirements* and `PACKAGES` pinned to the versions of the newest run."""
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


def _required_variables(project: Project, recipe: str) -> list[str]:
    """The environment variables without which the settings of the bundle do not load."""
    settings = (project.recipes / "core/settings/base.py", project.recipes / recipe / "settings.py")
    texts = (file.read_text(encoding="utf-8") for file in settings if file.is_file())
    return sorted({name for text in texts for name in REQUIRED.findall(text)})


def _versions(run: Evidence) -> str:
    """The versions of *run*, as "Celery 5.7.0, Django 5.2.19, …, Valkey 8.1.8"."""
    return ", ".join([*(f"{name} {run.versions[key]}" for key, name in NAMES.items()), run.versions["server"]])
