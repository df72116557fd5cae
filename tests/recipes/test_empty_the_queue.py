import signal
import time

import pytest
from situations import ask_slow_worker, in_flight, open_once_read, slow_file

from cookbook.testing import wait_until

PRIORITY = "celery\x06\x166"
ONE_AT_A_TIME = ("--prefetch-multiplier", "1")


@pytest.fixture
def django(stack):
    """Django with a document of three words in its storage, and what these proofs call."""
    django = stack.django()
    django(
        "from core.celery import app\n"
        "from django.core.files.base import ContentFile\n"
        "from core.storages import public_storage\n"
        "from empty_the_queue.places import empty, places\n"
        "from empty_the_queue.tasks import count_words\n"
        "public_storage.save('a.txt', ContentFile(b'one two three'))\n"
        "send = lambda path='a.txt', **options: count_words.apply_async((path,), **options)\n"
        "sent = []\n"
        "def held_by(worker):\n"
        "    asked = app.control.inspect([worker], timeout=30, limit=1)\n"
        "    return sum(len(each[worker]) for each in (asked.active(), asked.reserved(), asked.scheduled()))\n"
    )
    return django


def test_what_each_step_leaves_in_the_four_places(worker, stack, django, console, record):
    """The table shows what each step leaves in the queue, in its priority lists, in `unacked` and in the memory of a
    worker. Once the worker has stopped, the last step empties all four.

    Le tableau montre ce que chaque étape laisse dans la file, dans ses listes de priorité, dans `unacked` et dans la
    mémoire d'un worker. Une fois le worker arrêté, la dernière étape vide les quatre.
    """
    redis = stack.redis()
    leave_in_unacked(worker, django, redis)
    running = worker(*ONE_AT_A_TIME, name="worker2")
    steps = []

    def step(name, workers):
        row = {"celery": redis.llen("celery"), "priorities": redis.llen(PRIORITY), "unacked": in_flight(redis)}
        steps.append({"step": name, **row, "workers": workers})

    with fill_worker(stack, django, redis, already=1) as feed:
        django("sent += [send(), send(), send(priority=6)]")
        step(None, django("held_by('worker2@cookbook')"))
        shown, refused = console("places.console")
        assert (
            shown.output
            == refused.output.splitlines()[0]
            == ("Places(waiting=2, priorities=1, unacked=3, workers={'worker2@cookbook': 3})")
        )
        assert refused.status == 1
        redis.delete("celery")
        step("DEL celery", django("held_by('worker2@cookbook')"))
        assert stack.start(["celery", "-A", "core", "purge", "-f"]).wait() == 0
        step("celery -A core purge -f", django("held_by('worker2@cookbook')"))
        assert django("app.control.revoke([each.id for each in sent], reply=True, limit=1, timeout=30)")
        step("app.control.revoke(ids)", django("held_by('worker2@cookbook')"))
        begin_to_stop(running, redis)
        feed.write(b"one")
    assert running.wait() == 0
    step("SIGTERM", 0)
    emptied, _ = console("emptied.console")
    assert emptied.output.splitlines() == [
        "Places(waiting=2, priorities=0, unacked=1, workers={})",
        "Places(waiting=0, priorities=0, unacked=0, workers={})",
    ]
    step("empty_queue celery --force", 0)
    record("places", steps)
    assert [list(row.values())[1:] for row in steps] == [
        [2, 1, 3, 3],
        [0, 1, 3, 3],
        [0, 0, 3, 3],
        [0, 0, 3, 3],
        [2, 0, 1, 0],
        [0, 0, 0, 0],
    ]
    assert redis.exists("unacked_index") == 0


def test_purge_asks_first_and_only_empties_the_default_queue(django, redis, console):
    """`celery purge` asks for confirmation and exits with 1 without an answer. With `-f`, it does not ask. It also
    empties the priority lists, but only of the default queue. Name other queues with `-Q`.

    `celery purge` demande une confirmation, et sort avec le code 1 sans réponse. Avec `-f`, la commande ne demande
    rien. Elle vide aussi les listes de priorité, mais seulement celles de la file par défaut. Nommez les autres files
    avec `-Q`.
    """
    django("[send(), send(), send(priority=6), send(queue='reports')]")
    _, asked, forced, left, *_ = steps = console("purge.console")
    assert [step.status for step in steps] == [1, 0, 0, 0, 0, 0]
    assert asked.output.endswith("[y/N]: Aborted!")
    assert forced.output == "Purged 3 messages from 1 known task queue."
    assert left.output == "(integer) 1"
    assert redis.exists("celery", PRIORITY, "reports") == 0


def test_purge_empties_every_declared_queue(stack, django, redis):
    """Without `-Q`, `celery purge` empties every queue declared in `CELERY_TASK_QUEUES`.

    Sans `-Q`, `celery purge` vide toutes les files déclarées dans `CELERY_TASK_QUEUES`.
    """
    django("[send(), send(queue='reports')]")
    declared: dict[str, dict[str, dict[str, str]]] = {"CELERY_TASK_QUEUES": {"celery": {}, "reports": {}}}
    purge = stack.start(["celery", "-A", "core", "purge", "-f"], declared)
    purge.wait_for("Purged 2 messages from 2 known task queues.")
    assert redis.exists("celery", "reports") == 0


def test_a_purged_task_stays_pending(django, redis):
    """The state of a purged task stays PENDING, so a caller that waits for its result does not learn that it was
    purged.

    L'état d'une tâche purgée reste PENDING : un appelant qui attend son résultat ne sait pas qu'elle a été purgée.
    """
    django("result = send()")
    assert django("app.control.purge()") == 1
    assert redis.exists("celery") == 0
    assert django("result.state") == "PENDING"


def test_del_leaves_the_priority_lists_and_unacked(worker, django, redis, console):
    """`DEL celery` leaves the priority lists, and the message that a killed worker left in `unacked`.

    `DEL celery` laisse les listes de priorité, et le message qu'un worker tué a laissé dans `unacked`.
    """
    leave_in_unacked(worker, django, redis)
    django("[send(), send(), send(priority=6)]")
    before, _, after, priority, left = console("delete.console")
    assert [step.output for step in (before, after, priority, left)] == [
        "(integer) 1",
        "(integer) 0",
        "(integer) 1",
        "(integer) 1",
    ]


@pytest.mark.since("5.3", gap="in Celery 5.2, a worker that no longer consumes any queue does not always stop")
def test_a_worker_still_runs_the_tasks_that_it_has_reserved(worker, stack, django, redis, console):
    """`celery purge` does not find the tasks that a worker has in memory, and `UNLINK unacked` does not stop them: they
    run to the end.

    `celery purge` ne trouve pas les tâches qu'un worker a en mémoire, et `UNLINK unacked` ne les arrête pas : elles
    vont jusqu'au bout.
    """
    worker = worker(*ONE_AT_A_TIME)
    with fill_worker(stack, django, redis) as feed:
        length, unacked, purged, *_ = console("held.console")
        assert (length.output, unacked.output) == ("(integer) 0", "(integer) 2")
        assert purged.output == "No messages purged from 1 queue."
        assert redis.exists("celery", "unacked", "unacked_index") == 0
        django("later = send()")
        feed.write(b"one two")
    assert django("[running.get(timeout=30), reserved.get(timeout=30)]") == [2, 3]
    assert redis.llen("celery") == 1  # the task sent after cancel_consumer
    worker.stop()
    assert redis.llen("celery") == 1
    assert redis.exists("unacked") == 0


def test_a_delayed_task_without_its_copy_in_unacked_is_lost_when_the_worker_stops(worker, django, redis):
    """The only copy in Redis of a delayed task that a worker has reserved is in `unacked`. If you delete it, the worker
    requeues nothing when it stops.

    La seule copie dans Redis d'une tâche différée qu'un worker a réservée est dans `unacked`. Si vous la supprimez, le
    worker ne remet rien dans la file en s'arrêtant.
    """
    first = worker()
    assert ". core.tasks.ping" in first.log  # the settings of this recipe keep the other apps
    django("send(countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    redis.unlink("unacked", "unacked_index")
    assert django("held_by('worker1@cookbook')") == 1
    first.stop()
    assert redis.exists("celery", "unacked") == 0


@pytest.mark.since("5.6", fails="'PENDING' == 'REVOKED'")
def test_a_revoked_task_that_is_requeued_runs(worker, stack, django, redis):
    """If a worker stops and requeues a revoked task, the next worker runs it. Its state goes from REVOKED to SUCCESS.

    Si un worker s'arrête et remet dans la file une tâche révoquée, le worker suivant l'exécute. Son état passe de
    REVOKED à SUCCESS.
    """
    first = worker(*ONE_AT_A_TIME)
    slow = slow_file(stack, "slow.txt")
    django("running = send('slow.txt')")
    with open_once_read(slow) as feed:
        wait_until(lambda: in_flight(redis) == 0)  # the running task is acknowledged
        django("reserved = send()")
        wait_until(lambda: in_flight(redis) == 1)
        assert django("app.control.revoke(reserved.id, reply=True, limit=1, timeout=30)")
        begin_to_stop(first, redis)
        feed.write(b"one")
    first.wait()
    assert django("reserved.state") == "REVOKED"
    assert redis.llen("celery") == 1
    worker(*ONE_AT_A_TIME)
    wait_until(lambda: django("app.AsyncResult(reserved.id).state") == "SUCCESS")


def test_only_the_queue_that_is_named_is_emptied(worker, django, redis):
    """`places("celery")` and `empty("celery")` leave the other queues alone, even the tasks of these queues that a
    worker has in memory and that it leaves in `unacked` when it dies.

    `places("celery")` et `empty("celery")` laissent les autres files intactes, y compris leurs tâches qu'un worker a en
    mémoire et qu'il laisse dans `unacked` en mourant.
    """
    killed = worker("--queues", "celery,reports")
    django("[send(queue=queue, countdown=3600) for queue in ('celery', 'reports', 'reports')]")
    wait_until(lambda: django("held_by('worker1@cookbook')") == 3)
    found = django("[[each.unacked, each.workers] for each in map(places, ('celery', 'reports'))]")
    assert found == [[1, {"worker1@cookbook": 1}], [2, {"worker1@cookbook": 2}]]
    killed.kill_group()
    django("[send(), send(queue='reports')]")
    django("empty('celery')")
    assert redis.exists("celery") == 0
    assert (redis.llen("reports"), in_flight(redis), redis.zcard("unacked_index")) == (1, 2, 2)
    assert all('"routing_key": "reports"' in message for message in redis.hvals("unacked"))


def test_a_worker_is_counted_for_its_queues_even_when_slow_to_answer(worker, django):
    """A worker is counted for the queues that it serves and for no other, even if it needs more than two seconds to
    reply. Once every worker has replied, `places` waits no longer.

    Un worker est compté pour les files qu'il sert et pour aucune autre, même s'il met plus de deux secondes à répondre.
    Une fois que tous les workers ont répondu, `places` n'attend plus.
    """
    slow = worker("--queues", "reports")
    wait_until(lambda: ask_slow_worker(slow, django, "places('reports').workers") == {"worker1@cookbook": 0})
    assert django("places('celery').workers") == {}
    began = time.monotonic()
    assert django("places('reports').workers") == {"worker1@cookbook": 0}
    # A worker that replies to the first request has ten seconds for the next ones.
    assert time.monotonic() - began < 3 + 10


def test_a_worker_that_does_not_answer_is_not_counted(worker, stack, django, redis):
    """A busy worker with the `solo` pool does not reply. It is not counted, and its task continues.

    Un worker occupé, avec le pool `solo`, ne répond pas. Il n'est pas compté, et sa tâche continue.
    """
    worker("--pool", "solo")
    slow = slow_file(stack, "slow.txt")
    django("running = send('slow.txt')")
    with open_once_read(slow) as feed:
        assert django("places('celery').workers") == {}
        django("empty('celery')")
        feed.write(b"one two")
    assert django("running.get(timeout=30)") == 2


def test_a_worker_that_stops_between_two_requests_raises_no_error(worker, django):
    """If a worker stops between the first request and the next ones, it is counted with no task and no error is raised.

    Si un worker s'arrête entre la première requête et les suivantes, il est compté sans tâche et aucune erreur n'est
    levée.
    """
    worker()
    django(
        "ask = app.control.inspect\n"
        "def ask_once_stopped(destination=None, timeout=0):\n"
        "    if destination:\n"
        "        app.control.shutdown(destination)\n"
        "        while app.control.ping(destination, timeout=0.5): pass\n"
        "    return ask(destination, timeout=1 if destination else timeout)\n"
        "app.control.inspect = ask_once_stopped\n"
    )
    assert django("places('celery').workers") == {"worker1@cookbook": 0}


def test_unlink_frees_the_memory_in_another_thread(django, redis):
    """`UNLINK` frees a long list in another thread. `DEL` only does so when `lazyfree-lazy-user-del` is `yes`.

    `UNLINK` libère une longue liste dans un autre thread. `DEL` ne le fait que si `lazyfree-lazy-user-del` vaut `yes`.
    """
    django("send()")
    [message] = redis.lrange("celery", 0, -1)
    freed_in_a_thread = []
    for delete, lazy in ((redis.delete, "no"), (redis.unlink, "no"), (redis.delete, "yes")):
        redis.config_set("lazyfree-lazy-user-del", lazy)
        redis.lpush("celery", *[message] * 2000)
        assert delete("celery") == 1
        wait_until(lambda: redis.info("memory")["lazyfree_pending_objects"] == 0)
        freed_in_a_thread.append(redis.info("memory")["lazyfreed_objects"])
    assert freed_in_a_thread == [0, 1, 2]


def leave_in_unacked(worker, django, redis):
    """Leave a message of the queue in `unacked`, from a worker that is killed."""
    killed = worker()
    django("send(countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    killed.kill_group()


def fill_worker(stack, django, redis, already=0):
    """Keep the only worker busy with a task, and let it reserve two more: one to run next, one due in an hour.

    Returns the pipe that ends the running task.
    """
    slow = slow_file(stack, "slow.txt")
    django("sent += [send(countdown=3600)]")
    wait_until(lambda: in_flight(redis) == already + 1)
    django("running = send('slow.txt'); sent += [running]")
    feed = open_once_read(slow)
    wait_until(lambda: in_flight(redis) == already + 1)  # the running task is acknowledged
    django("reserved = send(); sent += [reserved]")
    wait_until(lambda: in_flight(redis) == already + 2)
    return feed


def begin_to_stop(worker, redis):
    """Send SIGTERM, and wait until the worker receives no more messages and only waits for its running task."""
    worker.signal(signal.SIGTERM)
    wait_until(lambda: redis.pubsub_numpat() == 0)  # it no longer listens to commands
