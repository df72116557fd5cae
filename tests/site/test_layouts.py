"""The installation page, followed block by block and title by title in projects of other shapes: a task runs there."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

PAGE = "start/install/"
SETTINGS = "core/settings/base.py"  # as titles have it
# The environment of a reader: none of the variables that proofs run with.
READER = ["env", "-u", "DJANGO_SETTINGS_MODULE", "-u", "DJANGO_SECRET_KEY", "-u", "PUBLIC_ROOT"]


@dataclass(frozen=True)
class Layout:
    """A Django project as the reader has it, and what the page tells the reader to replace.

    *make* creates it in a folder; *package* is the folder of ``wsgi.py``, *settings* the module that ``manage.py``
    names, *shared* the file of the settings for all environments, *app* the app that gets the task.
    """

    make: Callable[[Path], None]
    package: str
    settings: str
    shared: str
    app: str
    reads_dotenv: bool = False


def django_admin(folder, *arguments):
    subprocess.run([sys.executable, "-m", "django", *arguments], cwd=folder, check=True)


def replace(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1, file
    file.write_text(text.replace(old, new))


def list_app(file, app):
    replace(file, "INSTALLED_APPS = [\n", f'INSTALLED_APPS = [\n    "{app}",\n')


def fresh(folder):
    """The first tab of the page, with another name."""
    django_admin(folder, "startproject", "mysite", ".")
    list_app(folder / "mysite/settings.py", "mysite")


def split(folder):
    """Settings by environment, as the common templates have them; an app listed by its AppConfig."""
    django_admin(folder, "startproject", "config", ".")
    django_admin(folder, "startapp", "shop")
    package = folder / "config/settings"
    package.mkdir()
    (folder / "config/settings.py").rename(package / "base.py")
    (package / "__init__.py").touch()
    for environment in ("local", "production"):
        (package / f"{environment}.py").write_text(f"from .base import *\n\nDEBUG = {environment == 'local'}\n")
    replace(package / "base.py", "resolve().parent.parent", "resolve().parents[2]")
    list_app(package / "base.py", "shop.apps.ShopConfig")
    for file in ("manage.py", "config/wsgi.py", "config/asgi.py"):
        replace(folder / file, "config.settings", "config.settings.local")


def old_style(folder):
    """`BASE_DIR` as text, and an app of the reader called `core`, with a model."""
    django_admin(folder, "startproject", "shop", ".")
    django_admin(folder, "startapp", "core")
    settings = folder / "shop/settings.py"
    text = settings.read_text().replace("from pathlib import Path", "import os")
    text = re.sub(
        r"(?m)^BASE_DIR = .*$", "BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))", text
    )
    settings.write_text(re.sub(r"BASE_DIR / (.db\.sqlite3.)", r"os.path.join(BASE_DIR, \1)", text))
    list_app(settings, "core")
    (folder / "core/models.py").write_text(
        "from django.db import models\n\n\nclass Order(models.Model):\n    paid = models.BooleanField(default=False)\n"
    )


def by_environ(folder):
    """All that differs by environment is in `.env`, read by django-environ."""
    django_admin(folder, "startproject", "backend", ".")
    django_admin(folder, "startapp", "orders")
    settings = folder / "backend/settings.py"
    text = re.sub(r"(?m)^SECRET_KEY = .*$", 'SECRET_KEY = env("SECRET_KEY")', settings.read_text())
    read = '\nenv = environ.Env()\nenviron.Env.read_env(BASE_DIR / ".env")\n'
    text = re.sub(r"(?m)^BASE_DIR = .*$", lambda line: line[0] + read, text)
    settings.write_text(f"import environ\n{text}")
    list_app(settings, "orders")
    (folder / ".env").write_text("SECRET_KEY=not-for-production\n")


LAYOUTS = {
    "startproject": Layout(fresh, "mysite", "mysite.settings", "mysite/settings.py", "mysite"),
    "split settings": Layout(split, "config", "config.settings.local", "config/settings/base.py", "shop"),
    "an app called core": Layout(old_style, "shop", "shop.settings", "shop/settings.py", "core"),
    "django-environ": Layout(
        by_environ, "backend", "backend.settings", "backend/settings.py", "orders", reads_dotenv=True
    ),
}


def blocks(page):
    """Title and text of each block between the headings of the recipe and of the project of the site; a transcript has
    no title."""
    start, end = page.select_one("h2#files"), page.select_one("h2#project")
    inside = [
        block for block in start.find_all_next(class_="highlight") if block in end.find_all_previous(class_="highlight")
    ]
    for block in inside:
        title = block.select_one(".filename")
        text = block.get("data-copy") or block.select_one("code").get_text()
        yield title and title.get_text(), text.rstrip("\n") + "\n"


def adapted(text, layout):
    """What the page says: `core` is the project package, but in the name of the task, where it is the app."""
    text = text.replace("core.settings", layout.settings).replace('"core"', f'"{layout.package}"')
    return text.replace("-A core", f"-A {layout.package}").replace("core.tasks", f"{layout.app}.tasks")


def paste(folder, layout, title, text):
    """Put a block where its title says: below what the file has."""
    places = {
        SETTINGS: layout.shared,
        "core/tasks.py": f"{layout.app}/tasks.py",
        "core/celery.py": f"{layout.package}/celery.py",
        "core/__init__.py": f"{layout.package}/__init__.py",
        "requirements.txt": "requirements.txt",
    }
    file = folder / places[title]
    before = file.read_text() if file.exists() else ""
    file.write_text(f"{before}\n\n{text}" if before.strip() else text)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_installation_page_works_in_a_project_of_another_shape(soup, stack, tmp_path, name, language):
    layout, page, folder = LAYOUTS[name], soup(PAGE, language), tmp_path / "project"
    folder.mkdir()
    layout.make(folder)
    commands = ""
    for title, text in blocks(page):
        if title:
            paste(folder, layout, title, adapted(text, layout))
        else:
            commands = adapted(text, layout)
    stack.redis().ping()
    address = f"redis://127.0.0.1:{stack.port}/0"
    stack.cwd = folder
    if layout.reads_dotenv:
        with (folder / ".env").open("a") as dotenv:
            dotenv.write(f"REDIS_URL={address}\n")
        reader = [*READER, "-u", "REDIS_URL"]
    else:
        reader = [*READER, f"REDIS_URL={address}"]
    [started] = {
        each.get_text()
        for each in page.select("h2#files ~ p code, h2#behaviour ~ p code")
        if " worker " in each.get_text()
    }
    worker = stack.start([*reader, *adapted(started, layout).split()])
    stack.wait_ready(worker)
    assert f". {layout.app}.tasks.ping" in worker.log
    ran = subprocess.run(
        [*reader, "bash", "-e", "-c", commands],
        cwd=folder,
        env=stack.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.stdout.splitlines()[-1:] == ["pong"], ran
