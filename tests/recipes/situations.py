"""What several recipes set up for their proofs: settings, a task that waits for its test, a copy of the project."""

import errno
import os
import shutil
import signal
from threading import Timer
from typing import Any

import pytest

from cookbook.testing import wait_until

EARLY = {"CELERY_TASK_ACKS_LATE": False}
LATE = {"CELERY_TASK_ACKS_LATE": True}
# Workers redeliver what a dead worker left in `unacked` after seconds, not after an hour.
FAST = {
    "CELERY_BROKER_TRANSPORT_OPTIONS": {
        "visibility_timeout": 3,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        # A worker killed while it looks for expired messages leaves the lock `unacked_mutex`. Until the lock expires,
        # which takes 300 seconds by default, no worker redelivers anything.
        "unacked_mutex_expire": 3,
    }
}
# Workers look for expired messages as often, but keep what they run themselves: for what `expire` has made old.
PATIENT = {"CELERY_BROKER_TRANSPORT_OPTIONS": FAST["CELERY_BROKER_TRANSPORT_OPTIONS"] | {"visibility_timeout": 600}}
redelivered_within_seconds = pytest.mark.since(
    "5.7", gap="before Celery 5.7, only a worker that starts redelivers expired messages at once"
)
SLOW_MACHINE = 120  # seconds: for what starts many workers at once


def in_flight(redis):
    """How many messages workers have received and not acknowledged."""
    return redis.hlen("unacked")


def expire(redis):
    """Make each message in flight look as if its worker had received it an hour ago."""
    for tag in redis.zrange("unacked_index", 0, -1):
        redis.zincrby("unacked_index", -3600, tag)


def unlock(redis):
    """Remove the lock that a worker without FAST leaves when it is killed while it looks for expired messages.

    For 300 seconds, no other worker would redeliver anything.
    """
    redis.delete("unacked_mutex")


def copy_project(stack):
    """The folder of a copy of the project, which the stack runs from now on and which the test may change."""
    ignored = shutil.ignore_patterns("__pycache__")
    stack.cwd = shutil.copytree(stack.project.recipes, stack.folder / "project", ignore=ignored)
    return stack.cwd


def replace_once(file, old, new):
    """Replace the one occurrence of *old* in *file* with *new*."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def django_with_file(stack, name, imports):
    """Django with a file of three bytes in its public storage, and *imports* in its namespace."""
    django = stack.django()
    django(
        "from django.core.files.base import ContentFile\n"
        "from core.storages import public_storage\n"
        f"{imports}\n"
        f"public_storage.save({name!r}, ContentFile(b'abc'))\n"
    )
    return django


def slow_file(stack, name):
    """A file in the storage that a task reads until the test ends it: a named pipe, see `open_once_read`."""
    file = stack.folder / "public" / name
    file.parent.mkdir(exist_ok=True)
    os.mkfifo(file)
    return file


def open_once_read(file, timeout=30) -> Any:
    """The pipe *file*, open for writing once a task reads it: `with open_once_read(file) as feed: feed.write(b"abc")`.

    Unlike `file.open("wb")`, it fails after *timeout* seconds if no task reads the pipe.
    """

    def opened():
        try:
            return os.open(file, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # no task reads it yet
                raise
            return None

    return os.fdopen(wait_until(opened, timeout), "wb")


def wait_for_start(django, worker="worker1", timeout=30):
    """Wait until *worker* reports that its task has started.

    The pool process reports the start a little after the fact. A SIGQUIT in between finds nothing to cut and waits for
    the end of the task (seen with Celery 5.7.0, in `on_cold_shutdown`). A SIGKILL in between comes before the early
    acknowledgement.
    """
    name = f"{worker}@cookbook"
    asked = f"from core.celery import app; app.control.inspect([{name!r}], timeout=10).active()"
    wait_until(lambda: (django(asked, timeout) or {}).get(name), timeout)


def ask_slow_worker(worker, django, source):
    """What *source* returns in Django while *worker* takes more than two seconds to reply."""
    worker.signal(signal.SIGSTOP)
    awake = Timer(2.2, worker.signal, [signal.SIGCONT])
    awake.start()
    found = django(source)
    awake.join()
    return found
