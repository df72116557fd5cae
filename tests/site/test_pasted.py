"""The blocks of a page, copied and pasted to the paths in their titles, are a project that runs."""

import ast
import re
import subprocess
import sys

import pytest
from containers import brought_up
from test_reader import RECIPES

from cookbook.stack import docker_engine

INSTALL = "start/install/"
SETTINGS = "core/settings/base.py"
APP = re.compile(r'"(\w+)\.apps\.\w+"')
# Written by startproject, and left to the reader by the pages.
DATABASES = 'DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}'
# Changes that the note of a line on its page asks the reader for.
NOTED = {
    "from testing.settings import": "from core.settings import",
    "COPY recipes/ .": "COPY . .",
    "COPY recipes/": "COPY ",
    "=compose.settings": "=core.settings",
}
# Messages of a shell, Python or Celery about something that the page lacks. Other errors are for the proofs.
LOST = re.compile(r"command not found|ModuleNotFoundError|ImportError|NameError|unregistered task|Unknown command")
COMPOSE = "start/compose/"  # its project needs a database server and its driver: it runs in containers


def copied(page):
    """Title and copied text of each block of a page, in order: what its button copies, as test_every_page checks.

    A transcript has no title. Of a file that a page has both in parts and as a whole, the whole is copied."""
    blocks = page.select(".highlight[data-source]")
    whole = {block["data-source"] for block in blocks if ":" not in block["data-source"]}
    for block in blocks:
        file, _, part = block["data-source"].partition(":")
        if part and file in whole:
            continue
        title = block.select_one(".filename")
        text = block.get("data-copy") or block.select_one("code").get_text()
        yield title and title.get_text(), text.rstrip("\n") + "\n"


class Pasted:
    """A project made of pasted blocks.

    `modules` and `tasks` are what its Python blocks define, `scripts` those of the shell, `commands` the transcripts of
    the last page.
    """

    def __init__(self, folder):
        self.folder = folder
        self.tasks, self.modules, self.commands, self.scripts = [], [], [], []
        folder.mkdir()

    def paste(self, page):
        """Write each block to its title: settings and a second block of a file are appended."""
        blocks = [(title, text) for title, text in copied(page) if title]
        self.commands = [text for title, text in copied(page) if not title]
        self.start_apps(blocks)
        new = set()
        for title, text in blocks:
            file = self.folder / title
            file.parent.mkdir(parents=True, exist_ok=True)
            is_more = title in new or (title == SETTINGS and file.exists())
            for here, there in NOTED.items():
                text = text.replace(here, there)  # noqa: PLW2901
            file.write_text(f"{file.read_text()}\n\n{text}" if is_more else text)
            new.add(title)
        for title in sorted(new):
            self.look_into(title)

    def start_apps(self, blocks):
        """Run `startapp` first, as a Django reader does, and list the app in the settings where the page does not."""
        listed = {app for _, text in blocks for app in APP.findall(text)}
        folders = {title.partition("/")[0] for title, _ in blocks if re.fullmatch(r"\w+/.*\.py", title)}
        for app in sorted(listed | folders - {"core"}):
            if (self.folder / app).exists() or app == "core":
                continue
            subprocess.run([sys.executable, "-m", "django", "startapp", app], cwd=self.folder, check=True)
            if app not in listed:
                with (self.folder / SETTINGS).open("a") as settings:
                    settings.write(f'\nINSTALLED_APPS = [*INSTALLED_APPS, "{app}"]\n')

    def look_into(self, title):
        if title.endswith(".sh"):
            self.scripts.append(title)
        if not title.endswith(".py") or title == "manage.py":
            return
        module = title.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if "settings" not in module:  # those of tests are for a process of their own
            self.modules.append(module)
        for node in ast.parse((self.folder / title).read_text()).body:
            if isinstance(node, ast.FunctionDef) and any("task" in ast.unparse(mark) for mark in node.decorator_list):
                self.tasks.append(f"{module}.{node.name}")


@pytest.fixture
def pasted(soup, tmp_path):
    project = Pasted(tmp_path / "project")
    project.paste(soup(INSTALL))
    with (project.folder / SETTINGS).open("a") as settings:
        settings.write(f"\n{DATABASES}\n")
    return project


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", [path for path in RECIPES if path != COMPOSE])
def test_the_blocks_of_a_page_run_at_the_paths_in_their_titles(pasted, soup, stack, path):
    if path != INSTALL:
        pasted.paste(soup(path))
    stack.cwd = pasted.folder
    django = stack.django()
    django("from django.core.management import call_command; call_command('check')")
    for module in pasted.modules:
        django(f"import {module}")
    worker = stack.worker()
    assert pasted.tasks
    assert [task for task in pasted.tasks if f". {task}\n" not in f"{worker.log}\n"] == []
    assert django("from core.tasks import ping; ping.apply_async(ignore_result=False).get(timeout=30)") == "pong"
    for script in pasted.scripts:
        stack.start(["sh", script]).wait_for(" ready.", 60)
    for commands in pasted.commands:
        if "docker" in commands and not docker_engine.answers():
            continue
        ran = subprocess.run(
            ["bash", "-c", commands],
            cwd=stack.cwd,
            env=stack.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert not LOST.search(ran.stdout + ran.stderr), ran


@pytest.mark.docker
@pytest.mark.timeout(300)
@pytest.mark.skipif(not docker_engine.answers(), reason="no Docker engine answers")
def test_the_blocks_of_the_stack_page_start_and_run_a_task(pasted, soup):
    pasted.paste(soup(COMPOSE))
    (pasted.folder / ".env.example").rename(pasted.folder / ".env")
    with brought_up(pasted.folder, "docker compose up --build --wait") as docker_compose:
        source = "from compose.tasks import count_users; print(count_users.delay().get(timeout=30))"
        said = docker_compose("exec", "--no-TTY", "worker", "python", "manage.py", "shell", "-v", "0", "-c", source)
    assert said.strip() == "0"
