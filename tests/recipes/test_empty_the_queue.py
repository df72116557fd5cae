import signal
import time

import pytest
from situations import asked_when_slow, held, reader, slow_file

from cookbook.testing import wait_until

PRIORITY = "celery\x06\x166"
ONE_AT_A_TIME = ("--prefetch-multiplier", "1")


@pytest.fixture
def django(stack):
    """Django with a document of three words in its storage."""
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
    """This is what each step leaves in the queue, its priority lists, `unacked` and a worker's memory; the last one,
    once the worker is stopped, empties all four.

    Voici ce que chaque étape laisse dans la file, ses listes de priorité, `unacked` et la mémoire d'un worker ; la
    dernière, une fois le worker arrêté, vide les quatre.
    """
    redis = stack.redis()
    leave_in_unacked(worker, django, redis)
    running = worker(*ONE_AT_A_TIME, name="worker2")
    steps = []

    def step(name, workers):
        row = {"celery": redis.llen("celery"), "priorities": redis.llen(PRIORITY), "unacked": held(redis)}
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


def test_purge_asks_first_and_knows_only_the_default_queue(django, redis, console):
    """`celery purge` asks, and without an answer ends with status 1; `-f` does not ask. It empties the priority lists
    too, but of the default queue only: name the others with `-Q`.

    `celery purge` demande confirmation, et sans réponse finit avec le code 1 ; `-f` ne demande rien. Il vide aussi les
    listes de priorité, mais de la seule file par défaut : les autres se nomment avec `-Q`.
    """
    django("[send(), send(), send(priority=6), send(queue='reports')]")
    _, asked, forced, left, *_ = steps = console("purge.console")
    assert [step.status for step in steps] == [1, 0, 0, 0, 0, 0]
    assert asked.output.endswith("[y/N]: Aborted!")
    assert forced.output == "Purged 3 messages from 1 known task queue."
    assert left.output == "(integer) 1"
    assert redis.exists("celery", PRIORITY, "reports") == 0


def test_purge_empties_every_declared_queue(stack, django, redis):
    """Without `-Q`, `celery purge` empties every queue that `CELERY_TASK_QUEUES` declares.

    Sans `-Q`, `celery purge` vide toutes les files que déclare `CELERY_TASK_QUEUES`.
    """
    django("[send(), send(queue='reports')]")
    declared: dict[str, dict[str, dict[str, str]]] = {"CELERY_TASK_QUEUES": {"celery": {}, "reports": {}}}
    purge = stack.start(["celery", "-A", "core", "purge", "-f"], declared)
    purge.wait_for("Purged 2 messages from 2 known task queues.")
    assert redis.exists("celery", "reports") == 0


def test_a_purged_task_stays_pending(django, redis):
    """Nothing tells who waits for it that a task was purged: its state stays PENDING.

    Rien ne prévient celui qui attend une tâche purgée : son état reste PENDING.
    """
    django("result = send()")
    assert django("app.control.purge()") == 1
    assert redis.exists("celery") == 0
    assert django("result.state") == "PENDING"


def test_deleting_the_key_leaves_priorities_and_what_a_dead_worker_held(worker, django, redis, console):
    """`DEL celery` leaves the priority lists, and what a killed worker left in `unacked`.

    `DEL celery` laisse les listes de priorité, et ce qu'un worker tué a laissé dans `unacked`.
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


@pytest.mark.since("5.3", gap="a worker of Celery 5.2 that consumes no queue any more does not always stop")
def test_what_a_worker_holds_still_runs(worker, stack, django, redis, console):
    """What a worker holds, `purge` does not find and `UNLINK unacked` does not stop: its tasks run to the end.

    Ce qu'un worker retient, `purge` ne le trouve pas et `UNLINK unacked` ne l'arrête pas : ses tâches vont au bout.
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
    assert redis.llen("celery") == 1  # what came after cancel_consumer
    worker.stop()
    assert redis.llen("celery") == 1
    assert redis.exists("unacked") == 0


def test_without_its_copy_in_unacked_a_held_task_is_lost_at_the_next_stop(worker, django, redis):
    """A task that waits for its time in a worker has its only copy in `unacked`: once that is deleted, the worker gives
    nothing back when it stops.

    Une tâche qui attend son heure dans un worker n'a de copie que dans `unacked` : une fois celle-ci supprimée, le
    worker ne rend rien en s'arrêtant.
    """
    first = worker()
    assert ". core.tasks.ping" in first.log
    django("send(countdown=3600)")
    wait_until(lambda: held(redis) == 1)
    redis.unlink("unacked", "unacked_index")
    assert django("held_by('worker1@cookbook')") == 1
    first.stop()
    assert redis.exists("celery", "unacked") == 0


@pytest.mark.since("5.6", fails="'PENDING' == 'REVOKED'")
def test_a_revoked_task_that_is_given_back_runs(worker, stack, django, redis):
    """Revoked, then given back by a worker that stops, a task runs on the next worker: REVOKED becomes SUCCESS.

    Révoquée, puis rendue par un worker qui s'arrête, une tâche s'exécute sur le suivant : REVOKED devient SUCCESS.
    """
    first = worker(*ONE_AT_A_TIME)
    slow = slow_file(stack, "slow.txt")
    django("running = send('slow.txt')")
    with reader(slow) as feed:
        wait_until(lambda: held(redis) == 0)  # the running one is acknowledged
        django("reserved = send()")
        wait_until(lambda: held(redis) == 1)
        assert django("app.control.revoke(reserved.id, reply=True, limit=1, timeout=30)")
        begin_to_stop(first, redis)
        feed.write(b"one")
    first.wait()
    assert django("reserved.state") == "REVOKED"
    assert redis.llen("celery") == 1
    worker(*ONE_AT_A_TIME)
    wait_until(lambda: django("app.AsyncResult(reserved.id).state") == "SUCCESS")


def test_only_the_queue_that_is_named_is_emptied(worker, django, redis):
    """`places("celery")` and `empty("celery")` leave the other queues alone, also what a dead worker held of them in
    `unacked`.

    `places("celery")` et `empty("celery")` laissent de côté les autres files, y compris ce qu'un worker mort en
    retenait dans `unacked`.
    """
    leave_in_unacked(worker, django, redis, "celery", "reports")
    django("[send(), send(queue='reports')]")
    assert django("[places(queue).unacked for queue in ('celery', 'reports')]") == [1, 1]
    django("empty('celery')")
    assert redis.exists("celery") == 0
    assert (redis.llen("reports"), held(redis), redis.zcard("unacked_index")) == (1, 1, 1)
    assert '"routing_key": "reports"' in redis.hvals("unacked")[0]


def test_a_worker_counts_where_it_serves_the_queue_even_when_slow_to_answer(worker, django):
    """A worker counts for the queues that it serves, and for no other. It has more than two seconds to answer; when all
    have, nothing is awaited any longer.

    Un worker compte pour les files qu'il sert, et pour aucune autre. Il a plus de deux secondes pour répondre ; quand
    tous l'ont fait, on n'attend plus rien.
    """
    slow = worker("--queues", "reports")
    wait_until(lambda: asked_when_slow(slow, django, "places('reports').workers") == {"worker1@cookbook": 0})
    assert django("places('celery').workers") == {}
    began = time.monotonic()
    assert django("places('reports').workers") == {"worker1@cookbook": 0}
    assert time.monotonic() - began < 3 + 10  # who answers the first question has ten seconds for the next ones


def test_a_worker_that_does_not_answer_is_not_seen(worker, stack, django, redis):
    """A busy worker of the pool `solo` answers no question: it is not seen, and its task runs on.

    Un worker du pool `solo` occupé ne répond à aucune question : il passe inaperçu, et sa tâche continue.
    """
    worker("--pool", "solo")
    slow = slow_file(stack, "slow.txt")
    django("running = send('slow.txt')")
    with reader(slow) as feed:
        assert django("places('celery').workers") == {}
        django("empty('celery')")
        feed.write(b"one two")
    assert django("running.get(timeout=30)") == 2


def test_a_worker_that_leaves_between_two_questions_is_no_error(worker, django):
    """A worker that stops between the first question and the next ones is counted, with no task.

    Un worker qui s'arrête entre la première question et les suivantes est compté, sans tâche.
    """
    worker()
    django(
        "ask = app.control.inspect\n"
        "def ask_once_it_left(destination=None, timeout=0):\n"
        "    if destination:\n"
        "        app.control.shutdown(destination)\n"
        "        while app.control.ping(destination, timeout=0.5): pass\n"
        "    return ask(destination, timeout=1 if destination else timeout)\n"
        "app.control.inspect = ask_once_it_left\n"
    )
    assert django("places('celery').workers") == {"worker1@cookbook": 0}


def test_unlink_frees_the_memory_behind_the_scenes(django, redis):
    """`UNLINK` leaves the freeing of a long list to another thread; `DEL` does so only where
    `lazyfree-lazy-user-del` is `yes`.

    `UNLINK` laisse à un autre fil le soin de libérer une longue liste ; `DEL` ne le fait que si
    `lazyfree-lazy-user-del` vaut `yes`.
    """
    django("send()")
    [message] = redis.lrange("celery", 0, -1)
    freed_aside = []
    for delete, lazy in ((redis.delete, "no"), (redis.unlink, "no"), (redis.delete, "yes")):
        redis.config_set("lazyfree-lazy-user-del", lazy)
        redis.lpush("celery", *[message] * 2000)
        assert delete("celery") == 1
        wait_until(lambda: redis.info("memory")["lazyfree_pending_objects"] == 0)
        freed_aside.append(redis.info("memory")["lazyfreed_objects"])
    assert freed_aside == [0, 1, 2]


def leave_in_unacked(worker, django, redis, *queues):
    """A message of each of the *queues* (of `celery`, if none is named) that a killed worker has left behind."""
    queues = queues or ("celery",)
    killed = worker("--queues", ",".join(queues))
    django(f"[send(queue=queue, countdown=3600) for queue in {queues}]")
    wait_until(lambda: held(redis) == len(queues))
    killed.kill_group()


def fill_worker(stack, django, redis, already=0):
    """What ends the running task of the one worker, which holds two more: one reserved, one due in an hour."""
    slow = slow_file(stack, "slow.txt")
    django("sent += [send(countdown=3600)]")
    wait_until(lambda: held(redis) == already + 1)
    django("running = send('slow.txt'); sent += [running]")
    feed = reader(slow)
    wait_until(lambda: held(redis) == already + 1)  # the running one is acknowledged
    django("reserved = send(); sent += [reserved]")
    wait_until(lambda: held(redis) == already + 2)
    return feed


def begin_to_stop(worker, redis):
    """Send SIGTERM, and wait until the worker takes nothing more up: it only awaits the end of its running task."""
    worker.signal(signal.SIGTERM)
    wait_until(lambda: redis.pubsub_numpat() == 0)  # it no longer listens to commands
