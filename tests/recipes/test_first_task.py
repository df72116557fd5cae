import datetime
import json
import shutil
import time
import zoneinfo
from itertools import pairwise
from operator import itemgetter

import pytest
from celery.bin.worker import worker as worker_command
from kombu.transport.redis import Channel
from situations import held, swept_within_seconds

from cookbook.testing import DjangoError, wait_until

IMPATIENT = {
    "CELERY_BROKER_TRANSPORT_OPTIONS": {
        "visibility_timeout": 3,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }
}


@pytest.fixture
def copy(project, stack, tmp_path):
    """A copy of the project that the stack runs instead, for a test to change."""
    stack.cwd = shutil.copytree(project.recipes, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    return stack.cwd


@pytest.fixture
def report(stack):
    """A file in the public storage."""
    file = stack.folder / "public" / "report.pdf"
    file.parent.mkdir()
    file.write_bytes(b"%PDF")
    return file


@pytest.fixture
def django(stack):
    """Django with what a test calls. A test that changes the project asks for its copy first."""
    django = stack.django()
    django(
        "from datetime import timedelta\n"
        "from first_task.deletion import LONGEST_DELAY, delete_public_file, delete_public_file_later\n"
    )
    return django


def test_the_file_goes_when_it_is_due_and_not_before(worker, django, redis, report, record):
    """The file stays until the delay is over; then it goes, once.

    Le fichier reste jusqu'au terme du délai ; puis il disparaît, une seule fois.
    """
    worker = worker()
    sent = django(
        "import time; sent = time.time()\nresult = delete_public_file_later('report.pdf', timedelta(seconds=2)); sent"
    )
    wait_until(lambda: held(redis) == 1)
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


def test_while_it_waits_the_message_is_held_by_a_worker(worker, django, redis, console):
    """While it waits, the deletion is in the memory of a worker and in `unacked`; the queue is empty.

    Tant qu'elle attend, la suppression est dans la mémoire d'un worker et dans `unacked` ; la file est vide.
    """
    worker()
    django("delete_public_file_later('report.pdf', timedelta(minutes=30))")
    wait_until(lambda: held(redis) == 1)
    scheduled, queued, unacked = console("waiting.console")
    assert '"args":["report.pdf"]' in scheduled.output
    assert queued.output == "(integer) 0"
    assert unacked.output == "(integer) 1"


def test_deleting_twice_is_harmless(worker, django, report):
    """A file that is already gone is no error: the deletion can run twice.

    Un fichier déjà parti n'est pas une erreur : la suppression peut s'exécuter deux fois.
    """
    assert ". core.tasks.ping" in worker().log
    django("results = [delete_public_file.delay('report.pdf') for _ in range(2)]")
    assert django("[each.get(timeout=30) for each in results]") == [None, None]
    assert not report.exists()


def test_log_lines_carry_the_name_and_the_id_of_the_task(worker, django, report):
    """With `get_task_logger`, each line of the log carries the name and the id of the task.

    Avec `get_task_logger`, chaque ligne du journal porte le nom et l'id de la tâche.
    """
    worker = worker()
    task_id = django("delete_public_file.delay('report.pdf').id")
    line = worker.wait_for("report.pdf deleted")
    assert line.endswith(f"first_task.tasks.delete_public_file[{task_id}]: report.pdf deleted")


def test_a_plain_logger_leaves_them_out(worker, copy, django, report):
    """With `logging.getLogger`, the line carries neither.

    Avec `logging.getLogger`, la ligne ne porte ni l'un ni l'autre.
    """
    tasks = copy / "first_task/tasks.py"
    replace(tasks, "get_task_logger(__name__)", "logging.getLogger(__name__)")
    replace(tasks, "from celery.utils.log import get_task_logger", "import logging")
    worker = worker()
    task_id = django("delete_public_file.delay('report.pdf').id")
    line = worker.wait_for("report.pdf deleted")
    assert task_id not in line
    assert "delete_public_file" not in line


def test_the_default_level_hides_what_is_not_a_warning(worker, django, report):
    """`celery worker` logs from WARNING up unless told otherwise: failures appear, the line of the deletion does not.

    Sans autre consigne, `celery worker` journalise à partir de WARNING : on y lit les échecs, pas les
    suppressions.
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
    """An error in the storage makes the task a FAILURE, with its traceback in the worker's log and in the result.

    Une erreur du stockage donne à la tâche l'état FAILURE, avec sa trace d'appels dans le journal du worker et dans le
    résultat.
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
    """Around the same error, `try`, `except Exception` and a line of log make a SUCCESS, without a traceback.

    Autour de la même erreur, `try`, `except Exception` et une ligne de journal donnent un SUCCESS, sans trace d'appels.
    """
    caught = (
        "    try:\n        public_storage.delete(path)\n    except Exception as error:\n        logger.error(error)\n"
    )
    replace(copy / "first_task/tasks.py", "    public_storage.delete(path)\n", caught)
    worker = worker()
    django("result = delete_public_file.delay('')")
    worker.wait_for("The name must be given to delete()")
    assert wait_until(lambda: django("result.state") == "SUCCESS")
    assert "Traceback" not in worker.log


def test_a_path_outside_the_storage_is_refused(worker, django, stack):
    """A path that leaves the storage is refused: the task fails and the file stays.

    Un chemin qui sort du stockage est refusé : la tâche échoue et le fichier reste.
    """
    secret = stack.folder / "secret.txt"
    secret.write_text("stays")
    worker()
    with pytest.raises(DjangoError) as failure:
        django("delete_public_file.delay('../secret.txt').get(timeout=30)")
    assert failure.value.name == "SuspiciousFileOperation"
    assert secret.exists()


def test_a_delay_that_is_too_long_is_refused(django, redis):
    """Above `LONGEST_DELAY`, the call raises ValueError, which names both delays, and sends nothing.

    Au-delà de `LONGEST_DELAY`, l'appel lève ValueError, qui nomme les deux délais, et n'envoie rien.
    """
    with pytest.raises(DjangoError, match=r"^ValueError: 0:45:01 is longer than 0:45:00$"):
        django("delete_public_file_later('report.pdf', LONGEST_DELAY + timedelta(seconds=1))")
    assert redis.llen("celery") == 0
    django("delete_public_file_later('report.pdf', LONGEST_DELAY)")
    assert redis.llen("celery") == 1


def test_the_longest_delay_stays_below_the_visibility_timeout(django):
    """`LONGEST_DELAY` stays below the default `visibility_timeout`, with a quarter of an hour to spare.

    `LONGEST_DELAY` reste sous le `visibility_timeout` par défaut, avec un quart d'heure de marge.
    """
    assert django("LONGEST_DELAY.total_seconds()") <= Channel.visibility_timeout - 15 * 60


@swept_within_seconds
def test_a_countdown_longer_than_the_visibility_timeout_runs_several_times(worker, redis, stack, record):
    """A countdown longer than the visibility timeout is delivered again each time this runs out: the task runs several
    times.

    Un compte à rebours plus long que le délai de visibilité est livré de nouveau à chaque fois que celui-ci expire : la
    tâche s'exécute plusieurs fois.
    """
    workers = {name: worker(name=name, settings=IMPATIENT) for name in ("worker1", "worker2")}
    django = stack.django(IMPATIENT)
    django("from first_task.tasks import delete_public_file")
    send = (
        "import time; sent = time.time()\nresult = delete_public_file.apply_async(('report.pdf',), countdown=10); sent"
    )
    sent = django(send)
    django("result.get(timeout=30)")

    def all_run():
        taken, run = ([moments(each, text) for each in workers.values()] for text in ("] received", "deleted"))
        return redis.llen("celery") == held(redis) == 0 and sum(map(len, taken)) == sum(map(len, run))

    wait_until(all_run)
    deliveries = {name: moments(each, "] received") for name, each in workers.items()}
    every = sorted(moment for each in deliveries.values() for moment in each)
    assert len(every) >= 3
    assert all(later - earlier > 2 for earlier, later in pairwise(every))  # never long before the visibility timeout
    arrows = [arrow(0, "django", "redis", "apply_async(countdown=10)")]
    for name, each in workers.items():
        arrows += [arrow(moment - sent, "redis", name, "received") for moment in deliveries[name]]
        arrows += [arrow(moment - sent, name, "storage", "delete") for moment in moments(each, "deleted")]
    record("redelivered", sorted(arrows, key=itemgetter("at")))


def test_a_worker_that_stops_gives_the_deletion_back(worker, django, redis):
    """A worker that is stopped with SIGTERM puts what waits back into the queue; the next one takes it, due at the same
    time.

    Un worker arrêté par SIGTERM remet dans la file ce qui attend ; le suivant le reprend, avec la même échéance.
    """
    first = worker()
    django("delete_public_file_later('report.pdf', timedelta(minutes=30))")
    wait_until(lambda: held(redis) == 1)
    due = due_time(redis)
    first.stop()
    assert (redis.llen("celery"), held(redis)) == (1, 0)
    worker(name="worker2")
    wait_until(lambda: held(redis) == 1)
    assert due_time(redis) == due


def test_a_worker_that_is_killed_leaves_the_deletion_in_unacked(worker, django, redis):
    """A killed worker puts nothing back: the deletion stays in `unacked`, where the next worker does not take it.

    Un worker tué ne remet rien dans la file : la suppression reste dans `unacked`, où le suivant ne la prend pas.
    """
    first = worker()
    django("delete_public_file_later('report.pdf', timedelta(minutes=30))")
    wait_until(lambda: held(redis) == 1)
    first.kill_group()
    second = worker(name="worker2")
    django("delete_public_file.delay('other.pdf').get(timeout=30)")
    assert len(moments(second, "] received")) == 1
    wait_until(lambda: (redis.llen("celery"), held(redis)) == (0, 1))


@swept_within_seconds
def test_after_the_visibility_timeout_another_worker_takes_it(worker, stack, redis, report):
    """Once the visibility timeout has run out, and not before, a worker takes the deletion that a killed one left in
    `unacked`.

    Une fois le délai de visibilité écoulé, et pas avant, un worker reprend la suppression qu'un worker tué avait
    laissée dans `unacked`.
    """
    first = worker(settings=IMPATIENT)
    django = stack.django(IMPATIENT)
    django("from first_task.tasks import delete_public_file")
    django("result = delete_public_file.apply_async(('report.pdf',), countdown=2)")
    wait_until(lambda: held(redis) == 1)
    first.kill_group()
    assert report.exists()
    [(_, taken)] = redis.zrange("unacked_index", 0, -1, withscores=True)
    second = worker(name="worker2", settings=IMPATIENT)
    django("result.get(timeout=30)")
    assert not report.exists()
    [received] = moments(second, "] received")
    assert received - taken > 2.99  # the log says thousandths of a second, cut off


def test_a_deletion_due_while_no_worker_runs_is_late_and_not_lost(worker, django, redis, report):
    """A deletion that is due while no worker runs waits in the queue: the next worker does it, late.

    Une suppression dont l'heure passe sans worker attend dans la file : le prochain worker la fait, en retard.
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
    """The due time that the message held by a worker carries."""
    [message] = redis.hvals("unacked")
    return json.loads(message)[0]["headers"]["eta"]


def moments(worker, text):
    """When a worker wrote the lines of its log that hold *text*, in seconds since the epoch."""
    dates = [line[1:24] for line in worker.lines if text in line]
    zone = zoneinfo.ZoneInfo("Europe/Paris")  # TIME_ZONE, which Django makes that of the process
    return [datetime.datetime.strptime(date, "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=zone).timestamp() for date in dates]


def arrow(at, source, target, text):
    """A message for the page's diagram, its time written out beside it."""
    return {"at": round(at, 3), "source": source, "target": target, "text": f"{text}, {at:.1f} s" if at else text}


def replace(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
