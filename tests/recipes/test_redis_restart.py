import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from situations import FAST, SLOW_MACHINE, held, reader, slow_file, swept_within_seconds

from cookbook.testing import ABSENT, DjangoError, find_project, releases, wait_until

OLDER = releases(find_project(Path(__file__).parent))
CRASH = "Unrecoverable error: AttributeError(\"'NoneType' object has no attribute 'hostname'\")"
ATTEMPTS = 4  # it ends only if it sees one of its two connections cut before the other, which it nearly always does
NOBODY = "redis://127.0.0.1:9"  # the port `discard`: no server of ours listens there
restarts = pytest.mark.parametrize("crash", [False, True], ids=["restart", "crash"])


@pytest.fixture
def django(stack):
    """Django with a file of three bytes, on a Redis that keeps what it holds."""
    stack.start_redis(appendonly="yes")
    return prepared(stack)


@restarts
def test_an_idle_worker_reconnects(worker, django, stack, crash):
    """A worker that holds no message reconnects by itself, and runs the next task.

    Un worker qui ne détient aucun message se reconnecte de lui-même, et exécute la tâche suivante.
    """
    idle = worker()
    assert ". core.tasks.ping" in idle.log
    assert django("fingerprint.delay('a.bin').get(timeout=30)")
    stack.restart_redis(crash=crash)
    idle.wait_for("Connection to broker lost")
    assert django("fingerprint.delay('a.bin').get(timeout=30)")
    assert idle.log.count(" ready.") == 1


# Slow: its countdown of 20 s must not be over before Redis is back, with six workers on it that start side by side.
@pytest.mark.timeout(3 * SLOW_MACHINE)
@swept_within_seconds
def test_what_a_worker_holds_decides_whether_it_survives(stack, django, redis, record):
    """What a worker holds when Redis restarts decides whether it survives; what is left in `unacked` runs, or runs
    again, once another worker takes it after the visibility timeout.

    Ce qu'un worker détient quand Redis redémarre décide de sa survie ; ce qui reste dans `unacked` s'exécute, ou
    s'exécute de nouveau, quand un autre worker l'en reprend après le délai de visibilité.
    """
    for attempt in range(ATTEMPTS):
        rows = hold_over_a_restart(stack, django, redis, attempt)
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
def test_a_worker_that_holds_a_countdown_task_survives_a_restart_of_redis(worker, django, stack, redis):
    """A worker that holds a countdown task survives a restart of Redis.

    Un worker qui détient une tâche à compte à rebours survit à un redémarrage de Redis.
    """
    holder = worker()
    make_the_restart_last(redis)
    survived = []
    for attempt in range(ATTEMPTS):
        django("fingerprint.apply_async(('a.bin',), countdown=3600)")
        wait_until(partial(holds, redis, attempt + 1))
        stack.restart_redis()
        survived.append(not ended(holder, attempt + 1))
        if not survived[-1]:
            break
    assert all(survived)


@pytest.mark.parametrize("release", OLDER)
def test_every_older_release_survives_it(on_celery, release, record):
    """From 5.2 to 5.6 the worker that holds a countdown task reconnects and runs the next task: 5.7.0 is the first to
    end.

    De 5.2 à 5.6, le worker qui détient une tâche à compte à rebours se reconnecte et exécute la tâche suivante : 5.7.0
    est la première à se terminer.
    """
    row = survival(on_celery(release))
    record("releases", [row])
    assert row["celery"].startswith(f"{release}.")
    assert (row["survives"], row["next"]) == (True, "SUCCESS")


def survival(stack):
    """Whether a worker that holds a countdown task survives a restart of Redis, and how the next task ends."""
    stack.start_redis(appendonly="yes")
    holder, django, redis = stack.worker(), prepared(stack), stack.redis()
    django("fingerprint.apply_async(('a.bin',), countdown=3600)")
    wait_until(lambda: held(redis) == 1)
    make_the_restart_last(redis)
    stack.restart_redis()
    wait_until(lambda: holder.log.count("Connected to redis://") == 2 or holder.popen.poll() is not None)
    django = prepared(stack)  # the question is the worker's connection: what sends the next task has a new one
    django(f"result = fingerprint.delay('a.bin'); result.get(timeout={SLOW_MACHINE})", SLOW_MACHINE)
    versions = stack.versions()
    return {
        "celery": versions["celery"],
        "kombu": versions["kombu"],
        "survives": holder.popen.poll() is None,
        "next": django("result.state"),
    }


@pytest.mark.since("5.7", fails="still running after")
def test_celery_5_7_0_ends_with_this_line(worker, django, stack, redis, record):
    """Celery 5.7.0 ends with exit code 1 and this line when Redis restarts while it holds a message.

    Celery 5.7.0 se termine avec le code 1 et cette ligne quand Redis redémarre pendant qu'il détient un message.
    """
    holder = worker()
    make_the_restart_last(redis)
    for attempt in range(ATTEMPTS):
        django("fingerprint.apply_async(('a.bin',), countdown=3600)")
        wait_until(partial(holds, redis, attempt + 1))
        stack.restart_redis()
        if ended(holder, attempt + 1):
            break
    assert holder.wait() == 1
    line = holder.wait_for("CRITICAL")
    level, _, error = line.partition(": ")[2].partition("] ")
    record("line", [{"level": level, "message": error.partition(": ")[0], "error": error.partition(": ")[2]}])
    assert line.endswith(f"CRITICAL/MainProcess] {CRASH}")
    assert held(redis) == attempt + 1


def test_a_cut_connection_alone_does_not_end_it(worker, django, redis):
    """A cut connection alone does not end the worker: if Redis answers at once, the task it held runs, once.

    Une connexion coupée ne suffit pas à terminer le worker : si Redis répond aussitôt, la tâche qu'il détenait
    s'exécute, une fois.
    """
    holder = worker()
    django("fingerprint.apply_async(('a.bin',), countdown=4)")
    wait_until(lambda: held(redis) == 1)
    assert redis.client_kill_filter(_type="normal", skipme=True)
    holder.wait_for("succeeded in")
    wait_until(lambda: held(redis) == 0)
    assert (holder.log.count("succeeded in"), holder.log.count(CRASH)) == (1, 0)


def test_a_worker_started_again_runs_the_queue_and_later_what_was_held(stack, django, redis):
    """Started again, a worker runs the queue at once, and what was held after the visibility timeout: of seven tasks
    sent, each one runs once.

    Relancé, un worker exécute aussitôt la file, et après le délai de visibilité ce qui était détenu : sur sept tâches
    envoyées, chacune s'exécute une fois.
    """
    first = stack.worker()
    django("sent = [fingerprint.apply_async(('a.bin',), countdown=15) for _ in range(3)]")
    due = time.monotonic() + 15
    wait_until(lambda: held(redis) == 3)
    first.kill_group()
    stack.restart_redis()
    django("sent += [fingerprint.delay('a.bin') for _ in range(4)]")
    assert (redis.llen("celery"), held(redis)) == (4, 3)
    second = stack.worker()
    wait_until(lambda: second.log.count("succeeded in") == 4)
    wait_until(lambda: (redis.llen("celery"), held(redis)) == (0, 3))
    second.stop()
    wait_until(lambda: time.monotonic() > due)
    third = stack.worker(settings=FAST)
    wait_until(lambda: third.log.count("succeeded in") == 3 and held(redis) == 0)
    assert [each.log.count("succeeded in") for each in (first, second, third)] == [0, 4, 3]
    assert set(django("[each.state for each in sent]")) == {"SUCCESS"}


def test_the_visibility_timeout_is_longer_than_what_a_reserved_task_may_wait(django):
    """The visibility timeout, half an hour, is longer than the time that a reserved task may wait behind four others,
    each at its limit of 5 minutes.

    Le délai de visibilité, une demi-heure, est plus long que l'attente possible d'une tâche réservée derrière quatre
    autres, chacune à sa limite de 5 minutes.
    """
    assert django("[app.conf.worker_prefetch_multiplier, app.conf.task_time_limit]") == [4, 5 * 60]
    assert django("app.conf.broker_transport_options['visibility_timeout']") == 30 * 60 > 4 * 5 * 60


@pytest.mark.since("5.7", fails=r"Left contains \d+ more items")
def test_delay_tries_again_ten_times_within_seconds(stack):
    """With these retries, `.delay()` tries again ten times: after 0.1 s, then a little later each time, up to 1 s.

    Avec ces réessais, `.delay()` réessaie dix fois : après 0,1 s, puis un peu plus tard chaque fois, jusqu'à 1 s.
    """
    django = stack.django(settings={"CELERY_TASK_IGNORE_RESULT": True}, env={"REDIS_URL": NOBODY})
    django("import kombu.utils.functional as functional; waits = []; functional.sleep = waits.append")
    with pytest.raises(DjangoError):
        django("from redis_restart.tasks import fingerprint; fingerprint.delay('a.bin')")
    assert django("[round(wait, 1) for wait in waits if wait]") == [0.1, 0.3, 0.5, 0.7, 0.9, *[1.0] * 5]


def test_with_aof_the_queue_survives_a_crash_of_redis(worker, django, stack, redis):
    """With `appendonly yes`, a queue survives a crash of Redis: of twenty tasks sent, each one runs once.

    Avec `appendonly yes`, la file survit à un crash de Redis : sur vingt tâches envoyées, chacune s'exécute une fois.
    """
    django("sent = [fingerprint.delay('a.bin') for _ in range(20)]")
    stack.restart_redis(crash=True)
    assert redis.llen("celery") == 20
    after = worker()
    django("[each.get(timeout=30) for each in sent]")
    wait_until(lambda: after.log.count("succeeded in") >= 20 and held(redis) == 0)
    assert after.log.count("succeeded in") == 20


def test_without_aof_a_crash_of_redis_loses_the_queue(stack):
    """Without it, a crash of Redis loses the queue.

    Sans elle, un crash de Redis perd la file.
    """
    if stack.backend == "compose":
        pytest.skip("docker-compose.yml always has the AOF on")
    django = prepared(stack)
    django("[fingerprint.delay('a.bin') for _ in range(20)]")
    assert stack.redis().llen("celery") == 20
    stack.restart_redis(crash=True)
    assert stack.redis().llen("celery") == 0


def test_delay_bridges_a_restart_of_redis(stack, django, redis):
    """With these retries, `.delay()` bridges a restart of Redis: no call raises, and every task sent is in the queue.

    Avec ces réessais, `.delay()` franchit un redémarrage de Redis : aucun appel ne lève d'exception, et toutes les
    tâches envoyées sont dans la file.
    """
    sent, failed = send_over_a_restart(stack, django, redis)
    assert failed == []
    assert {json.loads(message)["headers"]["id"] for message in redis.lrange("celery", 0, -1)} == set(sent)


def test_with_few_retries_delay_raises_and_later_calls_work(stack, django, redis):
    """With fewer retries, `.delay()` raises during the restart; in the same process, the calls that follow it work.

    Avec moins de réessais, `.delay()` lève une exception pendant le redémarrage ; dans le même processus, les appels
    qui le suivent aboutissent.
    """
    few = {"max_retries": 1, "interval_start": 0}
    settings = {
        "CELERY_TASK_PUBLISH_RETRY_POLICY": few,
        "CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS": {"retry_policy": few},
    }
    hasty = stack.django(settings=settings)
    hasty("from redis_restart.tasks import fingerprint")
    _, failed = send_over_a_restart(stack, hasty, redis)
    assert failed


@pytest.mark.since("5.6", fails="'OperationalError' != 'RuntimeError'")
def test_how_long_delay_waits_for_a_redis_that_does_not_come_back(stack, record):
    """If Redis does not come back, `.delay()` blocks for this long, then raises this exception.

    Si Redis ne revient pas, `.delay()` bloque aussi longtemps, puis lève cette exception.
    """
    ignoring: dict[str, object] = {"CELERY_TASK_IGNORE_RESULT": True}
    default = {"CELERY_TASK_PUBLISH_RETRY_POLICY": ABSENT, "CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS": ABSENT}
    cases = [("default", "kept", default), ("default", "ignored", default | ignoring)]
    cases += [("recipe", "kept", {}), ("recipe", "ignored", ignoring)]
    djangos = [stack.django(settings=settings, env={"REDIS_URL": NOBODY}) for _, _, settings in cases]

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
    """After a restart, the first `inspect` of a web process raises `ConnectionError`; the second one works.

    Après un redémarrage, le premier `inspect` d'un processus web lève `ConnectionError` ; le deuxième aboutit.
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
    """A worker that starts before Redis waits for it; with `CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP` at `False` it
    exits with code 1.

    Un worker qui démarre avant Redis l'attend ; avec `CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP` à `False`, il sort
    avec le code 1.
    """
    patient = worker(wait=False, env={"REDIS_URL": NOBODY})
    patient.wait_for("Trying again in")
    hasty = worker(wait=False, env={"REDIS_URL": NOBODY}, settings={"CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": False})
    assert hasty.wait() == 1
    assert patient.popen.poll() is None


def hold_over_a_restart(stack, django, redis, attempt):
    """Restart Redis under six workers that hold different things: what became of each, and of its task."""
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
    make_the_restart_last(redis)
    feeds = []
    for number in (1, 2, 3, 4):
        file = slow_file(stack, f"{attempt}{number}.bin")
        sent = django(f"fingerprint.apply_async(('{attempt}{number}.bin',), queue='q{attempt}{number}').id")
        feeds.append((file, reader(file), sent))
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
    after = stack.worker(
        "--queues", ",".join(f"q{attempt}{number}" for number in range(6)), name=f"next{attempt}", settings=FAST
    )
    if codes.get("running, late ack"):
        with reader(feeds[1][0]) as feed:
            feed.write(b"abc")
    wait_until(lambda: after.log.count("succeeded in") >= len(codes) and held(redis) == 0)
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
    """Whether *worker* ends over the last of these *restarts* of Redis, rather than reconnect."""
    reconnected = "Connected to redis://"
    wait_until(lambda: CRASH in worker.log or worker.log.count(reconnected) == restarts + 1, SLOW_MACHINE)
    return CRASH in worker.log


def make_the_restart_last(redis):
    """Give Redis so much to load that a worker finds it away, however quick the restart and slow the machine."""
    redis.eval("for i = 1, 300000 do redis.call('rpush', 'padding', i) end", 0)


def send_over_a_restart(stack, django, redis):
    """Send tasks before, during and after a restart: the ids of those that left, the errors of the others."""
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
        make_the_restart_last(redis)
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


def holds(redis, count):
    return held(redis) == count
