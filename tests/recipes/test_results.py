import json
import re
from datetime import datetime
from functools import partial
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from situations import LATE, SLOW_MACHINE, in_flight, open_once_read, slow_file

from cookbook.testing import ABSENT, DjangoError, wait_until

KEY = "celery-task-meta-"
HOUR, DAY, WEEK = 60 * 60, 24 * 60 * 60, 7 * 24 * 60 * 60
# Settings for the expiry of results, and the seconds that Redis then keeps a success and a failure; -1: forever.
LIFETIMES: list[tuple[dict[str, object], int, int]] = [
    ({}, DAY, DAY),
    ({"CELERY_RESULT_EXPIRES": HOUR, "CELERY_RESULT_FAILURE_EXPIRES": WEEK}, HOUR, WEEK),
    ({"CELERY_RESULT_EXPIRES": 30}, 30, 30),
    ({"CELERY_RESULT_EXPIRES": 0}, -1, -1),
    ({"CELERY_RESULT_EXPIRES": None}, -1, -1),
    ({"CELERY_TASK_RESULT_EXPIRES": 60}, 60, 60),
    ({"CELERY_RESULT_EXPIRES": 30, "CELERY_TASK_RESULT_EXPIRES": 60}, 30, 30),
]
RECIPE = ("CELERY_RESULT_EXPIRES", "CELERY_RESULT_FAILURE_EXPIRES", "CELERY_RESULT_CHORD_EXPIRES")
WITHOUT_RECIPE: dict[str, object] = dict.fromkeys(RECIPE, ABSENT)
LONG = 10_000  # characters


@pytest.fixture
def django(stack):
    """Django with a file of two lines and five words."""
    return site(stack)


@pytest.mark.since("5.7", fails=r"\(3600, 3600\) != \(3600, 604800\)")
def test_how_long_a_result_is_kept(stack, django, results, record):
    """The table shows how many seconds Redis keeps a success and a failure, by the worker's settings. -1 means that it
    never expires.

    Le tableau montre combien de secondes Redis garde un succès et un échec, selon les réglages du worker. -1 signifie
    que le résultat n'expire jamais.
    """
    workers = [
        stack.worker(
            "--queues", str(number), "--pool", "solo", name=f"w{number}", settings=WITHOUT_RECIPE | settings, wait=False
        )
        for number, (settings, *_) in enumerate(LIFETIMES)
    ]
    stack.wait_ready(*workers)
    with results.monitor() as monitor:
        sent = django(
            "[[count.apply_async((path,), queue=str(number)).id for path in ('a.txt', 'absent.txt')]"
            f" for number in range({len(LIFETIMES)})]"
        )
        stored = lifetimes(monitor, 2 * len(LIFETIMES))
    rows = []
    for (settings, *_), (success, failure) in zip(LIFETIMES, sent, strict=True):
        for task_id in (success, failure):
            left = results.ttl(KEY + task_id)
            assert left == -1 if stored[task_id] == -1 else stored[task_id] >= left
        line = ", ".join(f"{name} = {value}" for name, value in settings.items())
        rows.append({"settings": line or None, "success": stored[success], "failure": stored[failure]})
    record("lifetimes", rows)
    assert [(row["success"], row["failure"]) for row in rows] == [tuple(kept) for _, *kept in LIFETIMES]


@pytest.mark.since("5.7", fails="'FAILURE': 3600")
def test_what_the_settings_of_the_recipe_keep(worker, django, results):
    """With the settings of the recipe, Redis keeps a success for an hour, a failure for a week, and the results that a
    chord collects for a day.

    Avec les réglages de la recette, Redis garde un succès une heure, un échec une semaine, et les résultats que
    collecte un chord un jour.
    """
    worker()
    kept = {}
    with results.monitor() as monitor:
        django("chord([count.s('a.txt'), count.s('absent.txt')])(total.s()); None")
        for line in monitor.listen():
            if stored := re.match(rf"SETEX {KEY}\S+ (\d+) .*(SUCCESS|FAILURE)", line["command"]):
                kept[stored[2]] = int(stored[1])
            elif gathered := re.match(r"EXPIRE celery-taskset-meta-\S+\.j (\d+)", line["command"]):
                kept["chord"] = int(gathered[1])
            if len(kept) == 3:
                break
    assert kept == {"SUCCESS": HOUR, "FAILURE": WEEK, "chord": DAY}


def test_get_waits_for_a_result_that_has_expired(worker, stack, django, results):
    """Once the result has expired, `.get()` waits for a notification that will not come again. With a `timeout`, it
    raises TimeoutError. Without one, as in `celery result`, it keeps waiting.

    Une fois le résultat expiré, `.get()` attend une notification qui ne reviendra pas. Avec un `timeout`, il lève
    TimeoutError. Sans `timeout`, comme dans `celery result`, il continue d'attendre.
    """
    quick = worker(settings={"CELERY_RESULT_EXPIRES": 1})
    task_id = django("count.delay('a.txt').id")
    quick.wait_for(f"{task_id}] succeeded")
    wait_until(lambda: not results.exists(KEY + task_id))
    command = stack.start(["celery", "-A", "core", "result", task_id])
    wait_until(lambda: subscribers(results, task_id))
    with pytest.raises(DjangoError) as late:
        django(f"AsyncResult('{task_id}').get(timeout=2)")
    assert late.value.name == "TimeoutError"
    assert command.popen.poll() is None
    assert subscribers(results, task_id)


@pytest.mark.since("5.5", fails=r"== datetime\.timedelta\(seconds=(3600|7200)\)")
@pytest.mark.since("redis-7.0", fails=r"by-hand\.console.*exited with 1")
def test_these_commands_read_a_result(worker, django, results, console):
    """These commands run a task, print its result, and show what Redis stores and when it expires. Reading the result
    does not postpone its expiry.

    Ces commandes lancent une tâche, affichent son résultat, et montrent ce que Redis enregistre et quand cela expire.
    Lire le résultat ne repousse pas son expiration.
    """
    worker()
    _, value, raw, pretty, *_ = console("by-hand.console")
    assert value.output == "{'lines': 2, 'words': 5}"
    meta = json.loads(pretty.output)
    assert json.loads(json.loads(raw.output)) == meta  # redis-cli quotes like JSON
    assert [*meta] == ["status", "result", "traceback", "children", "date_done", "task_id"]
    done = datetime.fromisoformat(meta["date_done"])
    assert done.utcoffset() == done.astimezone(ZoneInfo("Europe/Paris")).utcoffset()
    [key] = results.keys()
    assert key == KEY + meta["task_id"]
    end = results.pexpiretime(key)
    assert django(f"AsyncResult('{meta['task_id']}').get(timeout=30)") == {"lines": 2, "words": 5}
    assert results.pexpiretime(key) == end


def test_a_failure_stays_in_redis(worker, django, results):
    """If the task has failed, `take()` raises its error and the failure stays in Redis. `result` contains the class and
    the arguments of the error, and `traceback` its text. With `result_extended`, the failure also contains the name and
    the arguments of the task.

    Si la tâche a échoué, `take()` lève son erreur et l'échec reste dans Redis. `result` contient la classe et les
    arguments de l'erreur, et `traceback` son texte. Avec `result_extended`, l'échec contient aussi le nom et les
    arguments de la tâche.
    """
    worker(settings={"CELERY_RESULT_EXTENDED": True})
    task_id = django("count.delay('absent.txt').id")
    with pytest.raises(DjangoError) as failure:
        django(f"take('{task_id}', seconds=30)")
    assert failure.value.name == "FileNotFoundError"
    meta = json.loads(results.get(KEY + task_id))
    assert meta["status"] == "FAILURE"
    assert meta["result"]["exc_type"] == "FileNotFoundError"
    assert meta["result"]["exc_message"][1] == "No such file or directory"
    assert meta["traceback"].splitlines()[-1].startswith("FileNotFoundError")
    assert (meta["name"], meta["args"]) == ("results.tasks.count", ["absent.txt"])


@pytest.mark.since("5.6", fails="Left contains one more item: 'celery-task-meta")
@pytest.mark.since("5.3", fails=r"waited for .*\] raised")
def test_an_ignored_result_leaves_no_key_unless_errors_are_stored(worker, django, results):
    """With `ignore_result=True`, neither a success nor a failure leaves a key. With `store_errors_even_if_ignored=True`
    as well, a failure does.

    Avec `ignore_result=True`, ni un succès ni un échec ne laisse de clé. Avec en plus
    `store_errors_even_if_ignored=True`, un échec en laisse une.
    """
    ran = worker()
    success, failure = django("[delete.delay(path).id for path in ('a.txt', '')]")
    ignored = django("count.apply_async(('absent.txt',), ignore_result=True).id")
    ran.wait_for(f"{success}] succeeded")
    ran.wait_for(f"{ignored}] raised")
    assert results.keys() == [KEY + failure]
    assert django(f"AsyncResult('{failure}').state") == "FAILURE"


@pytest.mark.since("5.6", fails=r"assert \[\] == \['celery-task")
def test_each_call_can_store_or_ignore_its_result(worker, django, results):
    """`ignore_result` in `apply_async` overrides that of the task. If the result is ignored, `.get()` on the object
    that `apply_async` returned gives None. Read by its id, the task stays PENDING although it has succeeded, and
    `.get()` raises TimeoutError.

    `ignore_result` dans `apply_async` l'emporte sur celui de la tâche. Si le résultat est ignoré, le `.get()` de
    l'objet renvoyé par `apply_async` donne None. Relue par son id, la tâche reste PENDING alors qu'elle a réussi, et
    `.get()` lève TimeoutError.
    """
    ran = worker()
    kept = django("delete.apply_async(('b.txt',), ignore_result=False).id")
    ignored = django("result = count.apply_async(('a.txt',), ignore_result=True); result.id")
    ran.wait_for(f"{ignored}] succeeded")
    assert results.keys() == [KEY + kept]
    assert django("result.get(timeout=30)") is None
    assert django(f"AsyncResult('{ignored}').state") == "PENDING"
    with pytest.raises(DjangoError) as waited:
        django(f"take('{ignored}', seconds=0.5)")
    assert waited.value.name == "TimeoutError"


def test_take_reads_the_result_once_within_its_timeout(worker, django, results, stack):
    """When its time is up, `take()` raises Celery's TimeoutError, which is not Python's. The task continues. A second
    call returns its value and deletes the key.

    Passé son délai, `take()` lève le TimeoutError de Celery, qui n'est pas celui de Python. La tâche continue. Un
    second appel renvoie sa valeur et supprime la clé.
    """
    worker()
    file = slow_file(stack, "slow.txt")
    task_id = django("count.delay('slow.txt').id")
    with open_once_read(file) as feed:
        with pytest.raises(DjangoError) as early:
            django(f"take('{task_id}', seconds=0.5)")
        assert early.value.name == "TimeoutError"
        django("from celery import exceptions; assert not issubclass(exceptions.TimeoutError, TimeoutError)")
        feed.write(b"one two\n")
    wait_until(lambda: results.exists(KEY + task_id))
    assert django(f"take('{task_id}', seconds=30)") == {"lines": 1, "words": 2}
    assert not results.exists(KEY + task_id)


@pytest.mark.since("5.6", fails="still 0 after")
def test_how_much_memory_a_result_takes(worker, stack, results, record):
    """The table shows how much memory a result takes in Redis, by what the task returned.

    Le tableau montre la mémoire qu'occupe un résultat dans Redis, selon ce que la tâche a renvoyé.
    """
    (stack.folder / "texts.py").write_text(
        f"from celery import shared_task\n\n\n@shared_task(name='texts.text')\ndef text():\n    return 'x' * {LONG}\n"
    )
    settings = {"CELERY_IMPORTS": ["texts"]}
    worker(settings=settings)
    django = site(stack, settings)
    kinds = {
        "None": "delete.apply_async(('b.txt',), ignore_result=False)",
        "{'lines': 2, 'words': 5}": "count.delay('a.txt')",
        f"'x' * {LONG}": "app.send_task('texts.text')",
        "FileNotFoundError": "count.delay('absent.txt')",
    }
    rows = []
    for returned, source in kinds.items():
        key = KEY + django(f"{source}.id")
        wait_until(partial(results.exists, key))
        rows.append({"returned": returned, "value": results.strlen(key), "memory": results.memory_usage(key)})
    record("weights", rows)
    nothing, numbers, text, failure = (row["memory"] for row in rows)
    assert nothing <= numbers < failure < text
    assert all(row["memory"] > row["value"] for row in rows)
    assert text > LONG


def test_a_thousand_results(worker, django, redis, results, record):
    """A thousand results make a thousand keys, and the memory grows in proportion. A thousand ignored results make
    none.

    Mille résultats font mille clés, et la mémoire croît en proportion. Mille résultats ignorés n'en font aucune.
    """
    # With late acknowledgement, every task has ended once no message is in flight.
    worker("--pool", "solo", "--loglevel", "WARNING", settings=LATE, wait=False)
    rows = [{"tasks": number} for number in range(0, 1001, 250)]
    for kind in ("ignored", "kept"):
        django(f"count.apply_async(('a.txt',), queue='{kind}', ignore_result={kind == 'ignored'})")
        message = json.loads(redis.lindex(kind, 0))
        for row in rows:
            if row["tasks"]:
                redis.lpush("celery", *(json.dumps(copy_of(message)) for _ in range(250)))
                wait_until(lambda: redis.llen("celery") == in_flight(redis) == 0, SLOW_MACHINE)
            if kind == "kept":  # a message on its way from the queue to the worker is in neither key
                wait_until(partial(has, results, row["tasks"]))
            row |= {kind: results.dbsize(), f"{kind}_memory": round(memory_of(results) / 1024)}
    record("thousand", rows)
    assert [(row["ignored"], row["ignored_memory"]) for row in rows] == [(0, 0)] * 5
    assert [row["kept"] for row in rows] == [0, 250, 500, 750, 1000]
    quarter = rows[1]["kept_memory"]
    assert quarter > 0
    assert all(abs(row["kept_memory"] - index * quarter) <= 0.1 * quarter for index, row in enumerate(rows))


def test_the_body_of_a_slow_chord_never_runs(worker, stack, redis, results):
    """If the results of a chord expire while one of its tasks is still running, its body is never sent, although all
    its tasks succeed. The worker logs no warning or error about it.

    Si les résultats d'un chord expirent pendant qu'une de ses tâches s'exécute encore, son corps n'est jamais envoyé,
    bien que toutes ses tâches réussissent. Le worker n'écrit ni avertissement ni erreur dans les logs.
    """
    settings = {"CELERY_RESULT_EXPIRES": 1, "CELERY_RESULT_CHORD_EXPIRES": ABSENT}
    ran, django = chord_whose_results_expire(worker, stack, results, settings, expired="*")
    last = django("count.delay('a.txt').id")  # the only process of the worker would run the body first
    ran.wait_for(f"{last}] succeeded")
    assert ran.log.count("] succeeded in") == 3
    assert "results.tasks.total[" not in ran.log
    assert redis.llen("celery") == in_flight(redis) == 0
    assert not re.search("WARNING|ERROR|CRITICAL", ran.log)


@pytest.mark.since("5.7", fails=r"waited for 'Task results\.tasks\.total")
def test_result_chord_expires_keeps_the_chord_for_longer(worker, stack, results):
    """`result_chord_expires` keeps the results that a chord collects for longer than the other results, so its body
    runs.

    `result_chord_expires` garde les résultats que collecte un chord plus longtemps que les autres : son corps
    s'exécute.
    """
    ran, _ = chord_whose_results_expire(worker, stack, results, {"CELERY_RESULT_EXPIRES": 1}, expired=f"{KEY}*")
    received = ran.wait_for("Task results.tasks.total[")
    task_id = received.partition("[")[2].partition("[")[2].partition("]")[0]
    assert "{'lines': 3, 'words': 7}" in ran.wait_for(f"{task_id}] succeeded")


@pytest.mark.since("5.7", fails=r"'cached': \['PENDING'")
def test_max_cached_results_is_a_cache_of_the_reader(stack, results):
    """`CELERY_MAX_CACHED_RESULTS` limits nothing in Redis. Each process that reads results keeps that many in memory,
    and returns them even after they have expired. By default, it keeps none.

    `CELERY_MAX_CACHED_RESULTS` ne limite rien dans Redis. Chaque processus qui lit des résultats en garde autant en
    mémoire, et les renvoie même une fois expirés. Par défaut, il n'en garde aucun.
    """
    states = {}
    for name, settings in {"default": None, "cached": {"CELERY_MAX_CACHED_RESULTS": 2}}.items():
        django = site(stack, settings)
        django("for name in 'abc': app.backend.store_result(name, name, 'SUCCESS')")
        assert results.dbsize() == 3
        assert django("[AsyncResult(name).state for name in 'abc']") == ["SUCCESS"] * 3
        results.flushdb()
        states[name] = django("[AsyncResult(name).state for name in 'abc']")
    assert states == {"default": ["PENDING"] * 3, "cached": ["PENDING", "SUCCESS", "SUCCESS"]}


def test_on_one_database_emptying_the_results_loses_the_tasks(stack, django, redis, results):
    """If the results are in the database of the broker, FLUSHDB also deletes the waiting messages. If they have their
    own database, it only deletes the results.

    Si les résultats sont dans la base du broker, FLUSHDB supprime aussi les messages en attente. S'ils ont leur propre
    base, il ne supprime que les résultats.
    """
    url = django("from django.conf import settings; settings.CELERY_BROKER_URL")
    together = site(stack, {"CELERY_RESULT_BACKEND": url})
    left = {}
    for where, sender, database in (("apart", django, results), ("together", together, redis)):
        redis.flushall()
        sender("count.delay('a.txt'); app.backend.store_result('done', 1, 'SUCCESS')")
        assert database.exists(f"{KEY}done")
        assert redis.llen("celery") == 1
        database.flushdb()
        assert not database.exists(f"{KEY}done")
        left[where] = redis.llen("celery")
    assert left == {"apart": 1, "together": 0}


def site(stack, settings=None):
    """A Django process that has imported what these proofs use, and a file of two lines and five words."""
    django = stack.django(settings)
    django(
        "from celery import chord\n"
        "from celery.result import AsyncResult\n"
        "from core.celery import app\n"
        "from django.core.files.base import ContentFile\n"
        "from core.storages import public_storage\n"
        "from results.reading import take\n"
        "from results.tasks import count, delete, total\n"
        "public_storage.exists('a.txt') or public_storage.save('a.txt', ContentFile(b'one two\\nthree four five\\n'))\n"
    )
    return django


def lifetimes(monitor, number):
    """For how many seconds each of the next *number* results is stored, by task id; -1 if it never expires."""
    found: dict[str, int] = {}
    for line in monitor.listen():
        if match := re.match(rf"SET(?:EX)? {KEY}(\S+) (?:(\d+) )?{{", line["command"]):
            found[match[1]] = int(match[2] or -1)
        if len(found) == number:
            return found
    raise AssertionError("the monitor ended")


def copy_of(message):
    """The same message with a new id. Copies are quicker to send than a thousand calls."""
    task_id = str(uuid4())
    ids = {"id": task_id, "root_id": task_id}
    properties = {"correlation_id": task_id, "delivery_tag": str(uuid4())}
    return message | {
        "headers": message["headers"] | ids,
        "properties": message["properties"] | properties,
    }


def memory_of(results):
    """How many bytes all result keys take, including the overhead of Redis."""
    with results.pipeline(transaction=False) as commands:
        for key in results.scan_iter(count=1000):
            commands.memory_usage(key)
        return sum(commands.execute())


def has(results, number):
    """Whether there are at least *number* results."""
    return results.dbsize() >= number


def subscribers(results, task_id):
    """How many clients are subscribed to the result of a task."""
    [(_, number)] = results.pubsub_numsub(KEY + task_id)
    return number


def chord_whose_results_expire(worker, stack, results, settings, expired):
    """A worker and Django, after a chord whose second task ended once the keys that match *expired* were gone."""
    ran = worker(settings=settings)
    django = site(stack, settings)
    file = slow_file(stack, "slow.txt")
    first, second = django(
        "[each.id for each in chord([count.s('a.txt'), count.s('slow.txt')])(total.s()).parent.results]"
    )
    with open_once_read(file) as feed:
        ran.wait_for(f"{first}] succeeded")
        wait_until(lambda: not results.keys(expired))
        feed.write(b"six seven\n")
    ran.wait_for(f"{second}] succeeded")
    return ran, django
