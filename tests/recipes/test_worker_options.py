import re
from contextlib import contextmanager

import pytest
from kombu.transport.redis import Channel
from situations import SLOW_MACHINE, slow_file

from cookbook.testing import wait_until

EMPTY = "[]"
WORKER = ["celery", "-A", "core", "worker", "--hostname", "worker1@cookbook", "--loglevel", "INFO"]
NAME = "Task worker_options.tasks.count_products"


@pytest.fixture
def public(stack):
    """The public storage, with an empty catalog."""
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
    """Run worker.sh with more flags, as a supervisor does: by `exec`, which needs its first line, unlike a shell."""
    run_it = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])"

    def run(*flags):
        worker = stack.start(
            ["python", "-c", run_it, "worker_options/worker.sh", "--hostname", "worker1@cookbook", *flags]
        )
        stack.wait_ready(worker)
        return worker

    return run


def test_the_script_starts_a_worker_with_these_options(script, django, public, console):
    """The running worker reports its tasks and its options, and runs the tasks of both queues.

    Le worker en marche indique ses tâches et ses options, et exécute les tâches des deux files.
    """
    log = script().log
    assert ". core.tasks.ping" in log
    assert ". worker_options.tasks.archive" in log
    console("options.console")
    (public / "prices.csv").write_text("1,2\n")
    assert django("archive.delay('prices.csv').get(timeout=30)") == "prices.csv.gz"
    assert django("count_products.delay('catalogue.json').get(timeout=30)") == 0


def test_the_hard_limit_of_the_script_is_below_the_visibility_timeout(project):
    """The script limits memory to 200 MB, the soft limit is 29 minutes and the hard limit 30 minutes. The hard limit is
    below the default visibility timeout.

    Le script limite la mémoire à 200 Mo, la limite souple est de 29 minutes et la limite dure de 30 minutes. La limite
    dure est inférieure au délai de visibilité par défaut.
    """
    text = (project.recipes / "worker_options/worker.sh").read_text()
    flags = ("--max-memory-per-child", "--soft-time-limit", "--time-limit")
    [memory], [soft], [hard] = (re.findall(rf"{flag} (\d+)", text) for flag in flags)
    assert int(memory) == 200 * 1000  # KiB
    assert (int(soft), int(hard)) == (29 * 60, 30 * 60)
    assert int(hard) < Channel.visibility_timeout


def test_flags_and_signals_of_the_script_reach_the_worker(script, django):
    """A flag given to the script overrides its own flag. Thanks to `exec`, the worker also receives SIGTERM and stops
    cleanly.

    Une option passée au script l'emporte sur la sienne. Grâce à `exec`, le worker reçoit aussi SIGTERM et s'arrête
    proprement.
    """
    worker = script("--concurrency", "1")
    assert len(processes(django)) == 1
    assert worker.stop() == 0
    assert "worker: Warm shutdown" in worker.log


def test_settings_can_replace_the_flags(stack, django):
    """Django settings can replace these flags. A flag overrides its setting.

    Les réglages de Django peuvent remplacer ces options. Une option l'emporte sur son réglage.
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


def test_an_option_can_come_from_an_environment_variable(stack, django):
    """A worker reads the value of an option from the variable `CELERY_WORKER_` with the name of the option, such as
    `CELERY_WORKER_CONCURRENCY`. The variable overrides the setting, and the command line overrides the variable.

    Un worker lit la valeur d'une option dans la variable `CELERY_WORKER_` suivie du nom de l'option, par exemple
    `CELERY_WORKER_CONCURRENCY`. La variable l'emporte sur le réglage, et la ligne de commande sur la variable.
    """
    settings = {"CELERY_WORKER_CONCURRENCY": 1, "CELERY_TASK_TIME_LIMIT": 30}
    variables = {
        "CELERY_WORKER_CONCURRENCY": "3",
        "CELERY_WORKER_MAX_TASKS_PER_CHILD": "50",
        "CELERY_WORKER_SOFT_TIME_LIMIT": "15",
        "CELERY_WORKER_TIME_LIMIT": "20",
        "CELERY_WORKER_QUEUES": "archives",
    }
    stack.wait_ready(stack.start([*WORKER, "--time-limit", "40"], settings, variables))
    [stats], [queues] = inspected(django, "stats"), inspected(django, "active_queues")
    pool = stats["pool"]
    assert [pool["max-concurrency"], pool["max-tasks-per-child"], pool["timeouts"]] == [3, 50, [15, 40]]
    assert [queue["name"] for queue in queues] == ["archives"]


def test_a_setting_without_an_option_is_not_read_from_the_environment(stack, django, redis):
    """A variable named after a setting for which the worker has no option changes nothing: with
    `CELERY_TASK_ACKS_LATE=1` in its environment, a worker still acknowledges messages early.

    Une variable qui porte le nom d'un réglage sans option du worker ne change rien : avec `CELERY_TASK_ACKS_LATE=1`
    dans son environnement, un worker acquitte toujours les messages au début de la tâche.
    """
    variables = {"CELERY_TASK_ACKS_LATE": "1", "CELERY_WORKER_CONCURRENCY": "1", "CELERY_WORKER_QUEUES": "archives"}
    stack.wait_ready(stack.start(WORKER, env=variables))
    with started(stack, django):
        wait_until(lambda: redis.hlen("unacked") == 0)
        assert len(inspected(django, "active")[0]) == 1  # and it still runs


def test_concurrency_is_how_many_tasks_run_at_once(stack, worker, django):
    """With `--concurrency 3`, three tasks run side by side. The fourth waits.

    Avec `--concurrency 3`, trois tâches s'exécutent en parallèle. La quatrième attend.
    """
    worker("--queues", "archives", "--concurrency", "3")
    pipes = [slow_file(stack, f"{number}.csv") for number in range(4)]
    django("sent = [archive.delay(f'{number}.csv') for number in range(4)]")
    wait_until(lambda: len(inspected(django, "active")[0]) == 3)
    wait_until(lambda: len(inspected(django, "reserved")[0]) == 1)
    for pipe in pipes:
        pipe.write_bytes(b"abc")
    assert django("[each.get(timeout=30) for each in sent]") == [f"{number}.csv.gz" for number in range(4)]


def test_without_concurrency_there_is_a_process_for_each_processor_of_the_machine(stack, django):
    """Without `--concurrency`, the worker starts one process for each processor of the machine, even if it may only use
    one of them.

    Sans `--concurrency`, le worker lance un processus par processeur de la machine, même s'il ne peut en utiliser
    qu'un.
    """
    confined = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); os.execvp('celery', {argv})"
    stack.wait_ready(stack.start(["python", "-c", confined.format(argv=WORKER)]))
    assert len(processes(django)) == django("import os; os.cpu_count()")


def test_max_tasks_per_child_replaces_the_process(worker, django):
    """With `--max-tasks-per-child 2`, a new process replaces the old one after every two tasks.

    Avec `--max-tasks-per-child 2`, un nouveau processus remplace l'ancien toutes les deux tâches.
    """
    worker = worker("--max-tasks-per-child", "2")
    run(django, 5)
    ran = ran_in(worker, 5)
    first, second, third = dict.fromkeys(ran)
    assert ran == [first, first, second, second, third]


def test_fifteen_megabytes_replace_the_process_after_every_task(stack, worker, django, console, record):
    """An idle worker already uses more than the 15 MB of `--max-memory-per-child 15000`. Each task therefore runs in a
    new process.

    Un worker au repos occupe déjà plus que les 15 Mo de `--max-memory-per-child 15000`. Chaque tâche s'exécute donc
    dans un nouveau processus.
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
    # Replacing processes took 6.8 s at least (Celery 5.2, 5.4, 5.6 and 5.7, under load); load only adds to it.
    assert rows[1]["seconds"] > max(3, rows[0]["seconds"])
    assert "memory" not in workers[1].log.partition(" ready.")[2]
    workers[0].stop()
    workers[2].stop()
    [resting] = console("resting.console")
    assert int(resting.output.removesuffix("M")) * 1024 > 3 * 15_000


def test_the_memory_limit_is_checked_after_the_task(script, django, public):
    """A task that exceeds `--max-memory-per-child 200000` (KiB) still ends. Its process is replaced afterwards.

    Une tâche qui dépasse `--max-memory-per-child 200000` (Kio) va jusqu'au bout. Son processus est remplacé ensuite.
    """
    worker = script("--concurrency", "1")
    (public / "large.json").write_text(f'["{"a" * 100_000_000}"]')
    names = ("catalogue", "large", "catalogue")
    counted = f"[count_products.delay(f'{{name}}.json').get(timeout={SLOW_MACHINE}) for name in {names}]"
    assert django(counted, SLOW_MACHINE) == [0, 1, 0]
    first, large, after = ran_in(worker, 3)
    assert first == large != after


def test_the_hard_limit_kills_the_task(stack, worker, django, public):
    """`--time-limit` kills the process. The task fails with TimeLimitExceeded and leaves a half-written archive. A new
    process runs the next task.

    `--time-limit` tue le processus. La tâche échoue avec TimeLimitExceeded et laisse une archive à moitié écrite. Un
    nouveau processus exécute la tâche suivante.
    """
    worker = worker("--queues", "celery,archives", "--time-limit", "2")
    run(django, 1)
    with started(stack, django):
        assert failure(django) == "TimeLimitExceeded"
        # The failure is stored before the process is killed: until then, the task could still succeed.
        worker.wait_for("signal 9 (SIGKILL)")
    assert (public / "archives.csv.gz").exists()
    run(django, 1)
    first, second = ran_in(worker, 2)
    assert first != second


def test_the_soft_limit_lets_the_task_clean_up(stack, worker, django, public):
    """`--soft-time-limit` raises SoftTimeLimitExceeded in the task, which removes its half-written archive.

    `--soft-time-limit` lève SoftTimeLimitExceeded dans la tâche, qui supprime son archive à moitié écrite.
    """
    worker("--queues", "archives", "--soft-time-limit", "2", "--time-limit", "60")
    with started(stack, django):
        assert failure(django) == "SoftTimeLimitExceeded"
    assert not (public / "archives.csv.gz").exists()


def test_other_pools_ignore_the_limits(stack, worker, django):
    """With `--pool threads` or `--pool solo`, Celery enforces neither limit: the task continues and succeeds.

    Avec `--pool threads` ou `--pool solo`, Celery n'applique aucune des deux limites : la tâche continue et réussit.
    """
    limits = ("--soft-time-limit", "1", "--time-limit", "2")
    for pool in ("threads", "solo"):
        worker("--queues", pool, "--pool", pool, *limits, name=pool, wait=False)
    witness = worker("--queues", "witness", "--time-limit", "2", name="witness")
    with started(stack, django, "threads") as first, started(stack, django, "solo") as second:
        with started(stack, django, "witness"):
            witness.wait_for("TimeLimitExceeded")  # its task started last, and its time limit has passed
        first.write(b"abc")
        second.write(b"abc")
    assert django("[results[pool].get(timeout=30) for pool in ('threads', 'solo')]") == [
        "threads.csv.gz",
        "solo.csv.gz",
    ]


def test_a_task_in_a_queue_that_no_worker_serves_stays_in_redis(worker, django, redis, public):
    """Without `--queues`, the worker only serves `celery`. A task sent to another queue stays in Redis, and the worker
    logs nothing about it.

    Sans `--queues`, le worker ne sert que `celery`. Une tâche envoyée dans une autre file reste dans Redis, et le
    worker n'écrit rien à son sujet dans les logs.
    """
    worker = worker()
    (public / "prices.csv").write_text("1,2\n")
    django("result = archive.delay('prices.csv')")
    run(django, 1)
    assert redis.llen("archives") == 1
    assert django("result.state") == "PENDING"
    assert "archive" not in worker.log.partition(" ready.")[2]


def test_info_writes_each_task_to_the_log(worker, django):
    """`--loglevel INFO` logs a line when the worker receives a task and one when the task succeeds.

    `--loglevel INFO` écrit une ligne dans les logs quand le worker reçoit une tâche, et une quand elle réussit.
    """
    worker = worker()
    task = django("result = count_products.delay('catalogue.json'); result.id")
    assert worker.wait_for("succeeded").endswith("s: 0")
    assert worker.wait_for(task).endswith(f"{NAME}[{task}] received")


def test_the_default_log_level_only_logs_failures(worker, django):
    """Without `--loglevel INFO`, the worker only logs failures.

    Sans `--loglevel INFO`, le worker n'écrit que les échecs dans les logs.
    """
    worker = worker("--loglevel", "WARNING", wait=False)
    good = django("result = count_products.delay('catalogue.json'); result.get(timeout=60); result.id")
    bad = django("result = count_products.delay('missing.json'); result.id")
    assert "raised unexpected" in worker.wait_for(bad)
    assert good not in worker.log


def processes(django):
    """The pids of the processes of the only worker."""
    [stats] = inspected(django, "stats")
    return stats["pool"]["processes"]


def inspected(django, what):
    """What the only worker replies, in a list."""
    return django(f"list(app.control.inspect(timeout=30, limit=1).{what}().values())")


def run(django, count, *queues):
    """Send *count* tasks to each of *queues* at once; returns the seconds until the last task of each queue was done.

    The tasks have their own time limits: on a busy machine, those of the worker would end a short task too.
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
    """The name of the process that ran each of *count* tasks, in the order of the log."""

    def names():
        return re.findall(r"/(ForkPoolWorker-\d+)\] Task \S+ succeeded", worker.log)

    wait_until(lambda: len(names()) == count)
    return names()


@contextmanager
def started(stack, django, queue="archives"):
    """The pipe that a running archive task reads; at the end of this context, the file ends too."""
    pipe = slow_file(stack, f"{queue}.csv")
    django(f"results['{queue}'] = archive.apply_async(('{queue}.csv',), queue='{queue}')")
    with pipe.open("wb") as feed:  # opens once the task reads
        wait_until((stack.folder / f"public/{queue}.csv.gz").exists)
        yield feed


def failure(django):
    """The name of the exception that ended the archive task."""
    wait_until(lambda: django("results['archives'].state") == "FAILURE")
    return django("type(results['archives'].result).__name__")
