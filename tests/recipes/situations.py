"""Situations that several recipes are proven in: a task that waits for its test, a message that a worker holds."""

import errno
import os
import signal
from threading import Timer
from typing import Any

import pytest

from cookbook.testing import wait_until

EARLY = {"CELERY_TASK_ACKS_LATE": False}
LATE = {"CELERY_TASK_ACKS_LATE": True}
# What a dead worker held comes back in seconds, not in an hour and more.
FAST = {
    "CELERY_BROKER_TRANSPORT_OPTIONS": {
        "visibility_timeout": 3,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }
}
swept_within_seconds = pytest.mark.since(
    "5.7", gap="before Celery 5.7 only a worker that starts gives back at once what another one held too long"
)
SLOW_MACHINE = 120  # seconds: for what starts many workers at once


def held(redis):
    """How many messages workers hold without having acknowledged them."""
    return redis.hlen("unacked")


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
    """A file in the storage whose reading waits for the test: a named pipe, to be fed by `reader`."""
    file = stack.folder / "public" / name
    file.parent.mkdir(exist_ok=True)
    os.mkfifo(file)
    return file


def reader(file, timeout=30) -> Any:
    """What feeds *file* in bytes, as soon as a task reads it: `with reader(file) as feed: feed.write(b"abc")`."""

    def opened():
        try:
            return os.open(file, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:  # nobody reads it
                raise
            return None

    return os.fdopen(wait_until(opened, timeout), "wb")


def accepted(django, worker="worker1", timeout=30):
    """Wait until *worker* knows that its task has begun.

    The pool's process says so after it began. A SIGQUIT in between finds nothing to cut and waits for the task's end
    (seen with Celery 5.7.0, in `on_cold_shutdown`), and a SIGKILL finds an early acknowledgement not yet sent.
    """
    name = f"{worker}@cookbook"
    asked = f"from core.celery import app; app.control.inspect([{name!r}], timeout=10).active()"
    wait_until(lambda: (django(asked, timeout) or {}).get(name), timeout)


def asked_when_slow(worker, django, source):
    """What *source* says in Django while *worker* takes more than two seconds to answer."""
    worker.signal(signal.SIGSTOP)
    awake = Timer(2.2, worker.signal, [signal.SIGCONT])
    awake.start()
    found = django(source)
    awake.join()
    return found
