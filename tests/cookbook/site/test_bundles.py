import subprocess
import sys
import zipfile

import pytest
import yaml

from cookbook.project import STACK_FILES, CookbookError
from cookbook.site import bundles
from tests.cookbook.mini import edit, write, write_evidence


def bundle(project, name="greet.zip"):
    target = project.root / name
    bundles.write_bundle(project, "greet", target)
    return zipfile.ZipFile(target)


def read(project, name):
    return bundle(project).read(f"greet/{name}").decode()


def test_a_bundle_contains_the_recipe_and_the_project_around_it(project):
    write(project, "recipes/greet/__pycache__/tasks.cpython-313.pyc", "")
    write(project, "recipes/db.sqlite3", "")
    write(project, "recipes/core/db.sqlite3", "")
    write(project, "recipes/other/tasks.py", "")
    assert bundle(project).namelist() == [
        "greet/README.md",
        "greet/core/__init__.py",
        "greet/core/apps.py",
        "greet/core/celery.py",
        "greet/core/settings/__init__.py",
        "greet/core/settings/base.py",
        "greet/core/storages.py",
        "greet/core/tasks.py",
        "greet/docker-compose.yml",
        "greet/greet/__init__.py",
        "greet/greet/apps.py",
        "greet/greet/hello.console",
        "greet/greet/settings.py",
        "greet/greet/tasks.py",
        "greet/greet/worker.conf",
        "greet/manage.py",
        "greet/requirements.txt",
    ]


def test_the_same_recipe_and_evidence_give_the_same_bytes(project):
    bundle(project, "one.zip")
    for file in project.recipes.rglob("*.py"):
        file.touch()
        file.chmod(0o640)
    bundle(project, "two.zip")
    assert (project.root / "one.zip").read_bytes() == (project.root / "two.zip").read_bytes()


def test_the_versions_are_those_of_the_newest_run(project):
    write(project, "recipes/requirements.txt", "# what it uses\ncelery[redis]>=5.7,<5.8\nDjango>=5.2\nwhitenoise>=6\n")
    older = write_evidence(project)
    versions = {**older.versions, "celery": "5.7.1", "server": "Redis 8.2.0"}
    write_evidence(project, backend="compose", date="2026-12-01T08:00:00+00:00", versions=versions)
    assert read(project, "requirements.txt").splitlines() == [
        "celery[redis]==5.7.1",
        "Django==5.2.19",
        "whitenoise>=6",
        "kombu==5.7.0",
        "redis==8.1.0",
    ]
    readme = read(project, "README.md")
    assert readme.count("Celery 5.7.0, Django 5.2.19, Python 3.13.1, kombu 5.7.0, redis-py 8.1.0, Valkey 8.1.8") == 2
    assert readme.count("Celery 5.7.1, Django 5.2.19, Python 3.13.1, kombu 5.7.0, redis-py 8.1.0, Redis 8.2.0") == 2


def test_the_readme_lists_the_commands_in_both_languages(project):
    edit(project, "recipes/greet/settings.py", "\n\n", '\nimport os\n\nGREETING = os.environ["GREETING"]\n')
    readme = read(project, "README.md")
    assert readme.startswith("# Greet / Saluer\n")
    english, french = readme.split("## Français")
    for half in (english, french):
        commands = [line.strip() for line in half.splitlines() if line.startswith("    ")]
        assert commands == [
            "docker compose up --build --wait",
            "python3 -m venv .venv",
            ". .venv/bin/activate",
            "pip install -r requirements.txt",
            "export DJANGO_SECRET_KEY=change-me",
            "export GREETING=change-me",
            "celery -A core worker --loglevel INFO",
        ]


def test_its_compose_file_has_the_images_of_the_stack_and_the_variables_of_the_settings(project):
    edit(project, "recipes/greet/settings.py", "\n\n", '\nimport os\n\nGREETING = os.environ["GREETING"]\n')
    services = yaml.safe_load(read(project, "docker-compose.yml"))["services"]
    stack = yaml.safe_load((project.root / "docker-compose.yml").read_text())["services"]
    assert services["redis"]["image"] == stack["redis"]["image"]
    assert services["worker"]["build"]["args"] == stack["migrate"]["build"]["args"]
    assert services["worker"]["environment"] == {
        "REDIS_URL": "redis://redis:6379",
        "DJANGO_SECRET_KEY": "change-me",
        "GREETING": "change-me",
    }


def test_a_recipe_that_needs_more_than_redis_comes_with_the_whole_stack(project):
    write(project, "recipes/greet/requirements.txt", "psycopg\n")
    for name in ("Dockerfile", ".env.example", ".dockerignore"):
        write(project, name, f"# {name}\n")
    write_evidence(project)
    for name in STACK_FILES:
        assert read(project, name) == (project.root / name).read_text()
    readme = read(project, "README.md")
    assert readme.count("    cp .env.example .env && docker compose up --build --wait\n") == 2
    assert "localhost" not in readme
    assert "recipes/greet/tasks.py" in {name.removeprefix("greet/") for name in bundle(project).namelist()}


def test_an_unpacked_bundle_uses_the_settings_of_its_recipe_by_default(project, tmp_path):
    bundle(project).extractall(tmp_path / "unpacked")
    show = "from django.conf import settings; from core.celery import app; print(settings.INSTALLED_APPS, app.main)"
    shell = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", show],
        cwd=tmp_path / "unpacked/greet",
        env={"DJANGO_SECRET_KEY": "for-tests"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.stdout.strip() == "['core.apps.CoreConfig', 'greet.apps.GreetConfig'] core", shell.stderr


def test_only_manage_py_is_executable(project):
    modes = {entry.filename: entry.external_attr >> 16 for entry in bundle(project).infolist()}
    assert modes.pop("greet/manage.py") == 0o100755
    assert set(modes.values()) == {0o100644}


def test_a_recipe_that_never_ran_has_no_bundle(project):
    (project.evidence / "local/greet.json").unlink()
    with pytest.raises(CookbookError) as failure:
        bundle(project)
    assert str(failure.value) == (
        "recipes/greet: no evidence says which versions its bundle needs: run `python -m cookbook run greet`"
    )
    assert not (project.root / "greet.zip").exists()


def test_only_recipes_that_a_page_shows_have_a_bundle(project):
    write(project, "recipes/hidden/tasks.py", "")
    assert bundles.shown_recipes(project) == {"greet": {"fr": "Saluer", "en": "Greet"}}
