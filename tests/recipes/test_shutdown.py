import signal
import time
from contextlib import contextmanager

import pytest
import yaml
from situations import EARLY, FAST, SLOW_MACHINE, accepted, django_with_file, held, reader, slow_file

from cookbook.testing import wait_until

AT_ONCE = {"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 0}
SLOW = "slow.txt"

soft = pytest.mark.since("5.5", fails="waited for 'Initiating Soft Shutdown'")


@pytest.fixture
def django(stack):
    """Django with a file to compress, and a worker's storage in which others wait for the test."""
    return django_with_file(stack, "a.txt", "from shutdown.tasks import compress")


@pytest.mark.timeout(2 * SLOW_MACHINE)
@pytest.mark.since("5.6", fails=r"'SIGQUIT', '(early|late)', 0, '(RETRY|PENDING|FAILURE)', [01], 0\) != ")
def test_what_becomes_of_a_running_task(stack, django, redis, record):
    """For a task that was running when the signal came, this is what is left once the worker is gone.

    Pour une tâche qui s'exécutait à l'arrivée du signal, voici ce qui reste une fois le worker parti.
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
        with reader(file, SLOW_MACHINE) as feed:
            accepted(django, queue, SLOW_MACHINE)
            if name == "SIGKILL":
                worker.kill_group()  # as the kernel does for a container: the children too
            else:
                worker.signal(getattr(signal, name))
            if name == "SIGTERM":
                worker.wait_for("worker: Warm shutdown", SLOW_MACHINE)
                feed.write(b"abc")
                feed.close()
            code = worker.wait(SLOW_MACHINE)
        state = django(f"sent['{queue}'].state")
        held = sum(queue in message for message in redis.hvals("unacked"))
        row = {"signal": name, "ack": ack, "exit": code, "state": state}
        rows.append(row | {"queue": redis.llen(queue), "unacked": held})
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
def test_a_soft_shutdown_ends_the_short_task_and_gives_back_the_long_one(stack, django, redis, record):
    """With the soft shutdown, a task that ends within the time given ends, and the worker still waits that time out;
    a longer task goes back to its queue.

    Avec l'arrêt progressif, une tâche qui finit dans le temps accordé se termine, et le worker attend quand même tout
    ce temps ; une tâche plus longue retourne dans sa file.
    """
    rows = []
    for task, given in (("short", 6), ("long", 1)):
        worker = stack.worker("--queues", task, settings={"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": given})
        file = slow_file(stack, f"{task}.txt")
        django(f"result = {send(task)}")
        with reader(file) as feed:
            accepted(django)
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
        rows.append(row | {"queue": redis.llen(task), "unacked": held(redis)})
    record("soft", rows)
    assert [tuple(row.values()) for row in rows] == [("short", 0, "SUCCESS", 0, 0), ("long", 0, "PENDING", 1, 0)]


@soft
def test_the_compose_file_gives_the_task_back_and_the_next_worker_starts_it_over(stack, django, redis):
    """The signal of `docker-compose.yml` gives the task back, and the next worker starts it over; run several times,
    the task leaves one file.

    Le signal de `docker-compose.yml` rend la tâche à la file, et le worker suivant la reprend du début ; exécutée
    plusieurs fois, la tâche ne laisse qu'un fichier.
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
    """`stop_grace_period` leaves the soft shutdown all its time, and some more to give the messages back.

    `stop_grace_period` laisse à l'arrêt progressif tout son temps, et un peu plus pour rendre les messages.
    """
    grace = int(compose_file(stack)["stop_grace_period"].removesuffix("s"))
    assert grace >= django("from django.conf import settings; settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT") + 10


def test_the_compose_file_says_what_the_stack_says(stack):
    """What this `docker-compose.yml` says of the worker, that of the whole stack says too.

    Ce que ce `docker-compose.yml` dit du worker, celui de la pile entière le dit aussi.
    """
    root = yaml.safe_load((stack.project.root / "docker-compose.yml").read_text())["services"]["worker"]
    shown = compose_file(stack)
    assert shown == {key: root[key] for key in shown}


@soft
def test_a_grace_period_that_is_too_short_leaves_the_message_in_unacked(worker, django, redis, stack):
    """If SIGKILL comes before the end of the soft shutdown, the message is not given back: it stays in `unacked`.

    Si SIGKILL arrive avant la fin de l'arrêt progressif, le message n'est pas rendu : il reste dans `unacked`.
    """
    cut = worker()
    with running(stack, django):
        cut.signal(signal.SIGQUIT)
        cut.wait_for("Initiating Soft Shutdown")
        cut.kill_group()
    assert (redis.llen("celery"), held(redis)) == (0, 1)


def test_an_idle_worker_stops_at_once(worker):
    """A worker that runs nothing stops at once, whatever the time of the soft shutdown.

    Un worker qui n'exécute rien s'arrête aussitôt, quelle que soit la durée de l'arrêt progressif.
    """
    idle = worker()
    assert ". core.tasks.ping" in idle.log
    idle.signal(signal.SIGQUIT)
    idle.wait()
    assert "worker: Cold shutdown" in idle.log
    assert "Initiating Soft Shutdown" not in idle.log


@soft
def test_remap_sigterm_makes_sigterm_do_what_sigquit_does(worker, django, redis, stack):
    """With `REMAP_SIGTERM=SIGQUIT` in the worker's environment, SIGTERM starts the soft shutdown.

    Avec `REMAP_SIGTERM=SIGQUIT` dans l'environnement du worker, SIGTERM déclenche l'arrêt progressif.
    """
    remapped = worker(env={"REMAP_SIGTERM": "SIGQUIT"}, settings={"CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 1})
    with running(stack, django):
        remapped.signal(signal.SIGTERM)
        remapped.wait_for("Initiating Soft Shutdown")
        remapped.wait()
    assert (redis.llen("celery"), held(redis)) == (1, 0)


@pytest.mark.since("5.5", fails=r"\(0, 0\) == \(1, 0\)|still running after", down_to="5.3")
def test_a_second_signal_cuts_a_warm_shutdown_short(worker, django, redis, stack):
    """A warm shutdown waits for the task without limit; SIGQUIT cuts it short, and the message goes back to the queue.

    Un arrêt à chaud attend la tâche sans limite ; SIGQUIT l'abrège, et le message retourne dans la file.
    """
    waiting = worker(settings=AT_ONCE)
    with running(stack, django):
        waiting.signal(signal.SIGTERM)
        waiting.wait_for("worker: Warm shutdown")
        assert held(redis) == 1
        waiting.signal(signal.SIGQUIT)
        waiting.wait()
    assert (redis.llen("celery"), held(redis)) == (1, 0)


@pytest.mark.parametrize(
    "name",
    [
        "SIGTERM",
        pytest.param("SIGQUIT", marks=pytest.mark.since("5.5", fails=r"\(7, 0\) == \(8, 0\)", down_to="5.3")),
    ],
)
def test_each_task_runs_once_over_a_restart(stack, django, redis, name):
    """What a worker had reserved goes back to the queue, with SIGTERM as with SIGQUIT: of eight tasks sent, each one
    succeeds once, on one worker or on the next.

    Ce qu'un worker avait réservé retourne dans la file, avec SIGTERM comme avec SIGQUIT : sur huit tâches envoyées,
    chacune réussit une fois, sur un worker ou sur le suivant.
    """
    first = stack.worker(settings=AT_ONCE)
    file = slow_file(stack, SLOW)
    django("sent = [compress.delay('slow.txt'), compress.apply_async(('a.txt',), countdown=3600)]")
    with reader(file) as feed:
        django("sent += [compress.delay('a.txt') for _ in range(5)]")
        wait_until(lambda: held(redis) == 5)  # the one that runs, the one that waits for its time, and three more
        accepted(django)
        first.signal(getattr(signal, name))
        first.wait_for("shutdown (MainProcess)")
        django("sent.append(compress.delay('a.txt'))")
        if name == "SIGTERM":
            feed.write(b"abc")
            feed.close()
        first.wait()
    left = 7 if name == "SIGTERM" else 8
    assert (redis.llen("celery"), held(redis)) == (left, 0)
    second = stack.worker()
    if name == "SIGQUIT":
        finish(stack)
    django("[each.get(timeout=30) for each in sent if each is not sent[1]]")
    wait_until(lambda: (redis.llen("celery"), held(redis)) == (0, 1) and succeeded(second) >= left - 1)
    assert (succeeded(first), succeeded(second)) == (8 - left, left - 1)  # one still waits for its time


def test_sigkill_loses_a_task_that_was_acknowledged_early(worker, django, redis, stack):
    """Acknowledged early, a task that SIGKILL cut is lost: nothing is left of it in Redis, and it stays PENDING.

    Acquittée tôt, une tâche coupée par SIGKILL est perdue : il n'en reste rien dans Redis, et elle reste PENDING.
    """
    assert end_of_an_early_task(worker, django, stack, lambda killed: killed.kill_group()) == "PENDING"
    wait_until(lambda: redis.exists("celery", "unacked") == 0)


@pytest.mark.since("5.5", fails="'(FAILURE|PENDING)' == 'RETRY'")
def test_sigquit_leaves_a_task_that_was_acknowledged_early_in_retry(worker, django, redis, stack):
    """Acknowledged early, a task that SIGQUIT cut is lost as well, and its state says RETRY, which nobody will do.

    Acquittée tôt, une tâche coupée par SIGQUIT est perdue aussi, et son état annonce un RETRY que personne ne fera.
    """
    assert end_of_an_early_task(worker, django, stack, lambda stopped: stopped.signal(signal.SIGQUIT)) == "RETRY"
    wait_until(lambda: redis.exists("celery", "unacked") == 0)


def test_after_sigkill_a_late_task_waits_for_the_visibility_timeout(worker, django, redis, stack):
    """Acknowledged late, a task that SIGKILL cut waits in `unacked`: a new worker runs it once the visibility timeout
    has passed, not before.

    Acquittée tard, une tâche coupée par SIGKILL attend dans `unacked` : un nouveau worker ne l'exécute qu'une fois
    passé le délai de visibilité.
    """
    killed = worker()
    with running(stack, django):
        killed.kill_group()
    patient = worker(name="patient")
    assert django("compress.delay('a.txt').get(timeout=30)")
    wait_until(lambda: (redis.llen("celery"), held(redis)) == (0, 1))
    patient.stop()
    wait_until(lambda: too_long_held(redis))
    worker(name="hurried", settings=FAST)
    finish(stack)
    assert django("result.get(timeout=30)") == "slow.txt.gz"


def test_where_the_message_is_shows_in_redis(worker, django, console, stack, redis):
    """After a stop, two commands tell whether the message was given back (`celery`) or left behind (`unacked`).

    Après un arrêt, deux commandes disent si le message a été rendu (`celery`) ou abandonné (`unacked`).
    """
    killed = worker()
    with running(stack, django):
        django("compress.delay('a.txt')")
        wait_until(lambda: held(redis) == 2)
        killed.kill_group()
    django("compress.delay('a.txt')")
    assert [step.output for step in console("left.console")] == ["(integer) 1", "(integer) 2"]


@contextmanager
def running(stack, django):
    """Send a task and wait until it runs: it goes on until `finish`."""
    file = slow_file(stack, SLOW)
    django(f"result = compress.delay({SLOW!r})")
    with reader(file):
        accepted(django)
        yield


def finish(stack):
    """Let the task end that a next worker has taken up again."""
    with reader(stack.folder / "public" / SLOW) as feed:
        feed.write(b"abc")


def end_of_an_early_task(worker, django, stack, end):
    """The state of a task that *end* cut, once a next worker has run all that it found."""
    first = worker(settings=EARLY | AT_ONCE)
    with running(stack, django):
        end(first)
        first.wait()
    worker(name="next", settings=EARLY | FAST)
    assert django("compress.delay('a.txt').get(timeout=30)")
    return django("result.state")


def compose_file(stack):
    """What the recipe's docker-compose.yml says of the worker."""
    file = stack.project.recipes / "shutdown" / "docker-compose.yml"
    return yaml.safe_load(file.read_text())["services"]["worker"]


def too_long_held(redis):
    """Whether a worker with FAST gives all that is held back as it starts: older Celery looks no second time."""
    limit = FAST["CELERY_BROKER_TRANSPORT_OPTIONS"]["visibility_timeout"]
    return not redis.zcount("unacked_index", time.time() - limit, "inf")


def succeeded(worker):
    return worker.log.count(" succeeded in ")


def send(queue):
    """The source that sends the task on the file of *queue*."""
    return f"compress.apply_async(('{queue}.txt',), queue='{queue}')"
