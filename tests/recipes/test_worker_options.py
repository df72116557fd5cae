import os
import re
from contextlib import contextmanager

import pytest
from kombu.transport.redis import Channel
from situations import SLOW_MACHINE

from cookbook.testing import wait_until

EMPTY = "[]"
WORKER = ["celery", "-A", "core", "worker", "--hostname", "worker1@cookbook", "--loglevel", "INFO"]
NAME = "Task worker_options.tasks.count_products"


@pytest.fixture
def public(stack):
    """The public storage, with an empty catalogue."""
    folder = stack.folder / "public"
    folder.mkdir()
    (folder / "catalogue.json").write_text(EMPTY)
    return folder


@pytest.fixture
def django(stack, public):
    django = stack.django()
    django(
        "import time\n"
        "from core.celery import app\n"
        "from worker_options.tasks import archive, count_products\n"
        "results = {}\n"
    )
    return django


@pytest.fixture
def script(stack):
    """Run worker.sh as a supervisor does, with more flags after it: a shell would run it without its first line too."""
    run_it = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"

    def run(*flags):
        worker = stack.start(
            ["python", "-c", run_it, "worker_options/worker.sh", "--hostname", "worker1@cookbook", *flags]
        )
        stack.wait_ready(worker)
        return worker

    return run


def test_the_script_starts_a_worker_with_these_options(script, django, public, console):
    """The running worker says which tasks and which options it has, and runs the tasks of both queues.

    Le worker en marche dit quelles tâches il connaît, avec quelles options il tourne, et exécute les tâches des deux
    files.
    """
    log = script().log
    assert ". core.tasks.ping" in log
    assert ". worker_options.tasks.archive" in log
    console("options.console")
    (public / "prices.csv").write_text("1,2\n")
    assert django("archive.delay('prices.csv').get(timeout=30)") == "prices.csv.gz"
    assert django("count_products.delay('catalogue.json').get(timeout=30)") == 0


def test_the_hard_limit_of_the_script_is_below_the_visibility_timeout(project):
    """Memory is limited to 200 MB, the soft limit is 29 minutes and the hard one 30: a task that it ends cannot outlive
    the visibility timeout.

    La mémoire est limitée à 200 Mo, la limite souple est de 29 minutes, la dure de 30 : une tâche qu'elle arrête ne
    peut pas durer plus que le délai de visibilité.
    """
    text = (project.recipes / "worker_options/worker.sh").read_text()
    flags = ("--max-memory-per-child", "--soft-time-limit", "--time-limit")
    [memory], [soft], [hard] = (re.findall(rf"{flag} (\d+)", text) for flag in flags)
    assert int(memory) == 200 * 1000  # KiB
    assert (int(soft), int(hard)) == (29 * 60, 30 * 60)
    assert int(hard) < Channel.visibility_timeout


def test_what_the_script_is_given_reaches_the_worker(script, django):
    """A flag given to the script wins over its own; thanks to `exec`, so does a SIGTERM: the worker stops cleanly.

    Une option passée au script l'emporte sur la sienne ; grâce à `exec`, un SIGTERM lui parvient aussi : le worker
    s'arrête proprement.
    """
    worker = script("--concurrency", "1")
    assert len(processes(django)) == 1
    assert worker.stop() == 0
    assert "worker: Warm shutdown" in worker.log


def test_settings_can_say_the_same(stack, django):
    """What these flags set can stand in Django's settings; a flag wins over them.

    Ce que règlent ces options peut figurer dans les réglages de Django ; une option l'emporte sur eux.
    """
    settings = {
        "CELERY_WORKER_CONCURRENCY": 3,
        "CELERY_WORKER_MAX_TASKS_PER_CHILD": 50,
        "CELERY_TASK_SOFT_TIME_LIMIT": 20,
        "CELERY_TASK_TIME_LIMIT": 30,
    }
    stack.wait_ready(stack.start([*WORKER, "--time-limit", "40"], settings))
    [stats] = inspected(django, "stats")
    pool = stats["pool"]
    assert [pool["max-concurrency"], pool["max-tasks-per-child"], pool["timeouts"]] == [3, 50, [20, 40]]


def test_concurrency_is_how_many_tasks_run_at_once(worker, django, public):
    """`--concurrency 3` runs three tasks at once; the fourth waits.

    `--concurrency 3` exécute trois tâches à la fois ; la quatrième attend.
    """
    worker("--queues", "archives", "--concurrency", "3")
    pipes = [slow(public, f"{number}.csv") for number in range(4)]
    django("sent = [archive.delay(f'{number}.csv') for number in range(4)]")
    wait_until(lambda: len(inspected(django, "active")[0]) == 3)
    wait_until(lambda: len(inspected(django, "reserved")[0]) == 1)
    for pipe in pipes:
        pipe.write_bytes(b"abc")
    assert django("[each.get(timeout=30) for each in sent]") == [f"{number}.csv.gz" for number in range(4)]


def test_without_concurrency_there_is_a_process_for_each_processor_of_the_machine(stack, django):
    """Without `--concurrency` the worker starts one process for each processor of the machine, even if it may use one.

    Sans `--concurrency`, le worker lance un processus par processeur de la machine, même s'il n'a droit qu'à un seul.
    """
    confined = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); os.execvp('celery', {argv})"
    stack.wait_ready(stack.start(["python", "-c", confined.format(argv=WORKER)]))
    assert len(processes(django)) == django("import os; os.cpu_count()")


def test_max_tasks_per_child_replaces_the_process(worker, django):
    """With `--max-tasks-per-child 2` a new process comes after every second task.

    Avec `--max-tasks-per-child 2`, un nouveau processus prend la relève toutes les deux tâches.
    """
    worker = worker("--max-tasks-per-child", "2")
    run(django, 5)
    ran = ran_in(worker, 5)
    first, second, third = dict.fromkeys(ran)
    assert ran == [first, first, second, second, third]


def test_fifteen_megabytes_replace_the_process_after_every_task(stack, worker, django, console, record):
    """The 15 MB of `--max-memory-per-child 15000` are less than a worker at rest holds: a new process for each task.

    Les 15 Mo de `--max-memory-per-child 15000` sont moins que ce qu'occupe un worker au repos : un nouveau processus
    pour chaque tâche.
    """
    options = (("--max-memory-per-child", 200_000), ("--max-memory-per-child", 15_000), ("--max-tasks-per-child", 1))
    queues = [f"queue{number}" for number in range(len(options))]
    workers = [
        worker(flag, str(limit), "--queues", queue, name=queue, wait=False, cold=True)
        for (flag, limit), queue in zip(options, queues, strict=True)
    ]
    stack.wait_ready(*workers)
    rows = [
        {
            "option": f"{flag} {limit}",
            "tasks": 4,
            "processes": len(set(ran_in(measured, 4))),
            "seconds": round(seconds, 1),
        }
        for (flag, limit), measured, seconds in zip(options, workers, run(django, 4, *queues), strict=True)
    ]
    record("replaced", rows)
    assert [row["processes"] for row in rows] == [1, 4, 4]
    assert rows[1]["seconds"] > rows[0]["seconds"]
    assert "memory" not in workers[1].log.partition(" ready.")[2]
    workers[0].kill()
    workers[2].kill()
    [resting] = console("resting.console")
    assert int(resting.output.removesuffix("M")) * 1024 > 3 * 15_000


def test_the_memory_limit_is_looked_at_after_the_task(script, django, public):
    """A task that takes more than `--max-memory-per-child 200000` (KiB) still ends: its process is replaced after it.

    Une tâche qui dépasse `--max-memory-per-child 200000` (Kio) va jusqu'au bout : son processus est remplacé ensuite.
    """
    worker = script("--concurrency", "1")
    (public / "large.json").write_text(f'["{"a" * 100_000_000}"]')
    names = ("catalogue", "large", "catalogue")
    counted = f"[count_products.delay(f'{{name}}.json').get(timeout={SLOW_MACHINE}) for name in {names}]"
    assert django(counted, SLOW_MACHINE) == [0, 1, 0]
    first, large, after = ran_in(worker, 3)
    assert first == large != after


def test_the_hard_limit_kills_the_task(worker, django, public):
    """`--time-limit` kills the process: FAILURE, TimeLimitExceeded, a half-written archive; a new process goes on.

    `--time-limit` tue le processus : FAILURE, TimeLimitExceeded, une archive à moitié écrite ; un nouveau processus
    prend la suite.
    """
    worker = worker("--queues", "celery,archives", "--time-limit", "2")
    run(django, 1)
    with started(django, public):
        assert failure(django) == "TimeLimitExceeded"
        worker.wait_for("signal 9 (SIGKILL)")  # the failure is stored first: until then the task could still succeed
    assert (public / "archives.csv.gz").exists()
    run(django, 1)
    first, second = ran_in(worker, 2)
    assert first != second


def test_the_soft_limit_lets_the_task_clean_up(worker, django, public):
    """`--soft-time-limit` raises SoftTimeLimitExceeded in the task, which removes its half-written archive.

    `--soft-time-limit` lève SoftTimeLimitExceeded dans la tâche, qui efface son archive à moitié écrite.
    """
    worker("--queues", "archives", "--soft-time-limit", "2", "--time-limit", "60")
    with started(django, public):
        assert failure(django) == "SoftTimeLimitExceeded"
    assert not (public / "archives.csv.gz").exists()


def test_other_pools_ignore_the_limits(worker, django, public):
    """With `--pool threads` or `--pool solo`, neither limit is enforced: the task goes on, and succeeds.

    Avec `--pool threads` ou `--pool solo`, aucune des deux limites n'est appliquée : la tâche continue, et réussit.
    """
    limits = ("--soft-time-limit", "1", "--time-limit", "2")
    for pool in ("threads", "solo"):
        worker("--queues", pool, "--pool", pool, *limits, name=pool, wait=False)
    witness = worker("--queues", "witness", "--time-limit", "2", name="witness")
    with started(django, public, "threads") as first, started(django, public, "solo") as second:
        with started(django, public, "witness"):
            witness.wait_for("TimeLimitExceeded")  # its task began last, and its limit has passed
        first.write(b"abc")
        second.write(b"abc")
    assert django("[results[pool].get(timeout=30) for pool in ('threads', 'solo')]") == [
        "threads.csv.gz",
        "solo.csv.gz",
    ]


def test_a_queue_that_no_worker_names_waits_in_redis(worker, django, redis, public):
    """Without `--queues` the worker serves `celery` alone: a task sent elsewhere stays in Redis, and nothing says so.

    Sans `--queues`, le worker ne sert que `celery` : une tâche envoyée ailleurs reste dans Redis, sans un mot.
    """
    worker = worker()
    (public / "prices.csv").write_text("1,2\n")
    django("result = archive.delay('prices.csv')")
    run(django, 1)
    assert redis.llen("archives") == 1
    assert django("result.state") == "PENDING"
    assert "archive" not in worker.log.partition(" ready.")[2]


def test_info_writes_each_task_to_the_log(worker, django):
    """`--loglevel INFO` writes a line when a task arrives and one when it succeeds.

    `--loglevel INFO` écrit une ligne à l'arrivée d'une tâche et une à sa réussite.
    """
    worker = worker()
    task = django("result = count_products.delay('catalogue.json'); result.id")
    assert worker.wait_for("succeeded").endswith("s: 0")
    assert worker.wait_for(task).endswith(f"{NAME}[{task}] received")


def test_the_default_log_level_only_tells_of_failures(worker, django):
    """Without `--loglevel INFO`, only failures leave a line.

    Sans `--loglevel INFO`, seuls les échecs laissent une ligne.
    """
    worker = worker("--loglevel", "WARNING", wait=False)
    good = django("result = count_products.delay('catalogue.json'); result.get(timeout=60); result.id")
    bad = django("result = count_products.delay('missing.json'); result.id")
    assert "raised unexpected" in worker.wait_for(bad)
    assert good not in worker.log


def processes(django):
    """The pids of the processes of the one worker."""
    [stats] = inspected(django, "stats")
    return stats["pool"]["processes"]


def inspected(django, what):
    """What the one worker answers, in a list."""
    return django(f"list(app.control.inspect(timeout=30, limit=1).{what}().values())")


def run(django, count, *queues):
    """Send *count* tasks to each of the *queues* at once; the seconds until the last of each was done.

    They have limits of their own: on a busy machine those of the worker end a short task too.
    """
    return django(
        f"sent = time.time(); queues = {queues or ('celery',)}; own = {{'time_limit': 90, 'soft_time_limit': 80}}\n"
        "send = lambda queue: count_products.apply_async(('catalogue.json',), queue=queue, **own)\n"
        f"several = [[send(queue) for _ in range({count})] for queue in queues]\n"
        "[each.get(timeout=90) for results in several for each in results]\n"
        "[max(each.date_done.timestamp() for each in results) - sent for results in several]",
        timeout=120,
    )


def ran_in(worker, count):
    """The name of the process that ran each of *count* tasks, in order, as the log has it."""

    def names():
        return re.findall(r"/(ForkPoolWorker-\d+)\] Task \S+ succeeded", worker.log)

    wait_until(lambda: len(names()) == count)
    return names()


def slow(public, name):
    """A file whose reading waits for us: a named pipe in the storage."""
    os.mkfifo(public / name)
    return public / name


@contextmanager
def started(django, public, queue="archives"):
    """An archiving that has begun and waits for more of its file; at the end the file ends."""
    pipe = slow(public, f"{queue}.csv")
    django(f"results['{queue}'] = archive.apply_async(('{queue}.csv',), queue='{queue}')")
    with pipe.open("wb") as feed:  # opens once the task reads
        wait_until((public / f"{queue}.csv.gz").exists)
        yield feed


def failure(django):
    """The name of the exception that ended the archiving."""
    wait_until(lambda: django("results['archives'].state") == "FAILURE")
    return django("type(results['archives'].result).__name__")
