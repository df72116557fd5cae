import shlex
import time
from operator import itemgetter
from threading import Event, Thread

import pytest
import yaml
from situations import FAST, LATE, SLOW_MACHINE, in_flight, open_once_read, slow_file, wait_for_start

from cookbook.testing import wait_until

PREFETCH = {"CELERY_WORKER_DISABLE_PREFETCH": False}  # Celery's default
ONE = PREFETCH | {"CELERY_WORKER_PREFETCH_MULTIPLIER": 1}
COMPARED = {"four": PREFETCH, "one": ONE, "late": ONE | LATE, "disabled": {}}
LABELS = {
    "four": "multiplier 4",
    "one": "multiplier 1",
    "late": "multiplier 1, acks_late",
    "disabled": "disable_prefetch",
}
WORKERS = ("worker1", "worker2")
SHORT = [str(number) for number in range(1, 9)]
DISK = 0.4  # seconds to read the file of a short task
SALES = "amount\n12.50\n7.50\n"
HOUR = 3600
compared = pytest.mark.since("5.6", gap="before Celery 5.6, some of the compared settings do not exist")


@pytest.fixture
def django(stack):
    """Django with what these proofs call, and small.csv in its storage."""
    public = stack.folder / "public"
    public.mkdir()
    (public / "small.csv").write_text(SALES)
    django = stack.django()
    django(
        "from core.celery import app\n"
        "from core.tasks import ping\n"
        "from prefetch.tasks import delete_export, total\n"
        "def ask(what, *names):\n"
        "    inspect = app.control.inspect([f'{name}@cookbook' for name in names], timeout=30)\n"
        "    return getattr(inspect, what)()\n"
    )
    return django


@pytest.mark.timeout(2 * SLOW_MACHINE)
@compared
def test_short_tasks_behind_a_long_one(stack, django, redis, record):
    """Two workers with one process each are busy, one with task A and one with task B, when eight short tasks arrive.
    Then B ends. With Celery's defaults, four short tasks wait for A while the other worker is idle. With a multiplier
    of 1, one of them waits. With late acknowledgement as well, or without prefetch, none waits.

    Deux workers d'un processus chacun sont occupés, l'un par la tâche A, l'autre par la tâche B, quand huit tâches
    courtes arrivent. Puis B se termine. Avec les valeurs par défaut de Celery, quatre tâches courtes attendent A alors
    que l'autre worker est libre. Avec un multiplicateur de 1, une seule attend. Avec en plus l'acquittement tardif, ou
    sans prefetch, aucune n'attend.
    """
    workers = {
        (queue, name): stack.worker(
            "--queues", f"{queue},{queue}-{name}", name=f"{queue}-{name}", settings=settings, wait=False
        )
        for queue, settings in COMPARED.items()
        for name in WORKERS
    }
    stack.wait_ready(*workers.values())
    ids: dict[str, str] = {}
    times: dict[str, list[float]] = {}
    ends = {"A": Event(), "B": Event()}

    def send(queue, task, to):
        path = f"{queue}/{task}.csv"
        pipe = slow_file(stack, path)
        Thread(target=deliver, args=(pipe, times.setdefault(path, []), ends.get(task)), daemon=True).start()
        ids[path] = django(f"total.apply_async(({path!r},), queue={to!r}).id")

    def of_each(count):
        return [count(queue) for queue in COMPARED]

    def ran(queue, name):
        log = workers[queue, name].log
        return [path for path, each in ids.items() if f"{each}] succeeded" in log]

    for queue in COMPARED:
        send(queue, "A", f"{queue}-worker1")
        send(queue, "B", f"{queue}-worker2")
    wait_until(lambda: all(times.values()), SLOW_MACHINE)
    for queue in COMPARED:
        for task in SHORT:
            send(queue, task, queue)
    wait_until(lambda: of_each(redis.llen) == [0, 6, 8, 8], SLOW_MACHINE)
    wait_until(lambda: of_each(lambda queue: in_flight_of(redis, queue)) == [8, 2, 2, 0], SLOW_MACHINE)
    names = [f"{queue}-{name}" for queue, name in workers]
    stats, reserved = django(f"ask('stats', *{names})"), django(f"ask('reserved', *{names})")
    rows = [
        {
            "setting": LABELS[queue],
            "prefetch_count": stats[f"{queue}-worker1@cookbook"]["prefetch_count"],
            "reserved": sum(len(reserved[f"{queue}-{name}@cookbook"]) for name in WORKERS),
            "unacked": in_flight_of(redis, queue),
            "queue": redis.llen(queue),
        }
        for queue in COMPARED
    ]

    ends["B"].set()
    wait_until(lambda: of_each(lambda queue: len(ran(queue, "worker2"))) == [1 + 4, 1 + 7, 1 + 8, 1 + 8], SLOW_MACHINE)
    ends["A"].set()
    wait_until(lambda: of_each(lambda queue: len(ran(queue, "worker1"))) == [1 + 4, 1 + 1, 1, 1], SLOW_MACHINE)

    for queue, row in zip(COMPARED, rows, strict=True):
        first, a_ended = times[f"{queue}/A.csv"]
        bars = [
            {"lane": name, "start": start - first, "end": end - first, "text": path.split("/")[1].removesuffix(".csv")}
            for name in WORKERS
            for path in ran(queue, name)
            for start, end in [times[path]]
        ]
        record(queue, sorted(bars, key=itemgetter("start")))
        row["waited"] = sum(start >= a_ended for start, _ in (times[f"{queue}/{task}.csv"] for task in SHORT))
    record("held", rows)
    assert [tuple(row.values()) for row in rows] == [
        ("multiplier 4", 4, 8, 8, 0, 4),
        ("multiplier 1", 1, 2, 2, 6, 1),
        ("multiplier 1, acks_late", 1, 0, 2, 8, 0),
        ("disable_prefetch", 4, 0, 0, 8, 0),
    ]


def test_four_messages_for_each_process_and_zero_for_no_limit(stack, django, redis):
    """Of 50 messages, a busy worker with two processes reserves eight, four per process. With a multiplier of 0, a
    worker reserves all 50.

    Sur 50 messages, un worker occupé de deux processus en réserve huit, quatre par processus. Avec un multiplicateur de
    0, un worker réserve les 50.
    """
    stack.worker("--queues", "eight", "--concurrency", "2", name="eight", settings=PREFETCH, wait=False)
    unlimited = PREFETCH | {"CELERY_WORKER_PREFETCH_MULTIPLIER": 0}
    stack.worker("--queues", "all", name="all", settings=unlimited, wait=False)
    for queue, processes in (("eight", 2), ("all", 1)):
        slow_file(stack, f"{queue}.csv")
        django(f"for _ in range({processes}): total.apply_async(('{queue}.csv',), queue={queue!r})")
    wait_until(lambda: redis.exists("eight", "all", "unacked") == 0, SLOW_MACHINE)  # all three tasks run
    for queue in ("eight", "all"):
        django(f"for _ in range(50): total.apply_async(('small.csv',), queue={queue!r})")
    wait_until(lambda: (redis.llen("eight"), redis.llen("all")) == (42, 0), SLOW_MACHINE)
    wait_until(lambda: [in_flight_of(redis, queue) for queue in ("eight", "all")] == [8, 50])
    stats = django("ask('stats', 'eight', 'all')")
    assert [stats[f"{name}@cookbook"]["prefetch_count"] for name in ("eight", "all")] == [8, 0]
    assert redis.llen("eight") == 42


def test_emptying_the_queue_leaves_the_reserved_messages(worker, stack, django, redis, console):
    """`inspect reserved` lists the messages that a worker has reserved, and Redis keeps them in `unacked`. Emptying the
    queue leaves them there, and the worker runs them.

    `inspect reserved` liste les messages qu'un worker a réservés, et Redis les garde dans `unacked`. Vider la file n'y
    touche pas, et le worker les exécute.
    """
    worker(settings=PREFETCH)
    slow = slow_file(stack, "slow.csv")
    django("sent = [total.delay('slow.csv')] + [total.delay('small.csv') for _ in range(6)]")
    with open_once_read(slow) as feed:
        wait_until(lambda: (redis.llen("celery"), in_flight(redis)) == (2, 4))
        reserved, *_ = console("held.console")
        assert reserved.output.count("small.csv") == 4
        assert [step.output for step in console("purge.console")][1:] == ["(integer) 0", "(integer) 4"]
        feed.write(SALES.encode())
    assert django("[each.get(timeout=30) for each in sent[:5]]") == ["20.00"] * 5
    assert django("[each.state for each in sent[5:]]") == ["PENDING", "PENDING"]
    wait_until(lambda: in_flight(redis) == 0)  # the result may arrive before the acknowledgement


def test_a_message_reserved_behind_a_long_task_runs_twice(worker, stack, django, redis):
    """If a reserved message waits behind a long task for longer than the visibility timeout, it is also delivered to
    another worker, and its task runs twice.

    Si un message réservé attend derrière une longue tâche plus longtemps que le délai de visibilité, il est aussi livré
    à un autre worker, et sa tâche s'exécute deux fois.
    """
    first = worker(settings=ONE)  # it reserves one message, and cannot receive the same message again
    slow = slow_file(stack, "slow.csv")
    django("total.delay('slow.csv'); short = total.delay('small.csv')")
    with open_once_read(slow) as feed:
        wait_until(lambda: in_flight(redis) == 1)
        second = worker(name="worker2", settings=PREFETCH | FAST)
        done = f"{django('short.id')}] succeeded"
        second.wait_for(done, SLOW_MACHINE)
        assert done not in first.log
        feed.write(SALES.encode())
    first.wait_for(done)


@compared
def test_a_worker_reserves_delayed_tasks_without_limit(stack, django, redis, record):
    """A worker reserves every delayed task in its queue, even without prefetch. `CELERY_WORKER_ETA_TASK_LIMIT` limits
    this, but then every later task waits, even an ordinary one or a delayed one that is due sooner.

    Un worker réserve toutes les tâches différées de sa file, même sans prefetch. `CELERY_WORKER_ETA_TASK_LIMIT` en
    limite le nombre, mais toute tâche suivante attend alors, même une tâche ordinaire ou une tâche différée à échéance
    plus proche.
    """
    settings = {"none": PREFETCH, "disabled": {}, "limit": PREFETCH | {"CELERY_WORKER_ETA_TASK_LIMIT": 20}}
    for queue, each in settings.items():
        stack.worker("--queues", queue, name=queue, settings=each, wait=False)
        django(f"for _ in range(100): delete_export.apply_async(('{queue}/x',), queue={queue!r}, countdown={HOUR})")
    wait_until(lambda: [in_flight_of(redis, queue) for queue in settings] == [100, 100, 20], SLOW_MACHINE)
    django(
        "sooner, plain = {}, {}\n"
        f"for queue in {[*settings]}:\n"
        "    sooner[queue] = delete_export.apply_async(('small.csv',), queue=queue, countdown=1)\n"
        "    plain[queue] = ping.apply_async(queue=queue)\n"
        "for queue in 'none', 'disabled':\n"
        "    sooner[queue].get(timeout=30), plain[queue].get(timeout=30)\n"
    )
    wait_until(lambda: [in_flight_of(redis, queue) for queue in settings] == [100, 100, 20])
    stats = django(f"ask('stats', *{[*settings]})")
    rows = [
        {
            "setting": label,
            "prefetch_count": stats[f"{queue}@cookbook"]["prefetch_count"],
            "held": in_flight_of(redis, queue),
            "queue": redis.llen(queue),
            "sooner": django(f"sooner[{queue!r}].state"),
            "plain": django(f"plain[{queue!r}].state"),
        }
        for queue, label in zip(settings, ("default", "disable_prefetch", "eta_task_limit 20"), strict=True)
    ]
    record("delayed", rows)
    assert [tuple(row.values()) for row in rows] == [
        ("default", 104, 100, 0, "SUCCESS", "SUCCESS"),
        ("disable_prefetch", 104, 100, 0, "SUCCESS", "SUCCESS"),
        ("eta_task_limit 20", 20, 20, 82, "PENDING", "PENDING"),
    ]


@pytest.mark.since("5.6", fails="assert 8 == 1")
def test_past_the_eta_limit_the_prefetch_count_shrinks_for_good(worker, stack, django, redis):
    """Once a worker has run more delayed tasks than the limit, its prefetch count has dropped to 1 and stays there.
    With late acknowledgement, its two processes then run one task at a time.

    Une fois qu'un worker a exécuté plus de tâches différées que la limite, son prefetch est tombé à 1 et y reste. Avec
    l'acquittement tardif, ses deux processus n'exécutent alors qu'une tâche à la fois.
    """
    worker("--concurrency", "2", settings=PREFETCH | LATE | {"CELERY_WORKER_ETA_TASK_LIMIT": 10})
    assert django("ask('stats', 'worker1')['worker1@cookbook']['prefetch_count']") == 8
    django("for each in [ping.apply_async(countdown=1) for _ in range(20)]: each.get(timeout=30)")
    assert django("ask('stats', 'worker1')['worker1@cookbook']['prefetch_count']") == 1
    slow = [slow_file(stack, "a.csv"), slow_file(stack, "b.csv")]
    django("total.delay('a.csv'); total.delay('b.csv')")
    with open_once_read(slow[0]) as feed:
        wait_for_start(django)
        assert len(django("ask('active', 'worker1')['worker1@cookbook']")) == 1
        assert (redis.llen("celery"), in_flight(redis)) == (1, 1)
        feed.write(SALES.encode())
    open_once_read(slow[1]).close()


def test_a_delayed_task_waits_for_the_worker_that_reserved_it(worker, stack, django):
    """A delayed task stays with the worker that reserved it. If this worker is busy when the task is due, the task
    waits, even if another worker is idle.

    Une tâche différée reste au worker qui l'a réservée. Si celui-ci est occupé à l'échéance, elle attend, même si un
    autre worker est libre.
    """
    worker(settings=PREFETCH)
    slow = slow_file(stack, "slow.csv")
    django("total.delay('slow.csv'); late = ping.apply_async(countdown=1)")
    with open_once_read(slow) as feed:
        wait_for_start(django)
        # It is due, so no longer in `scheduled`.
        wait_until(lambda: django("ask('reserved', 'worker1')['worker1@cookbook']"))
        worker("--queues", "celery,other", name="idle", settings=PREFETCH)
        assert django("ping.apply_async(queue='other').get(timeout=30)") == "pong"
        assert django("late.state") == "PENDING"
        feed.write(SALES.encode())
    assert django("late.get(timeout=30)") == "pong"


def test_delayed_tasks_on_their_own_queue_run_when_due(stack, django):
    """When delayed tasks have their own queue and worker, only this worker reserves them. They run when due, even if
    the other worker is busy.

    Quand les tâches différées ont leur propre file et leur propre worker, seul ce worker les réserve. Elles s'exécutent
    à l'échéance, même si l'autre worker est occupé.
    """
    workers = [
        stack.worker(*flags, "--concurrency", "1", name=name, wait=False) for name, flags in commands(stack).items()
    ]
    stack.wait_ready(*workers)
    slow = slow_file(stack, "slow.csv")
    django(f"for _ in range(30): delete_export.apply_async(('export.csv',), countdown={HOUR})")
    assert django("total.delay('small.csv').get(timeout=30)") == "20.00"
    django("total.delay('slow.csv')")
    with open_once_read(slow):
        django("delete_export.apply_async(('small.csv',), countdown=1).get(timeout=30)")
        assert not (stack.folder / "public/small.csv").exists()
    assert {name: len(tasks) for name, tasks in django("ask('scheduled', 'worker', 'later')").items()} == {
        "worker@cookbook": 0,
        "later@cookbook": 30,
    }


def deliver(pipe, times, end):
    """Be a slow disk: feed one read of *pipe*, until *end* is set or for DISK seconds; *times* gets start and end."""
    with pipe.open("w") as feed:  # opens once a task reads
        times.append(began := time.time())
        wait_until(end.is_set if end else lambda: time.time() >= began + DISK, SLOW_MACHINE)
        feed.write(SALES)
        times.append(time.time())


def in_flight_of(redis, queue):
    """How many messages in flight are of *queue*, or of queues whose names begin with it."""
    return sum(f'"routing_key": "{queue}' in message for message in redis.hvals("unacked"))


def commands(stack):
    """The flags of each worker in the docker-compose.yml of the recipe."""
    services = yaml.safe_load((stack.project.recipes / "prefetch/docker-compose.yml").read_text())["services"]
    return {name: shlex.split(service["command"])[4:] for name, service in services.items()}
