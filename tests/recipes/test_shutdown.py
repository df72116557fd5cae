import signal
import time
from contextlib import contextmanager

import pytest
import yaml
from situations import (
    EARLY,
    FAST,
    LATE,
    PATIENT,
    SLOW_MACHINE,
    django_with_file,
    expire,
    in_flight,
    open_once_read,
    slow_file,
    unlock,
    wait_for_start,
)

from cookbook.testing import wait_until

AT_ONCE = {"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 0}
SLOW = "slow.txt"
# A module for workers: it stops them in the middle of a redelivery, while they have the lock.
STUCK = """
import threading
from kombu.transport.redis import QoS

def never_restore(*args, **options):
    print("has the lock")
    threading.Event().wait()

QoS.restore_by_tag = never_restore
"""

soft = pytest.mark.since("5.5", fails="waited for 'Initiating Soft Shutdown'")


@pytest.fixture
def django(stack):
    """Django with a file to compress."""
    return django_with_file(stack, "a.txt", "from shutdown.tasks import compress")


@pytest.mark.timeout(2 * SLOW_MACHINE)
@pytest.mark.since("5.6", fails=r"'SIGQUIT', '(early|late)', 0, '(RETRY|PENDING|FAILURE)', [01], 0\) != ")
def test_what_happens_to_a_running_task(stack, django, redis, record):
    """The table shows what is left of a task that was running when the signal arrived, once the worker has ended.

    Le tableau montre ce qui reste d'une tâche en cours à l'arrivée du signal, une fois le worker terminé.
    """
    cells = {}
    for name in ("SIGTERM", "SIGQUIT", "SIGKILL"):
        for ack in ("early", "late"):
            queue = f"{name}-{ack}".lower()
            settings = AT_ONCE | (EARLY if ack == "early" else {})
            worker = stack.worker("--queues", queue, name=queue, settings=settings, wait=False)
            cells[name, ack] = queue, worker, slow_file(stack, f"{queue}.txt")
            django(f"sent = globals().get('sent', {{}}); sent['{queue}'] = {send(queue)}")
    rows = []
    for (name, ack), (queue, worker, file) in cells.items():
        with open_once_read(file, SLOW_MACHINE) as feed:
            wait_for_start(django, queue, SLOW_MACHINE)
            if name == "SIGKILL":
                worker.kill_group()  # the children too, as the kernel does for a container
            else:
                worker.signal(getattr(signal, name))
            if name == "SIGTERM":
                worker.wait_for("worker: Warm shutdown", SLOW_MACHINE)
                feed.write(b"abc")
                feed.close()
            code = worker.wait(SLOW_MACHINE)
        state = django(f"sent['{queue}'].state")
        unacked = sum(queue in message for message in redis.hvals("unacked"))
        row = {"signal": name, "ack": ack, "exit": code, "state": state}
        rows.append(row | {"queue": redis.llen(queue), "unacked": unacked})
    record("matrix", rows)
    assert [tuple(row.values()) for row in rows] == [
        ("SIGTERM", "early", 0, "SUCCESS", 0, 0),
        ("SIGTERM", "late", 0, "SUCCESS", 0, 0),
        ("SIGQUIT", "early", 0, "RETRY", 0, 0),
        ("SIGQUIT", "late", 0, "PENDING", 1, 0),
        ("SIGKILL", "early", -9, "PENDING", 0, 0),
        ("SIGKILL", "late", -9, "PENDING", 0, 1),
    ]


@pytest.mark.since("5.6", fails=r"'long', 0, 'RETRY', 1, 0\) != ")
@pytest.mark.since("5.5", fails="waited for 'Initiating Soft Shutdown'")
def test_a_soft_shutdown_finishes_a_short_task_and_requeues_a_long_one(stack, django, redis, record):
    """During a soft shutdown, a task that ends within the timeout succeeds, and the worker still waits for the whole
    timeout. A longer task is requeued.

    Pendant un soft shutdown, une tâche qui se termine dans le délai réussit, et le worker attend quand même tout le
    délai. Une tâche plus longue est remise dans la file.
    """
    rows = []
    for task, given in (("short", 6), ("long", 1)):
        worker = stack.worker("--queues", task, settings={"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": given})
        file = slow_file(stack, f"{task}.txt")
        django(f"result = {send(task)}")
        with open_once_read(file) as feed:
            wait_for_start(django)
            began = time.monotonic()
            worker.signal(signal.SIGQUIT)
            worker.wait_for("Initiating Soft Shutdown")
            if task == "short":
                feed.write(b"abc")
                feed.close()
            code = worker.wait()
        assert time.monotonic() - began >= given
        state = django("result.state")
        row = {"task": task, "exit": code, "state": state}
        rows.append(row | {"queue": redis.llen(task), "unacked": in_flight(redis)})
    record("soft", rows)
    assert [tuple(row.values()) for row in rows] == [("short", 0, "SUCCESS", 0, 0), ("long", 0, "PENDING", 1, 0)]


def test_a_message_on_its_way_to_a_killed_worker_is_lost(stack, django, redis):
    """Redis removes a message from its queue before the worker notes it in `unacked`. When the worker is killed in
    between, the task never runs, with late acknowledgement too.

    Redis retire un message de sa file avant que le worker ne le note dans `unacked`. Si le worker est tué entre-temps,
    la tâche ne s'exécute jamais, même avec l'acquittement tardif.
    """
    worker = stack.worker(settings=LATE)
    while True:  # again when it found the worker between two BRPOP, which wait a second each
        worker.signal(signal.SIGSTOP)
        django("sent = compress.delay('a.txt')")
        if not sum(waiting(redis)):
            break
        worker.signal(signal.SIGCONT)
        django(f"sent.get(timeout={SLOW_MACHINE})", SLOW_MACHINE)
    worker.kill_group()
    stack.worker(settings=LATE)
    assert django(f"compress.delay('a.txt').get(timeout={SLOW_MACHINE})", SLOW_MACHINE) == "a.txt.gz"
    wait_until(lambda: not sum(waiting(redis)))
    assert django("sent.state") == "PENDING"


@soft
def test_the_compose_file_requeues_the_task_and_the_next_worker_reruns_it(stack, django, redis):
    """With the stop signal of `docker-compose.yml`, the worker requeues the task, and the next worker runs it from the
    start. A task that runs several times leaves one file.

    Avec le signal d'arrêt de `docker-compose.yml`, le worker remet la tâche dans la file, et le worker suivant la
    rejoue depuis le début. Une tâche exécutée plusieurs fois ne laisse qu'un fichier.
    """
    stopped = stack.worker(settings={"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 1})
    with running(stack, django):
        stopped.signal(getattr(signal, compose_file(stack)["stop_signal"]))
        stopped.wait_for("Initiating Soft Shutdown")
        stopped.wait()
    assert redis.llen("celery") == 1
    stack.worker()
    finish(stack)
    assert django("result.get(timeout=30)") == "slow.txt.gz"
    assert django("import gzip; gzip.decompress(public_storage.open('slow.txt.gz').read()).decode()") == "abc"
    assert django("[compress.delay('a.txt').get(timeout=30) for _ in range(2)]") == ["a.txt.gz"] * 2
    assert django("sorted(public_storage.listdir('')[1])") == ["a.txt", "a.txt.gz", "slow.txt", "slow.txt.gz"]


def test_the_grace_period_is_longer_than_the_soft_shutdown(stack, django):
    """`stop_grace_period` is at least 10 seconds longer than the soft shutdown timeout, which leaves time to requeue
    messages.

    `stop_grace_period` dure au moins 10 secondes de plus que le délai du soft shutdown, ce qui laisse le temps de
    remettre les messages dans la file.
    """
    grace = int(compose_file(stack)["stop_grace_period"].removesuffix("s"))
    assert grace >= django("from django.conf import settings; settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT") + 10


def test_the_compose_file_matches_that_of_the_whole_stack(stack):
    """This `docker-compose.yml` and that of the whole stack have the same values for the worker.

    Ce `docker-compose.yml` et celui de la stack complète ont les mêmes valeurs pour le worker.
    """
    root = yaml.safe_load((stack.project.root / "docker-compose.yml").read_text())["services"]["worker"]
    shown = compose_file(stack)
    assert shown == {key: root[key] for key in shown}


@soft
def test_a_grace_period_that_is_too_short_leaves_the_message_in_unacked(worker, django, redis, stack):
    """If SIGKILL arrives before the end of the soft shutdown, the message is not requeued. It stays in `unacked`.

    Si SIGKILL arrive avant la fin du soft shutdown, le message n'est pas remis dans la file. Il reste dans `unacked`.
    """
    cut = worker()
    with running(stack, django):
        cut.signal(signal.SIGQUIT)
        cut.wait_for("Initiating Soft Shutdown")
        cut.kill_group()
    assert (redis.llen("celery"), in_flight(redis)) == (0, 1)


def test_an_idle_worker_stops_at_once(worker):
    """A worker that runs no task stops without a soft shutdown.

    Un worker qui n'exécute aucune tâche s'arrête sans soft shutdown.
    """
    idle = worker()
    assert ". core.tasks.ping" in idle.log  # the settings of this recipe keep the other apps
    idle.signal(signal.SIGQUIT)
    idle.wait()
    assert "worker: Cold shutdown" in idle.log
    assert "Initiating Soft Shutdown" not in idle.log


@soft
def test_remap_sigterm_makes_sigterm_do_what_sigquit_does(worker, django, redis, stack):
    """With `REMAP_SIGTERM=SIGQUIT` in the environment of the worker, SIGTERM starts the soft shutdown, and the task is
    requeued.

    Avec `REMAP_SIGTERM=SIGQUIT` dans l'environnement du worker, SIGTERM déclenche le soft shutdown, et la tâche est
    remise dans la file.
    """
    remapped = worker(env={"REMAP_SIGTERM": "SIGQUIT"}, settings={"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 1})
    with running(stack, django):
        remapped.signal(signal.SIGTERM)
        remapped.wait_for("Initiating Soft Shutdown")
        remapped.wait()
    assert (redis.llen("celery"), in_flight(redis)) == (1, 0)


@pytest.mark.since("5.5", fails=r"\(0, 0\) == \(1, 0\)|still running after", down_to="5.3")
def test_a_second_signal_cuts_a_warm_shutdown_short(worker, django, redis, stack):
    """A warm shutdown waits for the running task. A SIGQUIT during this wait ends it, and the message is requeued.

    Un arrêt à chaud (warm shutdown) attend la tâche en cours. Un SIGQUIT pendant cette attente y met fin, et le message
    est remis dans la file.
    """
    waiting = worker(settings=AT_ONCE)
    with running(stack, django):
        waiting.signal(signal.SIGTERM)
        waiting.wait_for("worker: Warm shutdown")
        assert in_flight(redis) == 1
        waiting.signal(signal.SIGQUIT)
        waiting.wait()
    assert (redis.llen("celery"), in_flight(redis)) == (1, 0)


@pytest.mark.parametrize(
    "name",
    [
        "SIGTERM",
        pytest.param("SIGQUIT", marks=pytest.mark.since("5.5", fails=r"\(7, 0\) == \(8, 0\)", down_to="5.3")),
    ],
)
def test_each_task_succeeds_once_across_a_restart(stack, django, redis, name):
    """A worker that stops with SIGTERM or SIGQUIT requeues the tasks that it has reserved. Each of the eight tasks,
    except one that is not due yet, succeeds once, on this worker or on the next.

    Un worker arrêté par SIGTERM ou SIGQUIT remet dans la file les tâches qu'il a réservées. Chacune des huit tâches,
    sauf une qui n'est pas encore échue, réussit une fois, sur ce worker ou sur le suivant.
    """
    first = stack.worker(settings=AT_ONCE)
    file = slow_file(stack, SLOW)
    django("sent = [compress.delay('slow.txt'), compress.apply_async(('a.txt',), countdown=3600)]")
    with open_once_read(file) as feed:
        django("sent += [compress.delay('a.txt') for _ in range(5)]")
        wait_until(lambda: in_flight(redis) == 5)  # the running task, the delayed one, and three more
        wait_for_start(django)
        first.signal(getattr(signal, name))
        first.wait_for("shutdown (MainProcess)")
        django("sent.append(compress.delay('a.txt'))")
        if name == "SIGTERM":
            feed.write(b"abc")
            feed.close()
        first.wait()
    left = 7 if name == "SIGTERM" else 8
    assert (redis.llen("celery"), in_flight(redis)) == (left, 0)
    second = stack.worker()
    if name == "SIGQUIT":
        finish(stack)
    django("[each.get(timeout=30) for each in sent if each is not sent[1]]")
    wait_until(lambda: (redis.llen("celery"), in_flight(redis)) == (0, 1) and succeeded(second) >= left - 1)
    assert (succeeded(first), succeeded(second)) == (8 - left, left - 1)  # one task is not due yet


def test_sigkill_loses_a_task_that_was_acknowledged_early(worker, django, redis, stack):
    """If SIGKILL interrupts a task that was acknowledged early, the task is lost. It is neither in the queue nor in
    `unacked`, and stays PENDING.

    Si SIGKILL interrompt une tâche acquittée tôt, elle est perdue. Elle n'est ni dans la file ni dans `unacked`, et
    reste PENDING.
    """
    assert end_of_an_early_task(worker, django, stack, lambda killed: killed.kill_group()) == "PENDING"
    wait_until(lambda: redis.exists("celery", "unacked") == 0)


@pytest.mark.since("5.5", fails="'(FAILURE|PENDING)' == 'RETRY'")
def test_sigquit_leaves_a_task_that_was_acknowledged_early_in_retry(worker, django, redis, stack):
    """If SIGQUIT interrupts a task that was acknowledged early, the task is lost too. Its state is RETRY, but no worker
    runs it again.

    Si SIGQUIT interrompt une tâche acquittée tôt, elle est perdue aussi. Son état est RETRY, mais aucun worker ne la
    rejoue.
    """
    assert end_of_an_early_task(worker, django, stack, lambda stopped: stopped.signal(signal.SIGQUIT)) == "RETRY"
    wait_until(lambda: redis.exists("celery", "unacked") == 0)


def test_after_sigkill_a_late_task_waits_for_the_visibility_timeout(worker, django, redis, stack):
    """If SIGKILL interrupts a task with late acknowledgement, its message stays in `unacked`. A new worker runs it
    after the visibility timeout, not before.

    Si SIGKILL interrompt une tâche à acquittement tardif, son message reste dans `unacked`. Un nouveau worker l'exécute
    après le délai de visibilité, pas avant.
    """
    killed = worker()
    with running(stack, django):
        killed.kill_group()
    patient = worker(name="patient")
    assert django("compress.delay('a.txt').get(timeout=30)")
    wait_until(lambda: (redis.llen("celery"), in_flight(redis)) == (0, 1))
    patient.stop()
    unlock(redis)
    wait_until(lambda: all_expired(redis))
    worker(name="hurried", settings=FAST)
    finish(stack)
    assert django("result.get(timeout=30)") == "slow.txt.gz"


def test_a_worker_killed_while_it_has_the_lock_stops_every_redelivery(worker, django, redis, stack):
    """A worker that is killed while it redelivers messages leaves the lock `unacked_mutex` in Redis, for 300 seconds by
    default. Until the lock expires, the other workers run new tasks but redeliver nothing. The transport option
    `unacked_mutex_expire` of the killed worker sets another time, in seconds.

    Un worker tué pendant qu'il relivre des messages laisse le verrou `unacked_mutex` dans Redis, pour 300 secondes par
    défaut. Tant que le verrou n'a pas expiré, les autres workers exécutent les nouvelles tâches mais ne relivrent rien.
    L'option de transport `unacked_mutex_expire` du worker tué fixe une autre durée, en secondes.
    """
    killed = worker()
    with running(stack, django):
        killed.kill_group()
    unlock(redis)
    expire(redis)
    kill_with_the_lock(stack, "by-default", {})
    assert 300 - SLOW_MACHINE < redis.ttl("unacked_mutex") <= 300
    blocked = worker(name="blocked", settings=PATIENT)  # it looks for expired messages before it takes any
    assert django("compress.delay('a.txt').get(timeout=30)")
    wait_until(lambda: (redis.llen("celery"), in_flight(redis)) == (0, 1))
    blocked.stop()
    unlock(redis)
    kill_with_the_lock(stack, "shorter", PATIENT)
    wait_until(lambda: not redis.exists("unacked_mutex"))
    worker(name="next", settings=PATIENT)
    finish(stack)
    assert django("result.get(timeout=30)") == "slow.txt.gz"


def test_redis_shows_whether_the_message_was_requeued(worker, django, console, stack, redis):
    """After a stop, two commands show how many messages are in the queue (`celery`) and how many were left in
    `unacked`.

    Après un arrêt, deux commandes montrent combien de messages sont dans la file (`celery`), et combien sont restés
    dans `unacked`.
    """
    killed = worker()
    with running(stack, django):
        django("compress.delay('a.txt')")
        wait_until(lambda: in_flight(redis) == 2)
        killed.kill_group()
    django("compress.delay('a.txt')")
    assert [step.output for step in console("left.console")] == ["(integer) 1", "(integer) 2"]


@contextmanager
def running(stack, django):
    """Send a task and wait until it runs. It does not end within this context."""
    file = slow_file(stack, SLOW)
    django(f"result = compress.delay({SLOW!r})")
    with open_once_read(file):
        wait_for_start(django)
        yield


def kill_with_the_lock(stack, name, settings):
    """Start a worker and kill it while it redelivers a message that has expired."""
    (stack.folder / "stuck.py").write_text(STUCK)
    stuck = stack.worker(name=name, settings=settings | {"CELERY_IMPORTS": ["stuck"]}, wait=False)
    stuck.wait_for("has the lock", SLOW_MACHINE)
    stuck.kill_group()


def finish(stack):
    """Let the task end that the next worker runs again."""
    with open_once_read(stack.folder / "public" / SLOW) as feed:
        feed.write(b"abc")


def end_of_an_early_task(worker, django, stack, end):
    """The state of a task that *end* interrupted, after the next worker has run another task."""
    first = worker(settings=EARLY | AT_ONCE)
    with running(stack, django):
        end(first)
        first.wait()
    worker(name="next", settings=EARLY | FAST)
    assert django("compress.delay('a.txt').get(timeout=30)")
    return django("result.state")


def compose_file(stack):
    """The worker in the docker-compose.yml of the recipe."""
    file = stack.project.recipes / "shutdown" / "docker-compose.yml"
    return yaml.safe_load(file.read_text())["services"]["worker"]


def all_expired(redis):
    """Whether a worker with FAST redelivers all messages when it starts: older releases do not look again soon."""
    limit = FAST["CELERY_BROKER_TRANSPORT_OPTIONS"]["visibility_timeout"]
    return not redis.zcount("unacked_index", time.time() - limit, "inf")


def succeeded(worker):
    return worker.log.count(" succeeded in ")


def waiting(redis):
    """How many messages wait in the queue, and how many in `unacked`, at the same moment."""
    with redis.pipeline() as pipe:
        return pipe.llen("celery").hlen("unacked").execute()


def send(queue):
    """The code that sends the task for the file of *queue*."""
    return f"compress.apply_async(('{queue}.txt',), queue='{queue}')"
