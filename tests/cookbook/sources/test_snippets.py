import ast
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pyflakes.checker import Checker
from pygments.lexers import get_lexer_by_name

from cookbook.project import CookbookError, Project
from cookbook.sources.snippets import annotate, cut, regions

TASKS = '''\
"""Tasks."""

from __future__ import annotations

import logging
import os.path
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from celery import chain, group, shared_task
from celery.exceptions import (
    Ignore,
    Reject,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery.result import AsyncResult, GroupResult

logger = logging.getLogger(__name__)
ROOT = Path("/srv")
# Seconds.
DELAY = 60

LOW, HIGH = 0, 9
RETRIES: int = 3

# What follows is shown.


# Called by views.
# Twice, maybe.
@shared_task(
    bind=True,
)
def delete_file(self, name: str) -> None:
    if not os.path.exists(name):
        raise Ignore
    logger.info("%s", name)


async def walk(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path


def flow(name: str) -> AsyncResult:
    return chain(delete_file.s(name), delete_file.s(name))()


# A view.
class View(PurePath):
    """Says why."""

    low = LOW
    high: int = HIGH

    # The way in.
    @property
    def get(self):
        return self.low

    def post(self):
        return group()

    def put(self):
        return Reject


try:
    import simplejson as json
except ImportError:
    json = None

for level in (1, 2):
    with open("a") as opened:
        pass

COUNT = 1
COUNT += 1
'''

BASE = 'INSTALLED_APPS = ["core.apps.CoreConfig"]\n'
SETTINGS = """\
from core.settings.base import *
from kombu import Queue

INSTALLED_APPS += ["first.apps.FirstConfig"]
DELAY = 60
CELERY_TASK_SOFT_TIME_LIMIT = DELAY
CELERY_RESULT_EXPIRES = INTERVAL
"""

LONG = """\
from celery.utils.very_long_package_name.another_long_module_name import (
    first_of_several_long_function_names,
    second_of_several_long_function_names,
    third_of_several_long_function_names,
    fourth,
)

import a.b, a.c, os as system, sys


def use():
    return (
        first_of_several_long_function_names,
        second_of_several_long_function_names,
        third_of_several_long_function_names,
    )


def path():
    return a.c.run(system.path)


def bare():
    return a
"""

COMPOSE = """\
# region: services
services:
  # region: redis
  redis:
    image: redis:8
  # endregion: redis

  # region: worker
  worker:
    # region: command
    command: celery -A core worker
    # endregion: command
  # endregion: worker
# endregion: services

volumes:
  # region: volume
  data:
  # endregion: volume
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write(tmp_path, "first/tasks.py", TASKS)
    write(tmp_path, "first/settings.py", SETTINGS)
    write(tmp_path, "core/settings/base.py", BASE)
    write(tmp_path, "first/long.py", LONG)
    write(tmp_path, "first/compose.yml", COMPOSE)
    return Project(tmp_path)


def write(root: Path, path: str, text: str) -> None:
    file = root / "recipes" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def refused(function: Callable[..., object], *arguments: object) -> str:
    """The one line that refuses a call."""
    with pytest.raises(CookbookError) as caught:
        function(*arguments)
    line = str(caught.value)
    assert "\n" not in line
    return line


# Python --------------------------------------------------------------------------------------------------------------

PYTHON = {
    "a function brings its decorators, its comment and its imports; neighbours keep their distance": (
        "first/tasks.py",
        ["logger", "delete_file"],
        """\
from __future__ import annotations

import logging
import os.path

from celery import shared_task
from celery.exceptions import Ignore

logger = logging.getLogger(__name__)


# Called by views.
# Twice, maybe.
@shared_task(
    bind=True,
)
def delete_file(self, name: str) -> None:
    if not os.path.exists(name):
        raise Ignore
    logger.info("%s", name)""",
    ),
    "symbols are shown in the order of the source": (
        "first/tasks.py",
        ["flow", "walk", "delete_file", "logger"],
        """\
from __future__ import annotations

import logging
import os.path
from typing import TYPE_CHECKING

from celery import chain, shared_task
from celery.exceptions import Ignore

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from celery.result import AsyncResult

logger = logging.getLogger(__name__)


# Called by views.
# Twice, maybe.
@shared_task(
    bind=True,
)
def delete_file(self, name: str) -> None:
    if not os.path.exists(name):
        raise Ignore
    logger.info("%s", name)


async def walk(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path


def flow(name: str) -> AsyncResult:
    return chain(delete_file.s(name), delete_file.s(name))()""",
    ),
    "what only type checkers import stays below its condition": (
        "first/tasks.py",
        ["walk"],
        """\
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


async def walk(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path""",
    ),
    "adjacent assignments stay adjacent, others are one blank line apart, a tuple is one": (
        "first/tasks.py",
        ["ROOT", "DELAY", "LOW", "RETRIES"],
        """\
from __future__ import annotations

from pathlib import Path

ROOT = Path("/srv")
# Seconds.
DELAY = 60

LOW, HIGH = 0, 9
RETRIES: int = 3""",
    ),
    "both names of a tuple show it once": (
        "first/tasks.py",
        ["DELAY", "HIGH", "LOW"],
        """\
from __future__ import annotations

# Seconds.
DELAY = 60

LOW, HIGH = 0, 9""",
    ),
    "assignments with code between them are one blank line apart": (
        "first/tasks.py",
        ["ROOT", "LOW"],
        """\
from __future__ import annotations

from pathlib import Path

ROOT = Path("/srv")

LOW, HIGH = 0, 9""",
    ),
    "members come below the first line of their class": (
        "first/tasks.py",
        ["View.get", "View.put", "json"],
        """\
from __future__ import annotations

from pathlib import PurePath

from celery.exceptions import Reject


# A view.
class View(PurePath):
    # The way in.
    @property
    def get(self):
        return self.low

    def put(self):
        return Reject


try:
    import simplejson as json
except ImportError:
    json = None""",
    ),
    "two blank lines follow a class, also when an attribute is the last that is shown": (
        "first/tasks.py",
        ["LOW", "View.low", "json"],
        """\
from __future__ import annotations

from pathlib import PurePath

LOW, HIGH = 0, 9


# A view.
class View(PurePath):
    low = LOW


try:
    import simplejson as json
except ImportError:
    json = None""",
    ),
    "what a block defines is shown with the block": (
        "first/tasks.py",
        ["level", "walk"],
        """\
from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


async def walk(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path


for level in (1, 2):
    with open("a") as opened:
        pass""",
    ),
    "an import that got shorter but stays too long keeps one name a line": (
        "first/long.py",
        ["use"],
        """\
from celery.utils.very_long_package_name.another_long_module_name import (
    first_of_several_long_function_names,
    second_of_several_long_function_names,
    third_of_several_long_function_names,
)


def use():
    return (
        first_of_several_long_function_names,
        second_of_several_long_function_names,
        third_of_several_long_function_names,
    )""",
    ),
    "of the submodules of a package come those that are used": (
        "first/long.py",
        ["path"],
        """\
import a.c, os as system


def path():
    return a.c.run(system.path)""",
    ),
    "a package without a submodule brings every import of it": (
        "first/long.py",
        ["bare"],
        """\
import a.b, a.c


def bare():
    return a""",
    ),
    "settings stand below those that readers add them to": (
        "first/settings.py",
        ["INSTALLED_APPS"],
        'INSTALLED_APPS += ["first.apps.FirstConfig"]',
    ),
    "settings that need nothing of the others": (
        "first/settings.py",
        ["CELERY_TASK_SOFT_TIME_LIMIT", "DELAY"],
        """\
DELAY = 60
CELERY_TASK_SOFT_TIME_LIMIT = DELAY""",
    ),
}


@pytest.mark.parametrize(("path", "symbols", "text"), PYTHON.values(), ids=PYTHON.keys())
def test_python_is_cut_by_symbol(project: Project, path: str, symbols: Sequence[str], text: str) -> None:
    assert cut(project, path, *symbols).text == text


@pytest.mark.parametrize(("path", "symbols", "text"), PYTHON.values(), ids=PYTHON.keys())
def test_a_snippet_is_as_ruff_would_format_it_and_pyflakes_finds_nothing(
    project: Project, path: str, symbols: Sequence[str], text: str
) -> None:
    shown = cut(project, path, *symbols).text + "\n"
    ruff = [str(Path(sys.executable).with_name("ruff")), "format", "--isolated", "--line-length=120", "-"]
    assert subprocess.run(ruff, input=shown, capture_output=True, text=True, check=True).stdout == shown
    above = BASE if path == "first/settings.py" else ""
    assert Checker(ast.parse(above + shown)).messages == []


def test_a_file_without_symbols_is_shown_whole(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", "\n\nimport os\n\nHOME = os.environ\n\n\n")
    assert cut(project, "core/tasks.py").text == "import os\n\nHOME = os.environ"


def test_lines_are_counted_as_python_counts_them(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", 'SEPARATORS = "\u2028\x0c\x85"\n\n\nEND = 1\n')
    assert cut(project, "core/tasks.py", "END").text == "END = 1"


@pytest.mark.parametrize("between", ["", "\n", "\n\n", "\n# A new part.\n\n"])
def test_neighbours_keep_their_distance(project: Project, tmp_path: Path, between: str) -> None:
    text = f"A = 1\n{between}B = 2"
    write(tmp_path, "core/tasks.py", text)
    write(tmp_path, "core/a.conf", f"# region: A\nA = 1\n# endregion: A\n{between}# region: B\nB = 2\n# endregion: B\n")
    assert cut(project, "core/tasks.py", "A", "B").text == text
    if "#" not in between:
        assert cut(project, "core/a.conf", "A", "B").text == text


def test_an_import_that_is_used_to_the_last_name_stays_as_it_is_written(project: Project, tmp_path: Path) -> None:
    imported = "from celery import (  # all of it\n    chain,\n    group,\n)"
    write(tmp_path, "core/tasks.py", f"{imported}\n\nBOTH = (chain, group)\nONE = chain\n")
    assert cut(project, "core/tasks.py", "BOTH").text == f"{imported}\n\nBOTH = (chain, group)"
    assert cut(project, "core/tasks.py", "ONE").text == "from celery import chain\n\nONE = chain"


def test_relative_imports_stay_relative(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/views.py", "from . import tasks, urls\nfrom ..a.b import c, d\n\nUSED = (tasks, c)\n")
    assert cut(project, "core/views.py", "USED").text == "from . import tasks\nfrom ..a.b import c\n\nUSED = (tasks, c)"


@pytest.mark.parametrize("rest", ["else:\n    Task = object\n", "    Name = Task\n"])
def test_a_condition_that_does_more_than_import_is_shown_whole(project: Project, tmp_path: Path, rest: str) -> None:
    block = f"if TYPE_CHECKING:\n    from celery import Task\n{rest}"
    write(tmp_path, "core/tasks.py", f"from typing import TYPE_CHECKING\n\n{block}\nKIND = Task\n")
    shown = f"from typing import TYPE_CHECKING\n\n{block}\nKIND = Task"
    assert cut(project, "core/tasks.py", "KIND", "Task").text == shown


def test_what_a_block_imports_is_a_symbol(project: Project, tmp_path: Path) -> None:
    block = "try:\n    import orjson as json\nexcept ImportError:\n    import json"
    write(tmp_path, "core/tasks.py", f"{block}\n\nnull = json.dumps(None)\n")
    assert cut(project, "core/tasks.py", "json").text == block
    assert refused(cut, project, "core/tasks.py", "null").endswith('not shown: add "json" to the call')


def test_dunder_all_brings_what_it_exports(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", 'from celery import chain, group\n\n__all__ = ["group"]\n')
    assert cut(project, "core/tasks.py", "__all__").text == 'from celery import group\n\n__all__ = ["group"]'


def test_a_type_in_quotes_brings_its_import(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", 'from celery import Task\n\n\ndef run(task: "Task") -> None: ...\n')
    assert cut(project, "core/tasks.py", "run").text.startswith("from celery import Task\n\n\ndef run")


def test_names_of_a_functions_own_need_no_import(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", "import os\n\n\ndef run(os):\n    return [os for os in os]\n")
    assert cut(project, "core/tasks.py", "run").text == "def run(os):\n    return [os for os in os]"


def test_a_name_that_is_not_shown_is_to_be_added_to_the_call(project: Project) -> None:
    line = refused(cut, project, "first/tasks.py", "delete_file")
    assert line == (
        "recipes/first/tasks.py:40: 'logger' is used by delete_file but not shown: add \"logger\" to the call"
    )


def test_every_name_that_is_not_shown_is_named(project: Project) -> None:
    line = refused(cut, project, "first/tasks.py", "flow", "View")
    assert "recipes/first/tasks.py:49: 'delete_file' is used by flow but not shown" in line
    assert "recipes/first/tasks.py:56: 'LOW' is used by View but not shown" in line
    assert "recipes/first/tasks.py:57: 'HIGH' is used by View but not shown" in line


def test_settings_need_what_their_own_file_defines(project: Project) -> None:
    line = refused(cut, project, "first/settings.py", "CELERY_TASK_SOFT_TIME_LIMIT", "CELERY_RESULT_EXPIRES")
    assert line == (
        "recipes/first/settings.py:6: 'DELAY' is used by CELERY_TASK_SOFT_TIME_LIMIT but not shown:"
        ' add "DELAY" to the call;'
        " recipes/first/settings.py:7: 'INTERVAL' is used by CELERY_RESULT_EXPIRES"
        " but nowhere defined: define or import it"
    )


def test_settings_are_not_shown_whole_for_readers_would_import_a_file_into_itself(project: Project) -> None:
    assert refused(cut, project, "first/settings.py") == (
        "recipes/first/settings.py:1: readers add it to core/settings/base.py, which would import itself:"
        " name its symbols"
    )


def test_settings_find_only_what_those_of_core_define(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/settings/base.py", "DEBUG = False\n")
    line = refused(cut, project, "first/settings.py", "INSTALLED_APPS")
    assert line == (
        "recipes/first/settings.py:4: 'INSTALLED_APPS' is used by INSTALLED_APPS"
        " but nowhere defined: define or import it"
    )


def test_a_name_that_nothing_defines_is_told_by_its_line(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", "import os\n\n\ndef run():\n    return loger\n")
    nowhere = "recipes/core/tasks.py:5: 'loger' is used{} but nowhere defined: define or import it"
    assert refused(cut, project, "core/tasks.py", "run") == nowhere.format(" by run")
    assert refused(cut, project, "core/tasks.py") == nowhere.format("")


def test_the_line_of_a_name_is_the_first_that_uses_it(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", "def run():\n    return level\n\n\nHIGH = level\n")
    assert refused(cut, project, "core/tasks.py", "HIGH", "run").startswith(
        "recipes/core/tasks.py:2: 'level' is used by run"
    )


def test_a_file_that_is_no_python_is_told_by_its_line(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", "import os\n\ndef run(:\n")
    assert refused(cut, project, "core/tasks.py").startswith("recipes/core/tasks.py:3: invalid syntax")
    assert refused(cut, project, "core/tasks.py", "run").startswith("recipes/core/tasks.py:3: invalid syntax")


def test_an_unknown_symbol_names_the_symbols_that_exist(project: Project) -> None:
    line = refused(cut, project, "first/tasks.py", "delete_fil")
    assert line.startswith(
        'recipes/first/tasks.py: no function, class or assignment "delete_fil": the file has "delete'
    )
    assert '"View.post"' in line
    assert "shared_task" not in line


def test_a_symbol_of_an_empty_file_is_unknown(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/__init__.py", "")
    assert refused(cut, project, "core/__init__.py", "app").endswith('"app": the file has none')


def test_a_symbol_that_is_defined_twice_is_refused_with_both_lines(project: Project) -> None:
    line = refused(cut, project, "first/tasks.py", "COUNT")
    assert line == 'recipes/first/tasks.py:80: "COUNT" is defined on lines 80 and 81: rename one'


@pytest.mark.parametrize("symbols", [("View", "View.get"), ("View.get", "View")])
def test_a_class_and_its_member_are_not_both_shown(project: Project, symbols: Sequence[str]) -> None:
    line = refused(cut, project, "first/tasks.py", *symbols)
    assert line == 'recipes/first/tasks.py: "View.get" is part of "View": name one of them'


@pytest.mark.parametrize(("path", "symbol"), [("first/tasks.py", "LOW"), ("first/compose.yml", "redis")])
def test_a_symbol_is_named_once_in_a_call(project: Project, path: str, symbol: str) -> None:
    assert refused(cut, project, path, symbol, symbol) == f'recipes/{path}: "{symbol}" is named twice in the call: ' + (
        "name it once"
    )


@pytest.mark.parametrize("symbols", [(), ("run",), ("LOW",)])
def test_a_region_in_a_python_file_is_refused(project: Project, tmp_path: Path, symbols: Sequence[str]) -> None:
    write(tmp_path, "core/tasks.py", "LOW = 0\n# region: run\nHIGH = 1\n# endregion: run\n")
    line = refused(cut, project, "core/tasks.py", *symbols)
    assert line == ("recipes/core/tasks.py:2: a region in a Python file, which is cut by symbol: remove its markers")


# Regions -------------------------------------------------------------------------------------------------------------

YAML = {
    "a region is dedented": (["redis"], "redis:\n  image: redis:8"),
    "markers of a region inside are not shown": (["worker"], "worker:\n  command: celery -A core worker"),
    "neighbours keep their distance": (
        ["worker", "redis"],
        "redis:\n  image: redis:8\n\nworker:\n  command: celery -A core worker",
    ),
    "a region inside another adds nothing": (["worker", "command"], "worker:\n  command: celery -A core worker"),
    "a blank line stands for what is left out": (
        ["redis", "command"],
        "redis:\n  image: redis:8\n\n  command: celery -A core worker",
    ),
    "a region can be all of a part": (
        ["services"],
        "services:\n  redis:\n    image: redis:8\n\n  worker:\n    command: celery -A core worker",
    ),
    "the whole file is shown without markers": (
        [],
        "services:\n  redis:\n    image: redis:8\n\n  worker:\n    command: celery -A core worker\n\nvolumes:\n  data:",
    ),
}


@pytest.mark.parametrize(("names", "text"), YAML.values(), ids=YAML.keys())
def test_other_files_are_cut_by_region(project: Project, names: list[str], text: str) -> None:
    assert cut(project, "first/compose.yml", *names).text == text


@pytest.mark.parametrize("marker", ["# {}", "// {}", "; {}", "-- {}", "<!-- {} -->", "#{}", "  #  {}  "])
def test_markers_are_comments_of_many_languages(project: Project, tmp_path: Path, marker: str) -> None:
    begin, end = (marker.format(f"{kind}: one-1") for kind in ("region", "endregion"))
    write(tmp_path, "first/a.txt", f"a\n{begin}\nb\n{end}\nc\n")
    assert cut(project, "first/a.txt", "one-1").text == "b"
    assert cut(project, "first/a.txt").text == "a\nb\nc"


BROKEN = {
    "not closed": ("a\n# region: one\nb\n", ':2: region "one" is not closed: add "endregion: one" below'),
    "not open": ("a\n# endregion: one\n", ':2: region "one" ends but is not open: add "region: one" above'),
    "twice": (
        "# region: one\nb\n# endregion: one\n# region: one\nc\n# endregion: one\n",
        ':4: region "one" is already on line 1: rename one',
    ),
    "in itself": ("# region: one\n# region: one\n", ':2: region "one" is already on line 1: rename one'),
    "empty": ("# region: one\n\n# endregion: one\n", ':3: region "one" is empty: remove its markers'),
    "of markers only": (
        "# region: one\n# region: two\n# endregion: one\nb\n# endregion: two\n",
        ':3: region "one" is empty: remove its markers',
    ),
    "without a name": ("# region:\n", ':1: "" is no name for a region: use letters, digits, - and _'),
    "of two words": ("# region: a b\n", ':1: "a b" is no name for a region: use letters, digits, - and _'),
}


@pytest.mark.parametrize(("text", "fault"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_regions_are_refused(project: Project, tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path, "first/redis.conf", text)
    assert refused(cut, project, "first/redis.conf") == f"recipes/first/redis.conf{fault}"
    assert refused(regions, project) == f"recipes/first/redis.conf{fault}"


def test_an_unknown_region_names_the_regions_that_exist(project: Project) -> None:
    line = refused(cut, project, "first/compose.yml", "work")
    assert line.startswith('recipes/first/compose.yml: no region "work": the file has "worker", ')
    assert line.count('"') == 2 * 6


def test_all_regions_are_listed_by_file(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "second/redis.conf", "# region: memory\nmaxmemory 1gb\n# endregion: memory\n")
    write(tmp_path, "second/__pycache__/a.txt", "# region: stale\n")
    (tmp_path / "recipes" / "db.sqlite3").write_bytes(b"\xff\xfe\x00")
    assert regions(project) == {
        "first/compose.yml": {"services", "redis", "worker", "command", "volume"},
        "second/redis.conf": {"memory"},
    }


# Files ---------------------------------------------------------------------------------------------------------------


def test_a_snippet_knows_where_it_comes_from(project: Project) -> None:
    snippet = cut(project, "first/tasks.py", "LOW", "DELAY")
    assert (snippet.path, snippet.symbols) == ("first/tasks.py", ("LOW", "DELAY"))


def test_the_path_of_a_snippet_is_below_recipes_however_it_was_written(project: Project, tmp_path: Path) -> None:
    for path in ("first/../first/./tasks.py", str(tmp_path / "recipes" / "first" / "tasks.py")):
        assert cut(project, path, "LOW").path == "first/tasks.py"


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("core/celery.py", "core/celery.py"),
        ("core/settings.py", "core/settings.py"),
        ("core/settings/base.py", "core/settings/base.py"),
        ("second/settings.py", "core/settings/base.py"),
        ("second/deep/settings.py", "second/deep/settings.py"),
        ("manage.py", "manage.py"),
        ("settings.py", "settings.py"),
    ],
)
def test_the_title_is_the_path_in_the_readers_project(project: Project, tmp_path: Path, path: str, title: str) -> None:
    write(tmp_path, path, "LOW = 0\n")
    assert cut(project, path).title == title


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("a.console", "console"),
        ("redis.conf", "bash"),
        ("users.acl", "bash"),
        ("nginx.conf", "nginx"),
        (".env", "bash"),
        (".env.example", "bash"),
        ("django.env", "bash"),
        ("run.sh", "bash"),
        ("compose.yml", "yaml"),
        ("a.yaml", "yaml"),
        ("pyproject.toml", "toml"),
        ("a.ini", "ini"),
        ("a.json", "json"),
        ("a.service", "systemd"),
        ("Dockerfile", "docker"),
        ("Dockerfile.dev", "docker"),
        ("Makefile", "make"),
        ("requirements.txt", "text"),
        ("LICENSE", "text"),
    ],
)
def test_the_language_is_a_lexer_of_pygments(project: Project, tmp_path: Path, name: str, language: str) -> None:
    write(tmp_path, f"second/{name}", "a = 1\n")
    assert cut(project, f"second/{name}").language == language
    get_lexer_by_name(language)


@pytest.mark.parametrize("path", ["../pyproject.toml", "first/../../a.py", "/etc/hosts", ".."])
def test_a_path_outside_of_recipes_is_refused(project: Project, path: str) -> None:
    assert refused(cut, project, path) == f"{path}: outside recipes/: name a file by its path below recipes/"


@pytest.mark.parametrize("path", ["first/task.py", "second/tasks.py", "recipes/first/tasks.py"])
def test_a_missing_file_names_the_one_that_was_meant(project: Project, path: str) -> None:
    meant = "(did you mean first/tasks.py?): correct the path in the call"
    assert refused(cut, project, path) == f"recipes/{path}: no such file {meant}"


@pytest.mark.parametrize("path", ["first", "first/nothing.conf", "alone.toml"])
def test_a_missing_file_that_resembles_none_names_none(project: Project, path: str) -> None:
    assert refused(cut, project, path) == f"recipes/{path}: no such file: correct the path in the call"


def test_a_renamed_file_is_known_by_its_symbols(tmp_path: Path, project: Project) -> None:
    for path, text in {
        "first/jobs.py": "def send():\n    pass\n\n\nclass Sender:\n    def send_all(self):\n        pass\n",
        "first/tasks_of_old.py": "def resend():\n    pass\n",
        "second/task.py": "def send():\n    pass\n",
    }.items():
        write(tmp_path, path, text)
    (tmp_path / "recipes" / "first" / "tasks.py").unlink()
    for symbol in ("send", "Sender.send_all"):
        assert "(did you mean first/jobs.py?)" in refused(cut, project, "first/tasks.py", symbol)
    assert "(did you mean first/tasks_of_old.py?)" in refused(cut, project, "first/tasks.py")


@pytest.mark.parametrize("path", ["first/__init__.py", "first/.env"])
@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_an_empty_file_is_refused(project: Project, tmp_path: Path, path: str, text: str) -> None:
    write(tmp_path, path, text)
    assert refused(cut, project, path) == f"recipes/{path}: the file is empty: there is nothing to show"


def test_a_file_that_is_no_text_is_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "recipes" / "dump.rdb").write_bytes(b"REDIS\xff")
    assert refused(cut, project, "dump.rdb") == "recipes/dump.rdb: not a text in UTF-8: it cannot be shown"


# Notes ---------------------------------------------------------------------------------------------------------------


def test_notes_are_numbered_in_the_order_of_lines(project: Project) -> None:
    snippet = cut(project, "first/tasks.py", "ROOT", "LOW")
    text, notes = annotate(snippet, {"HIGH": "Last.", "import Path": "First.", "/srv": "Second."})
    assert notes == ["First.", "Second.", "Last."]
    assert text.split("\n")[2:] == [
        "from pathlib import Path  # (1)!",
        "",
        'ROOT = Path("/srv")  # (2)!',
        "",
        "LOW, HIGH = 0, 9  # (3)!",
    ]


def test_without_notes_any_snippet_stays_as_it_is(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "first/a.json", "{}\n")
    assert annotate(cut(project, "first/a.json"), {}) == ("{}", [])


COMMENTS = {
    "a.py": ("x = 1", "#"),
    "a.yml": ("x: 1", "#"),
    "a.sh": ("celery -A core worker \\", "#"),
    "redis.conf": ("maxmemory 100mb", "#"),
    "users.acl": ("user worker on >secret ~* +@all", "#"),
    ".env": ("REDIS_URL=redis://redis:6379", "#"),
    "a.toml": ("x = 1", "#"),
    "a.ini": ("x = 1", "#"),
    "Dockerfile": ("ENV x=1", "#"),
    "Makefile": ("x = 1", "#"),
    "nginx.conf": ("listen 80;", "#"),
    "a.js": ("x()", "//"),
    "a.lua": ("x = 1", "--"),
    "a.sql": ("SELECT 1;", "--"),
}


@pytest.mark.parametrize(("name", "line", "leader"), [(name, *rest) for name, rest in COMMENTS.items()])
def test_a_marker_is_a_comment_of_the_language(
    project: Project, tmp_path: Path, name: str, line: str, leader: str
) -> None:
    write(tmp_path, f"second/{name}", f"{line}\n")
    assert annotate(cut(project, f"second/{name}"), {line: "Why."}) == (f"{line}  {leader} (1)!", ["Why."])


@pytest.mark.parametrize(("name", "language"), [("a.json", "json"), ("requirements.txt", "text")])
def test_a_language_without_comments_takes_no_notes(project: Project, tmp_path: Path, name: str, language: str) -> None:
    write(tmp_path, name, '{"a": 1}\n')
    line = refused(annotate, cut(project, name), {"a": "Why."})
    assert line == f"recipes/{name}: no comment can end a line of {language}: put the notes into the page's text"


def test_a_note_for_no_line_is_refused(project: Project) -> None:
    line = refused(annotate, cut(project, "first/compose.yml", "redis"), {"memcached": "Why."})
    assert line == (
        "recipes/first/compose.yml: a note is for 'memcached', which no line of the snippet holds: correct its key"
    )


def test_a_note_for_several_lines_is_refused(project: Project) -> None:
    line = refused(annotate, cut(project, "first/compose.yml"), {"redis": "Why."})
    assert line == "recipes/first/compose.yml: a note is for 'redis', which lines 2, 3 hold: make its key longer"


def test_a_text_twice_on_one_line_is_one_line(project: Project) -> None:
    text, _ = annotate(cut(project, "first/tasks.py", "RETRIES"), {"R": "Why."})
    assert text.endswith("RETRIES: int = 3  # (1)!")


def test_two_notes_for_one_line_are_refused(project: Project) -> None:
    line = refused(annotate, cut(project, "first/tasks.py", "LOW"), {"LOW": "Why.", "HIGH": "How."})
    assert line == "recipes/first/tasks.py: two notes are for line 3 (LOW, HIGH = 0, 9): make them one"


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("a.py", "x = 1  # Why.\n", "x"),
        ("a.py", "# Why.\n", "Why"),
        ("a.py", 'x = """\ny\n"""\n', "y"),
        ("a.yml", "x: |\n  y\n", "y"),
        ("Dockerfile.dev", "FROM redis\nRUN a \\\n    b\n", "RUN"),
    ],
)
def test_a_line_that_can_carry_no_marker_is_refused(
    project: Project, tmp_path: Path, name: str, text: str, key: str
) -> None:
    write(tmp_path, name, text)
    line = refused(annotate, cut(project, name), {key: "Why."})
    assert line.startswith(f"recipes/{name}: line ")
    assert line.endswith(
        "ends in a comment or in the midst of a string, so that it can carry no note: choose another line"
    )


def test_the_files_of_the_stack_are_shown_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "docker-compose.yml").write_text("# region: redis\nredis:\n  image: redis\n# endregion: redis\n")
    project = Project(tmp_path)
    assert cut(project, "docker-compose.yml", "redis").text == "redis:\n  image: redis"
    assert regions(project) == {"docker-compose.yml": {"redis"}}
    with pytest.raises(CookbookError, match=r'^docker-compose\.yml: .*"worker"'):
        cut(project, "docker-compose.yml", "worker")
