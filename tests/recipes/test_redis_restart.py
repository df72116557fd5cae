import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from situations import (
    PATIENT,
    SLOW_MACHINE,
    expire,
    in_flight,
    open_once_read,
    redelivered_within_seconds,
    slow_file,
    unlock,
)

from cookbook.testing import ABSENT, DjangoError, find_project, releases, wait_until

OLDER = releases(find_project(Path(__file__).parent))
CRASH = "Unrecoverable error: AttributeError(\"'NoneType' object has no attribute 'hostname'\")"
# The worker only exits if it sees one of its two connections cut before the other, which is nearly always so.
ATTEMPTS = 4
NOWHERE = "redis://127.0.0.1:9"  # the port `discard`: no server listens there
restarts = pytest.mark.parametrize("crash", [False, True], ids=["restart", "crash"])


@pytest.fixture
def django(stack):
    """Django with a file of three bytes, on a Redis with AOF."""
    stack.start_redis(appendonly="yes")
    return prepared(stack)


@restarts
def test_an_idle_worker_reconnects(worker, django, stack, crash):
    """A worker with no message in flight reconnects by itself and runs the next task.

    Un worker sans message non acquitté se reconnecte tout seul et exécute la tâche suivante.
    """
    idle = worker()
    assert ". core.tasks.ping" in idle.log  # the settings of this recipe keep the other apps
    assert django("fingerprint.delay('a.bin').get(timeout=30)")
    stack.restart_redis(crash=crash)
    idle.wait_for("Connection to broker lost")
    assert django("fingerprint.delay('a.bin').get(timeout=30)")
    assert idle.log.count(" ready.") == 1


# Slow: its countdown of 20 s must not be over before Redis is back, with six workers on it that start side by side.
@pytest.mark.timeout(3 * SLOW_MACHINE)
@redelivered_within_seconds
def test_what_is_in_flight_decides_whether_a_worker_survives(stack, django, redis, record):
    """The messages that a worker has in flight when Redis restarts decide whether it survives. What is left in
    `unacked` runs, or runs again, after another worker redelivers it once the visibility timeout has passed.

    Les messages qu'un worker n'a pas acquittés quand Redis redémarre décident de sa survie. Ce qui reste dans `unacked`
    s'exécute, ou s'exécute de nouveau, quand un autre worker le relivre après le délai de visibilité.
    """
    for attempt in range(ATTEMPTS):
        rows = restart_under_six_workers(stack, django, redis, attempt)
        if [row["exit"] for row in rows].count(1) == 3:
            break
    record("held", rows)
    assert [tuple(row.values()) for row in rows] == [
        ("nothing", None, 0, 1),
        ("running, early ack", None, 0, 1),
        ("running, late ack", 1, 1, 2),
        ("running, late ack, window full", None, 1, 1),
        ("prefetched", 1, 1, 1),
        ("countdown", 1, 1, 1),
    ]


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="celery 5.7.0: AttributeError … 'hostname'",
)
def test_a_worker_with_a_countdown_task_survives_a_restart_of_redis(worker, django, stack, redis):
    """A worker that has reserved a countdown task survives a restart of Redis.

    Un worker qui a réservé une tâche à compte à rebours survit à un redémarrage de Redis.
    """
    worker = worker()
    slow_down_the_restart(redis)
    survived = []
    for attempt in range(ATTEMPTS):
        django("fingerprint.apply_async(('a.bin',), countdown=3600)")
        wait_until(partial(has_in_flight, redis, attempt + 1))
        stack.restart_redis()
        survived.append(not ended(worker, attempt + 1))
        if not survived[-1]:
            break
    assert all(survived)


@pytest.mark.parametrize("release", OLDER)
def test_every_older_release_survives_a_restart_of_redis(on_celery, release, record):
    """From Celery 5.2 to 5.6, a worker that has reserved a countdown task reconnects and runs the next task. Celery
    5.7.0 is the first release whose worker exits.

    De Celery 5.2 à 5.6, un worker qui a réservé une tâche à compte à rebours se reconnecte et exécute la tâche
    suivante. Celery 5.7.0 est la première version dont le worker s'arrête.
    """
    row = survival(on_celery(release))
    record("releases", [row])
    assert row["celery"].startswith(f"{release}.")
    assert (row["survives"], row["next"]) == (True, "SUCCESS")


def survival(stack):
    """Whether a worker that has reserved a countdown task survives a restart of Redis, and how the next task ends."""
    stack.start_redis(appendonly="yes")
    worker, django, redis = stack.worker(), prepared(stack), stack.redis()
    django("fingerprint.apply_async(('a.bin',), countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    slow_down_the_restart(redis)
    stack.restart_redis()
    wait_until(lambda: worker.log.count("Connected to redis://") == 2 or worker.popen.poll() is not None)
    django = prepared(stack)  # a new connection: this proof is about the connection of the worker
    django(f"result = fingerprint.delay('a.bin'); result.get(timeout={SLOW_MACHINE})", SLOW_MACHINE)
    versions = stack.versions()
    return {
        "celery": versions["celery"],
        "kombu": versions["kombu"],
        "survives": worker.popen.poll() is None,
        "next": django("result.state"),
    }


@pytest.mark.since("5.7", fails="still running after")
def test_celery_5_7_0_exits_with_this_line(worker, django, stack, redis, record):
    """If Redis restarts after a Celery 5.7.0 worker has reserved a countdown task, the worker exits with code 1 and
    logs this line.

    Si Redis redémarre après qu'un worker Celery 5.7.0 a réservé une tâche à compte à rebours, le worker sort avec le
    code 1 et écrit cette ligne dans les logs.
    """
    worker = worker()
    slow_down_the_restart(redis)
    for attempt in range(ATTEMPTS):
        django("fingerprint.apply_async(('a.bin',), countdown=3600)")
        wait_until(partial(has_in_flight, redis, attempt + 1))
        stack.restart_redis()
        if ended(worker, attempt + 1):
            break
    assert worker.wait() == 1
    line = worker.wait_for("CRITICAL")
    level, _, error = line.partition(": ")[2].partition("] ")
    record("line", [{"level": level, "message": error.partition(": ")[0], "error": error.partition(": ")[2]}])
    assert line.endswith(f"CRITICAL/MainProcess] {CRASH}")
    assert in_flight(redis) == attempt + 1


def test_a_cut_connection_alone_does_not_stop_the_worker(worker, django, redis):
    """A cut connection alone does not stop the worker. If Redis answers at once, the task that the worker had reserved
    runs once.

    Une connexion coupée ne suffit pas à arrêter le worker. Si Redis répond aussitôt, la tâche qu'il avait réservée
    s'exécute une fois.
    """
    worker = worker()
    django("fingerprint.apply_async(('a.bin',), countdown=4)")
    wait_until(lambda: in_flight(redis) == 1)
    assert redis.client_kill_filter(_type="normal", skipme=True)
    worker.wait_for("succeeded in")
    wait_until(lambda: in_flight(redis) == 0)
    assert (worker.log.count("succeeded in"), worker.log.count(CRASH)) == (1, 0)


def test_a_restarted_worker_runs_the_queue_at_once_and_unacked_later(stack, django, redis):
    """A worker that is started again runs the queue at once. The messages in `unacked` run after the visibility
    timeout. Each of the seven tasks sent runs once.

    Un worker relancé exécute aussitôt la file. Les messages dans `unacked` s'exécutent après le délai de visibilité.
    Chacune des sept tâches envoyées s'exécute une fois.
    """
    first = stack.worker()
    django("sent = [fingerprint.apply_async(('a.bin',), countdown=15) for _ in range(3)]")
    due = time.monotonic() + 15
    wait_until(lambda: in_flight(redis) == 3)
    first.kill_group()
    unlock(redis)
    stack.restart_redis()
    django("sent += [fingerprint.delay('a.bin') for _ in range(4)]")
    assert (redis.llen("celery"), in_flight(redis)) == (4, 3)
    second = stack.worker()
    wait_until(lambda: second.log.count("succeeded in") == 4)
    wait_until(lambda: (redis.llen("celery"), in_flight(redis)) == (0, 3))
    second.stop()
    wait_until(lambda: time.monotonic() > due)
    expire(redis)
    third = stack.worker(settings=PATIENT)
    wait_until(lambda: third.log.count("succeeded in") == 3 and in_flight(redis) == 0)
    assert [each.log.count("succeeded in") for each in (first, second, third)] == [0, 4, 3]
    assert set(django("[each.state for each in sent]")) == {"SUCCESS"}


def test_the_visibility_timeout_is_longer_than_a_reserved_task_can_wait(django):
    """The visibility timeout is 30 minutes. This is longer than a reserved task can wait behind four others, each with
    a time limit of 5 minutes.

    Le délai de visibilité est de 30 minutes. C'est plus que l'attente possible d'une tâche réservée derrière quatre
    autres, chacune limitée à 5 minutes.
    """
    assert django("[app.conf.worker_prefetch_multiplier, app.conf.task_time_limit]") == [4, 5 * 60]
    assert django("app.conf.broker_transport_options['visibility_timeout']") == 30 * 60 > 4 * 5 * 60


@pytest.mark.since("5.7", fails=r"Left contains \d+ more items")
def test_delay_tries_again_ten_times_within_seconds(stack):
    """With these retries, `.delay()` tries again ten times. It waits 0.1 s before the first retry, then 0.2 s more each
    time, up to 1 s.

    Avec ces réessais, `.delay()` réessaie dix fois. Il attend 0,1 s avant le premier, puis 0,2 s de plus à chaque fois,
    jusqu'à 1 s.
    """
    django = stack.django(settings={"CELERY_TASK_IGNORE_RESULT": True}, env={"REDIS_URL": NOWHERE})
    django("import kombu.utils.functional as functional; waits = []; functional.sleep = waits.append")
    with pytest.raises(DjangoError):
        django("from redis_restart.tasks import fingerprint; fingerprint.delay('a.bin')")
    assert django("[round(wait, 1) for wait in waits if wait]") == [0.1, 0.3, 0.5, 0.7, 0.9, *[1.0] * 5]


def test_with_aof_the_queue_survives_a_crash_of_redis(worker, django, stack, redis):
    """With `appendonly yes`, the queue survives a crash of Redis: the 20 tasks sent before it run once each.

    Avec `appendonly yes`, la file survit à un crash de Redis : les 20 tâches envoyées avant s'exécutent une fois
    chacune.
    """
    django("sent = [fingerprint.delay('a.bin') for _ in range(20)]")
    stack.restart_redis(crash=True)
    assert redis.llen("celery") == 20
    after = worker()
    django("[each.get(timeout=30) for each in sent]")
    wait_until(lambda: after.log.count("succeeded in") >= 20 and in_flight(redis) == 0)
    assert after.log.count("succeeded in") == 20


def test_without_aof_a_crash_of_redis_loses_the_queue(stack):
    """Without AOF, a crash of Redis loses the queue.

    Sans AOF, un crash de Redis fait perdre la file.
    """
    if stack.backend == "compose":
        pytest.skip("docker-compose.yml always enables AOF")
    django = prepared(stack)
    django("[fingerprint.delay('a.bin') for _ in range(20)]")
    assert stack.redis().llen("celery") == 20
    stack.restart_redis(crash=True)
    assert stack.redis().llen("celery") == 0


def test_delay_survives_a_restart_of_redis(stack, django, redis):
    """With these retries, `.delay()` survives a restart of Redis: no call raises an exception, and every task sent is
    in the queue.

    Avec ces réessais, `.delay()` survit à un redémarrage de Redis : aucun appel ne lève d'exception, et toutes les
    tâches envoyées sont dans la file.
    """
    sent, failed = send_across_a_restart(stack, django, redis)
    assert failed == []
    assert {json.loads(message)["headers"]["id"] for message in redis.lrange("celery", 0, -1)} == set(sent)


def test_with_few_retries_delay_raises_and_later_calls_work(stack, django, redis):
    """With fewer retries, `.delay()` raises an exception during the restart. Later calls in the same process work.

    Avec moins de réessais, `.delay()` lève une exception pendant le redémarrage. Les appels suivants, dans le même
    processus, réussissent.
    """
    few = {"max_retries": 1, "interval_start": 0}
    settings = {
        "CELERY_TASK_PUBLISH_RETRY_POLICY": few,
        "CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS": {"retry_policy": few},
    }
    hasty = stack.django(settings=settings)
    hasty("from redis_restart.tasks import fingerprint")
    _, failed = send_across_a_restart(stack, hasty, redis)
    assert failed


@pytest.mark.since("5.6", fails="'OperationalError' != 'RuntimeError'")
def test_how_long_delay_waits_for_a_redis_that_does_not_come_back(stack, record):
    """If Redis does not come back, `.delay()` blocks for as long as the table shows, then raises the exception in the
    table.

    Si Redis ne revient pas, `.delay()` bloque pendant la durée indiquée dans le tableau, puis lève l'exception
    indiquée.
    """
    ignoring: dict[str, object] = {"CELERY_TASK_IGNORE_RESULT": True}
    default = {"CELERY_TASK_PUBLISH_RETRY_POLICY": ABSENT, "CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS": ABSENT}
    cases = [("default", "kept", default), ("default", "ignored", default | ignoring)]
    cases += [("recipe", "kept", {}), ("recipe", "ignored", ignoring)]
    djangos = [stack.django(settings=settings, env={"REDIS_URL": NOWHERE}) for _, _, settings in cases]

    def wait_in_vain(django, case):
        django("from redis_restart.tasks import fingerprint")
        retries, result, _ = case
        began = time.monotonic()
        with pytest.raises(DjangoError) as failure:
            django("fingerprint.delay('a.bin')", SLOW_MACHINE)
        seconds = round(time.monotonic() - began, 1)
        return {"retries": retries, "result": result, "seconds": seconds, "error": failure.value.name}

    with ThreadPoolExecutor(len(cases)) as pool:
        rows = list(pool.map(wait_in_vain, djangos, cases))
    record("outage", rows)
    assert [row["error"] for row in rows] == ["RuntimeError", "OperationalError"] * 2
    default_kept, default_ignored, kept, ignored = (row["seconds"] for row in rows)
    assert default_kept > 1.5 * kept
    assert ignored > 1.5 * default_ignored


def test_the_first_inspect_after_a_restart_raises(worker, django, stack):
    """After a restart of Redis, the first `inspect` in a web process raises `ConnectionError`. The next one works.

    Après un redémarrage de Redis, le premier `inspect` d'un processus web lève `ConnectionError`. Le suivant
    fonctionne.
    """
    idle = worker()
    assert django("app.control.inspect(timeout=30, limit=1).ping()")
    before = len(idle.lines)
    stack.restart_redis()
    idle.wait_for("Connected to redis://", start=before)
    with pytest.raises(DjangoError) as failure:
        django("app.control.inspect().ping()")
    assert failure.value.name == "ConnectionError"
    assert wait_until(lambda: django("app.control.inspect().ping()"))


@pytest.mark.since("5.3", fails="still running after")
def test_a_worker_that_starts_before_redis_waits_for_it(worker):
    """A worker that starts before Redis waits for it. With `CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = False`, it
    exits with code 1.

    Un worker qui démarre avant Redis l'attend. Avec `CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = False`, il sort avec
    le code 1.
    """
    patient = worker(wait=False, env={"REDIS_URL": NOWHERE})
    patient.wait_for("Trying again in")
    hasty = worker(
        wait=False, env={"REDIS_URL": NOWHERE}, settings={"CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": False}
    )
    assert hasty.wait() == 1
    assert patient.popen.poll() is None


def restart_under_six_workers(stack, django, redis, attempt):
    """Restart Redis while six workers have different messages in flight; what happens to each worker and its task."""
    late = {"CELERY_TASK_ACKS_LATE": True}
    cases = {
        "nothing": None,
        "running, early ack": None,
        "running, late ack": late,
        "running, late ack, window full": late | {"CELERY_WORKER_PREFETCH_MULTIPLIER": 1},
        "prefetched": None,
        "countdown": None,
    }
    workers = {}
    for number, (case, settings) in enumerate(cases.items()):
        workers[case] = stack.worker(
            "--queues", f"q{attempt}{number}", name=f"w{attempt}{number}", settings=settings, wait=False
        )
    stack.wait_ready(*workers.values())
    slow_down_the_restart(redis)
    feeds = []
    for number in (1, 2, 3, 4):
        file = slow_file(stack, f"{attempt}{number}.bin")
        sent = django(f"fingerprint.apply_async(('{attempt}{number}.bin',), queue='q{attempt}{number}').id")
        feeds.append((file, open_once_read(file), sent))
    ids = [None, *(sent for _, _, sent in feeds[:3])]
    ids.append(django(f"fingerprint.apply_async(('a.bin',), queue='q{attempt}4').id"))
    ids.append(django(f"fingerprint.apply_async(('a.bin',), queue='q{attempt}5', countdown=20).id"))
    due = time.monotonic() + 20
    wait_until(lambda: {json.loads(message)[0]["headers"]["id"] for message in redis.hvals("unacked")} == {*ids[2:]})
    stack.restart_redis()
    assert time.monotonic() < due
    ids[0] = django(f"fingerprint.apply_async(('a.bin',), queue='q{attempt}0').id")
    doomed = [case for case, each in workers.items() if ended(each)]
    workers["nothing"].wait_for("succeeded in", SLOW_MACHINE)
    left = redis.hvals("unacked")
    for _, feed, _ in feeds:
        feed.write(b"abc")
        feed.close()
    codes = {case: workers[case].wait() for case in doomed}
    wait_until(lambda: time.monotonic() > due)
    unlock(redis)  # Redis may have restarted in the moment when a worker had the lock
    wait_until(lambda: in_flight(redis) == len(codes), SLOW_MACHINE)  # the survivors acknowledge theirs
    expire(redis)
    after = stack.worker(
        "--queues", ",".join(f"q{attempt}{number}" for number in range(6)), name=f"next{attempt}", settings=PATIENT
    )
    if codes.get("running, late ack"):
        with open_once_read(feeds[1][0]) as feed:
            feed.write(b"abc")
    wait_until(lambda: after.log.count("succeeded in") >= len(codes) and in_flight(redis) == 0)
    return [
        {
            "holds": case,
            "exit": codes.get(case),
            "unacked": sum(task in message for message in left),
            "runs": sum(each.log.count(f"[{task}] succeeded in") for each in stack.processes),
        }
        for case, task in zip(cases, ids, strict=True)
    ]


def ended(worker, restarts=1):
    """Whether *worker* exits after the last of *restarts* restarts of Redis, instead of reconnecting."""
    reconnected = "Connected to redis://"
    wait_until(lambda: CRASH in worker.log or worker.log.count(reconnected) == restarts + 1, SLOW_MACHINE)
    return CRASH in worker.log


def slow_down_the_restart(redis):
    """Give Redis so much data to load that each worker sees it unavailable, even on a slow machine."""
    redis.eval("for i = 1, 300000 do redis.call('rpush', 'padding', i) end", 0)


def send_across_a_restart(stack, django, redis):
    """Send tasks before, during and after a restart: the ids of those sent, the names of the errors of the others."""
    done = stack.folder / "done"
    source = f"""
import os.path
sent, failed = [], []
while not os.path.exists({str(done)!r}):
    try:
        sent.append(fingerprint.delay('a.bin').id)
    except Exception as error:
        failed.append(type(error).__name__)
"""
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(django, source, SLOW_MACHINE)
        wait_until(lambda: redis.llen("celery") >= 10)
        slow_down_the_restart(redis)
        stack.restart_redis()
        before = redis.llen("celery")
        wait_until(lambda: redis.llen("celery") >= before + 10)
        done.touch()
        sending.result()
    return django("sent"), django("failed")


def prepared(stack, **options):
    """A Django process with a file of three bytes in its storage."""
    django = stack.django(**options)
    django(
        "from core.celery import app\n"
        "from django.core.files.base import ContentFile\n"
        "from core.storages import public_storage\n"
        "from redis_restart.tasks import fingerprint\n"
        "public_storage.save('a.bin', ContentFile(b'abc'))\n"
    )
    return django


def has_in_flight(redis, count):
    return in_flight(redis) == count
