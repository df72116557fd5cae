import datetime
import json
import time
import zoneinfo
from itertools import pairwise
from operator import itemgetter

import pytest
from celery.bin.worker import worker as worker_command
from kombu.transport.redis import Channel
from situations import FAST, copy_project, in_flight, redelivered_within_seconds, replace_once

from cookbook.testing import DjangoError, wait_until


@pytest.fixture
def copy(stack):
    return copy_project(stack)


@pytest.fixture
def report(stack):
    """A file in the public storage."""
    file = stack.folder / "public" / "report.pdf"
    file.parent.mkdir()
    file.write_bytes(b"%PDF")
    return file


@pytest.fixture
def django(stack):
    """Django with what the tests call. A test that changes the project names the fixture `copy` before this one."""
    django = stack.django()
    django(
        "from datetime import timedelta\n"
        "from first_task.deletion import LONGEST_DELAY, delete_public_file, delete_public_file_later\n"
    )
    return django


def test_the_file_is_deleted_when_due_and_not_before(worker, django, redis, report, record):
    """The file stays until the delay has passed. Then the task deletes it, once.

    Le fichier reste en place jusqu'à la fin du délai. La tâche le supprime alors, une seule fois.
    """
    worker = worker()
    sent = django(
        "import time; sent = time.time()\nresult = delete_public_file_later('report.pdf', timedelta(seconds=2)); sent"
    )
    wait_until(lambda: in_flight(redis) == 1)
    assert report.exists()
    django("result.get(timeout=30)")
    assert not report.exists()
    [received], [deleted] = moments(worker, "] received"), moments(worker, "report.pdf deleted")
    assert deleted - sent > 2
    record(
        "due",
        [
            arrow(0, "django", "redis", "apply_async(countdown=2)"),
            arrow(received - sent, "redis", "worker", "received"),
            arrow(deleted - sent, "worker", "storage", "delete"),
        ],
    )


def test_a_waiting_deletion_is_in_a_worker_and_in_unacked(worker, django, redis, console):
    """While the deletion waits, it is in the memory of a worker and in `unacked`. The queue is empty.

    Pendant l'attente, la suppression est dans la mémoire d'un worker et dans `unacked`. La file est vide.
    """
    worker()
    django("delete_public_file_later('report.pdf', timedelta(minutes=30))")
    wait_until(lambda: in_flight(redis) == 1)
    scheduled, queued, unacked = console("waiting.console")
    assert '"args":["report.pdf"]' in scheduled.output
    assert queued.output == "(integer) 0"
    assert unacked.output == "(integer) 1"


def test_deleting_twice_is_harmless(worker, django, report):
    """A missing file does not make the deletion fail, so the task can run twice.

    Un fichier absent ne fait pas échouer la suppression : la tâche peut s'exécuter deux fois.
    """
    assert ". core.tasks.ping" in worker().log  # the settings of this recipe keep the other apps
    django("results = [delete_public_file.delay('report.pdf') for _ in range(2)]")
    assert django("[each.get(timeout=30) for each in results]") == [None, None]
    assert not report.exists()


def test_log_lines_contain_the_name_and_the_id_of_the_task(worker, django, report):
    """With `get_task_logger`, the line that the task logs contains its name and its id.

    Avec `get_task_logger`, la ligne écrite dans les logs contient le nom et l'id de la tâche.
    """
    worker = worker()
    task_id = django("delete_public_file.delay('report.pdf').id")
    line = worker.wait_for("report.pdf deleted")
    assert line.endswith(f"first_task.tasks.delete_public_file[{task_id}]: report.pdf deleted")


def test_a_plain_logger_leaves_out_the_name_and_the_id(worker, copy, django, report):
    """With `logging.getLogger`, the line contains neither.

    Avec `logging.getLogger`, la ligne ne contient ni l'un ni l'autre.
    """
    tasks = copy / "first_task/tasks.py"
    replace_once(tasks, "get_task_logger(__name__)", "logging.getLogger(__name__)")
    replace_once(tasks, "from celery.utils.log import get_task_logger", "import logging")
    worker = worker()
    task_id = django("delete_public_file.delay('report.pdf').id")
    line = worker.wait_for("report.pdf deleted")
    assert task_id not in line
    assert "delete_public_file" not in line


def test_the_default_log_level_hides_the_deletions(worker, django, report):
    """By default, `celery worker` logs from WARNING up: failures appear, the line of the deletion does not.

    Par défaut, `celery worker` écrit dans les logs à partir de WARNING : les échecs y figurent, pas les suppressions.
    """
    [level] = [option for option in worker_command.params if option.name == "loglevel"]
    assert level.default == "WARNING"
    worker = worker("--loglevel", level.default, wait=False)
    django("delete_public_file.delay('report.pdf').get(timeout=30)")
    django("delete_public_file.delay('')")
    worker.wait_for("ValueError: The name must be given")
    assert not report.exists()
    assert "deleted" not in worker.log


@pytest.mark.since("5.3", fails="substring not found")
def test_an_error_in_the_storage_is_a_failure(worker, console, results):
    """An error in the storage makes the task a FAILURE. Its traceback is in the worker's log and in the result.

    Une erreur du stockage met la tâche en FAILURE. La trace d'appels est dans les logs du worker et dans le résultat.
    """
    worker = worker()
    _, raised, stored = console("failure.console")
    assert raised.output.startswith("ValueError: ")
    assert '"status": "FAILURE"' in stored.output
    worker.wait_for("public_storage.delete(path)")
    log = worker.log
    error, _, traceback = log[log.index("ERROR/") :].partition("\n")
    assert "Task first_task.tasks.delete_public_file[" in error
    assert traceback.startswith("Traceback (most recent call last):")
    assert "public_storage.delete(path)" in traceback
    [key] = results.keys()
    assert "public_storage.delete(path)" in json.loads(results.get(key))["traceback"]


def test_an_error_that_is_caught_and_logged_is_a_success(worker, copy, django):
    """If the task catches the same error with `except Exception` and only logs it, its state is SUCCESS and the log has
    no traceback.

    Si la tâche attrape la même erreur avec `except Exception` et se contente de l'écrire dans les logs, son état est
    SUCCESS, sans trace d'appels.
    """
    caught = (
        "    try:\n        public_storage.delete(path)\n    except Exception as error:\n        logger.error(error)\n"
    )
    replace_once(copy / "first_task/tasks.py", "    public_storage.delete(path)\n", caught)
    worker = worker()
    django("result = delete_public_file.delay('')")
    worker.wait_for("The name must be given to delete()")
    assert wait_until(lambda: django("result.state") == "SUCCESS")
    assert "Traceback" not in worker.log


def test_a_path_outside_the_storage_is_refused(worker, django, stack):
    """A path outside the storage is refused: the task fails and the file stays.

    Un chemin hors du stockage est refusé : la tâche échoue et le fichier reste.
    """
    secret = stack.folder / "secret.txt"
    secret.write_text("stays")
    worker()
    with pytest.raises(DjangoError) as failure:
        django("delete_public_file.delay('../secret.txt').get(timeout=30)")
    assert failure.value.name == "SuspiciousFileOperation"
    assert secret.exists()


def test_a_delay_that_is_too_long_is_refused(django, redis):
    """Above `LONGEST_DELAY`, the call sends nothing and raises ValueError with both delays in its message.

    Au-delà de `LONGEST_DELAY`, l'appel n'envoie rien et lève ValueError, avec les deux délais dans le message.
    """
    with pytest.raises(DjangoError, match=r"^ValueError: 0:45:01 is longer than 0:45:00$"):
        django("delete_public_file_later('report.pdf', LONGEST_DELAY + timedelta(seconds=1))")
    assert redis.llen("celery") == 0
    django("delete_public_file_later('report.pdf', LONGEST_DELAY)")
    assert redis.llen("celery") == 1


def test_the_longest_delay_stays_below_the_visibility_timeout(django):
    """`LONGEST_DELAY` is at least 15 minutes below the default `visibility_timeout`.

    `LONGEST_DELAY` est inférieur d'au moins 15 minutes au `visibility_timeout` par défaut.
    """
    assert django("LONGEST_DELAY.total_seconds()") <= Channel.visibility_timeout - 15 * 60


@redelivered_within_seconds
def test_a_countdown_longer_than_the_visibility_timeout_runs_several_times(worker, redis, stack, record):
    """If the countdown is longer than the visibility timeout, the message is redelivered each time this timeout passes,
    and the task runs several times.

    Si le compte à rebours dépasse le délai de visibilité, le message est relivré chaque fois que ce délai s'écoule, et
    la tâche s'exécute plusieurs fois.
    """
    workers = {name: worker(name=name, settings=FAST) for name in ("worker1", "worker2")}
    django = stack.django(FAST)
    django("from first_task.tasks import delete_public_file")
    send = (
        "import time; sent = time.time()\nresult = delete_public_file.apply_async(('report.pdf',), countdown=10); sent"
    )
    sent = django(send)
    django("result.get(timeout=30)")

    def all_run():
        taken, run = ([moments(each, text) for each in workers.values()] for text in ("] received", "deleted"))
        return redis.llen("celery") == in_flight(redis) == 0 and sum(map(len, taken)) == sum(map(len, run))

    wait_until(all_run)
    deliveries = {name: moments(each, "] received") for name, each in workers.items()}
    every = sorted(moment for each in deliveries.values() for moment in each)
    assert len(every) >= 3
    # Each delivery comes about a visibility timeout after the previous one, never much earlier.
    assert all(later - earlier > 2 for earlier, later in pairwise(every))
    arrows = [arrow(0, "django", "redis", "apply_async(countdown=10)")]
    for name, each in workers.items():
        arrows += [arrow(moment - sent, "redis", name, "received") for moment in deliveries[name]]
        arrows += [arrow(moment - sent, name, "storage", "delete") for moment in moments(each, "deleted")]
    record("redelivered", sorted(arrows, key=itemgetter("at")))


def test_a_worker_that_stops_requeues_the_deletion(worker, django, redis):
    """A worker stopped with SIGTERM requeues the waiting deletion. The next worker reserves it, due at the same time.

    Un worker arrêté par SIGTERM remet dans la file la suppression en attente. Le suivant la réserve, avec la même
    échéance.
    """
    first = worker()
    django("delete_public_file_later('report.pdf', timedelta(minutes=30))")
    wait_until(lambda: in_flight(redis) == 1)
    due = due_time(redis)
    first.stop()
    assert (redis.llen("celery"), in_flight(redis)) == (1, 0)
    worker(name="worker2")
    wait_until(lambda: in_flight(redis) == 1)
    assert due_time(redis) == due


def test_a_worker_that_is_killed_leaves_the_deletion_in_unacked(worker, django, redis):
    """A killed worker requeues nothing: the deletion stays in `unacked`, and the next worker does not receive it.

    Un worker tué ne remet rien dans la file : la suppression reste dans `unacked`, et le worker suivant ne la reçoit
    pas.
    """
    first = worker()
    django("delete_public_file_later('report.pdf', timedelta(minutes=30))")
    wait_until(lambda: in_flight(redis) == 1)
    first.kill_group()
    second = worker(name="worker2")
    django("delete_public_file.delay('other.pdf').get(timeout=30)")
    assert len(moments(second, "] received")) == 1
    wait_until(lambda: (redis.llen("celery"), in_flight(redis)) == (0, 1))


@redelivered_within_seconds
def test_after_the_visibility_timeout_another_worker_runs_it(worker, stack, redis, report):
    """Once the visibility timeout has passed, and not before, another worker receives and runs the deletion that a
    killed worker left in `unacked`.

    Une fois le délai de visibilité écoulé, et pas avant, un autre worker reçoit et exécute la suppression qu'un worker
    tué a laissée dans `unacked`.
    """
    first = worker(settings=FAST)
    django = stack.django(FAST)
    django("from first_task.tasks import delete_public_file")
    django("result = delete_public_file.apply_async(('report.pdf',), countdown=2)")
    wait_until(lambda: in_flight(redis) == 1)
    first.kill_group()
    assert report.exists()
    [(_, taken)] = redis.zrange("unacked_index", 0, -1, withscores=True)
    second = worker(name="worker2", settings=FAST)
    django("result.get(timeout=30)")
    assert not report.exists()
    [received] = moments(second, "] received")
    assert received - taken > 2.99  # the log cuts its times to milliseconds


def test_a_deletion_due_without_a_worker_is_late_and_not_lost(worker, django, redis, report):
    """A deletion that becomes due while no worker runs stays in the queue. The next worker runs it, late.

    Une suppression qui arrive à échéance sans worker reste dans la file. Le worker suivant l'exécute, en retard.
    """
    due = time.time() + 0.1
    django("result = delete_public_file_later('report.pdf', timedelta(seconds=0.1))")
    wait_until(lambda: time.time() > due)
    assert redis.llen("celery") == 1
    assert report.exists()
    worker()
    django("result.get(timeout=30)")
    assert not report.exists()


def due_time(redis):
    """The due time in the one message that is in flight."""
    [message] = redis.hvals("unacked")
    return json.loads(message)[0]["headers"]["eta"]


def moments(worker, text):
    """When a worker logged the lines that contain *text*, in seconds since the epoch."""
    dates = [line[1:24] for line in worker.lines if text in line]
    zone = zoneinfo.ZoneInfo("Europe/Paris")  # TIME_ZONE, which Django also sets for the process
    return [datetime.datetime.strptime(date, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=zone).timestamp() for date in dates]


def arrow(at, source, target, text):
    """A message for the diagram of the page, with its time in the text."""
    return {"at": round(at, 3), "source": source, "target": target, "text": f"{text}, {at:.1f} s" if at else text}
