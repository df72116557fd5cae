import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test import TransactionTestCase, override_settings

from core.celery import app
from core.tasks import ping

COMMAND = (sys.executable, "-m", "celery", "-A", "core", "worker", "--concurrency", "1")


class WorkerTestCase(TransactionTestCase):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.enterClassContext(override_settings(CELERY_TASK_ALWAYS_EAGER=False))
        cls.enterClassContext(running_worker())

    def wait_for_tasks(self) -> None:
        ping.delay().get(timeout=30)


@contextmanager
def running_worker() -> Iterator[None]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "testing.settings_worker",
        "TEST_DATABASE": str(connection.settings_dict["NAME"]),
    }
    app.control.purge()
    worker = subprocess.Popen(COMMAND, env=environment, stdout=subprocess.DEVNULL)
    try:
        ping.delay().get(timeout=60)
        yield
    finally:
        stop(worker)


def stop(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGQUIT)
    try:
        worker.wait(timeout=10)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
