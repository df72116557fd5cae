"""A folder of recipes to cut snippets from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cookbook.project import CookbookError

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

    from celery.result import AsyncResult

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
