import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyflakes.checker import Checker

from cookbook.project import Project
from cookbook.sources.snippets import cut
from tests.cookbook.sources.example import BASE, refused, write

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
    "symbols are shown in the order of the source, and what type checkers import is one of them": (
        "first/tasks.py",
        ["flow", "walk", "delete_file", "Iterable", "logger"],
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
    "two blank lines follow a class": (
        "first/tasks.py",
        ["LOW", "View", "json"],
        """\
from __future__ import annotations

from pathlib import PurePath

from celery import group
from celery.exceptions import Reject

LOW, HIGH = 0, 9


# A view.
class View(PurePath):
    \"\"\"Says why.\"\"\"

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
    json = None""",
    ),
    "what a block defines is shown with the block": (
        "first/tasks.py",
        ["level", "RETRIES"],
        """\
from __future__ import annotations

RETRIES: int = 3

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
    "an import of several submodules is shown with all of them": (
        "first/long.py",
        ["path"],
        """\
import a.b, a.c, os as system


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
    "settings may use the names of the file that readers add them to": (
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
        " but never defined: define or import it"
    )


def test_settings_are_not_shown_whole_because_the_file_would_import_itself(project: Project) -> None:
    assert refused(cut, project, "first/settings.py") == (
        "recipes/first/settings.py:1: readers add it to core/settings/base.py, which would import itself:"
        " name its symbols"
    )


def test_settings_find_only_what_those_of_core_define(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/settings/base.py", "DEBUG = False\n")
    line = refused(cut, project, "first/settings.py", "INSTALLED_APPS")
    assert line == (
        "recipes/first/settings.py:4: 'INSTALLED_APPS' is used by INSTALLED_APPS but never defined: define or import it"
    )


def test_a_name_that_nothing_defines_is_reported_with_its_line(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", "import os\n\n\ndef run():\n    return loger\n")
    nowhere = "recipes/core/tasks.py:5: 'loger' is used{} but never defined: define or import it"
    assert refused(cut, project, "core/tasks.py", "run") == nowhere.format(" by run")
    assert refused(cut, project, "core/tasks.py") == nowhere.format("")


def test_the_line_of_a_name_is_the_first_that_uses_it(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", "def run():\n    return level\n\n\nHIGH = level\n")
    assert refused(cut, project, "core/tasks.py", "HIGH", "run").startswith(
        "recipes/core/tasks.py:2: 'level' is used by run"
    )


def test_a_file_that_is_not_python_is_reported_with_its_line(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/tasks.py", "import os\n\ndef run(:\n")
    assert refused(cut, project, "core/tasks.py").startswith("recipes/core/tasks.py:3: invalid syntax")
    assert refused(cut, project, "core/tasks.py", "run").startswith("recipes/core/tasks.py:3: invalid syntax")


def test_an_unknown_symbol_names_the_symbols_that_exist(project: Project) -> None:
    line = refused(cut, project, "first/tasks.py", "delete_fil")
    assert line.startswith(
        'recipes/first/tasks.py: no function, class or assignment "delete_fil": the file has "delete'
    )
    assert '"View"' in line
    assert "shared_task" not in line


def test_a_symbol_of_an_empty_file_is_unknown(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "core/__init__.py", "")
    assert refused(cut, project, "core/__init__.py", "app").endswith('"app": the file has none')


def test_a_symbol_that_is_defined_twice_is_refused_with_both_lines(project: Project) -> None:
    line = refused(cut, project, "first/tasks.py", "COUNT")
    assert line == 'recipes/first/tasks.py:80: "COUNT" is defined on lines 80 and 81: rename one'


@pytest.mark.parametrize("symbols", [(), ("run",), ("LOW",)])
def test_a_region_in_a_python_file_is_refused(project: Project, tmp_path: Path, symbols: Sequence[str]) -> None:
    write(tmp_path, "core/tasks.py", "LOW = 0\n# region: run\nHIGH = 1\n# endregion: run\n")
    line = refused(cut, project, "core/tasks.py", *symbols)
    assert line == ("recipes/core/tasks.py:2: a region in a Python file, which is cut by symbol: remove its markers")
