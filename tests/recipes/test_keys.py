import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from situations import in_flight, open_once_read, slow_file

from cookbook.testing import wait_until

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LOW, LOWER, LOWEST = ("celery\x06\x16" + step for step in "369")
ROUTES = {"_kombu.binding.celery", "_kombu.binding_permanent.celery"}
CONTROL = {"_kombu.binding.celery.pidbox", "_kombu.binding.celeryev", "_kombu.binding_deadlines"}
HELD = {"unacked", "unacked_index"}
# All the keys at one moment, except the lock that a worker takes for an instant.
SNAPSHOT = """
local sizes = {string = 'strlen', list = 'llen', set = 'scard', hash = 'hlen', zset = 'zcard'}
local found = {}
for _, key in ipairs(redis.call('keys', '*')) do
    if key ~= 'unacked_mutex' then
        local kind = redis.call('type', key)['ok']
        found[#found + 1] = {key, kind, redis.call('ttl', key), redis.call(sizes[kind], key)}
    end
end
return found
"""


@pytest.fixture
def slow(stack):
    """A file that a task reads until the test closes it."""
    return slow_file(stack, "slow.csv")


@pytest.fixture
def django(stack, slow):
    """Django with a file of two lines, and a slow one."""
    django = stack.django()
    django(
        "from celery import chord, group\n"
        "from core.celery import app\n"
        "from django.core.files.base import ContentFile\n"
        "from core.storages import public_storage\n"
        "from keys.depth import depth\n"
        "from keys.tasks import count_lines, total\n"
        "public_storage.save('a.csv', ContentFile(b'a;b\\nc;d\\n'))\n"
    )
    return django


@pytest.mark.since("5.7", fails="_kombu.binding_deadlines")
def test_keys_of_the_broker_at_each_moment(worker, django, redis, record):
    """These are all the keys in the broker database, from the first task that is sent until a worker is killed.

    Voici toutes les clés de la base du broker, de la première tâche envoyée jusqu'à la mort d'un worker.
    """
    moments = {"nothing": snapshot(redis)}
    django("sent = [count_lines.apply_async(('a.csv',), priority=step) for step in (0, 0, 3, 6, 9)]")
    moments["sent"] = snapshot(redis)
    first = worker(quiet=False)
    django("[each.get(timeout=30) for each in sent]")
    wait_until(lambda: in_flight(redis) == 0)
    moments["idle"] = snapshot(redis)
    django("count_lines.apply_async(('a.csv',), countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    moments["held"] = snapshot(redis)
    first.stop()
    moments["stopped"] = snapshot(redis)
    second = worker(quiet=False)
    wait_until(lambda: in_flight(redis) == 1)
    second.kill_group()
    moments["killed"] = snapshot(redis)
    record("broker", table_of(moments, "length"))
    assert {moment: set(keys) for moment, keys in moments.items()} == {
        "nothing": set(),
        "sent": ROUTES | {"celery", LOW, LOWER, LOWEST},
        "idle": ROUTES | CONTROL,
        "held": ROUTES | CONTROL | HELD,
        "stopped": ROUTES | {"celery", "_kombu.binding_deadlines"},
        "killed": ROUTES | CONTROL | HELD,
    }
    assert {key["ttl"] for keys in moments.values() for key in keys.values()} == {None}


@pytest.mark.since("5.7", fails=r"celery-taskset-meta-<id>\.d")
def test_keys_of_the_results_at_each_moment(worker, django, results, slow, record):
    """These are all the keys in the result database, for a task and then for a chord. Each key expires.

    Voici toutes les clés de la base des résultats, pour une tâche, puis pour un chord. Chaque clé expire.
    """
    worker()
    moments = {"nothing": snapshot(results)}
    django("count_lines.delay('a.csv').get(timeout=30)")
    moments["result"] = snapshot(results)
    django("last = chord([count_lines.s('a.csv'), count_lines.s('slow.csv')])(total.s())")
    with slow.open("wb") as feed:
        moments["chord"] = snapshot(results)
        feed.write(b"e;f\n")
    assert django("last.get(timeout=30)") == 3
    moments["done"] = snapshot(results)
    record("results", table_of(moments, "count"))
    chord = "celery-taskset-meta-<id>"
    assert {moment: set(keys) for moment, keys in moments.items()} == {
        "nothing": set(),
        "result": {"celery-task-meta-<id>"},
        "chord": {"celery-task-meta-<id>", f"{chord}.d", f"{chord}.j", f"{chord}.s"},
        "done": {"celery-task-meta-<id>", f"{chord}.c"},
    }
    assert all(key["ttl"] for keys in moments.values() for key in keys.values())


@pytest.mark.since("5.7", fails=r"assert set\(\) == ")
def test_a_running_chord_has_three_keys(worker, django, results, slow):
    """While a chord is running, `.s` contains its size, `.d` the tasks that are done and `.j` what they returned.

    Pendant un chord, `.s` contient sa taille, `.d` les tâches terminées et `.j` ce qu'elles ont renvoyé.
    """
    worker()
    django("last = chord([count_lines.s('a.csv'), count_lines.s('slow.csv')])(total.s())")
    with slow.open("wb"):
        done, _ = django("[each.id for each in last.parent.results]")
        chord = f"celery-taskset-meta-{django('last.parent.id')}"
        assert results.get(f"{chord}.s") == "2"
        assert results.smembers(f"{chord}.d") == {f"{done}:0"}
        [returned] = results.zrange(f"{chord}.j", 0, -1)
        assert json.loads(returned)[1:] == [done, "SUCCESS", 2]


@pytest.mark.since("5.7", fails=r"anatomy\.console.*_kombu\.binding_deadlines")
def test_the_keys_can_be_listed_without_blocking_redis(worker, django, redis, console):
    """These commands show every key with its type and length. They do not use `KEYS`, which visits all keys in one
    command.

    Ces commandes montrent chaque clé, avec son type et sa longueur. Elles n'utilisent pas `KEYS`, qui parcourt toutes
    les clés en une seule commande.
    """
    worker("--queues", "reports")
    django("count_lines.apply_async(('a.csv',), queue='reports').get(timeout=30)")
    wait_until(lambda: in_flight(redis) == 0)
    django("count_lines.apply_async(('a.csv',), queue='reports', countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    django("[count_lines.apply_async(('a.csv',), priority=step) for step in (0, 0, 3)]")
    steps = console("anatomy.console")
    assert [step.output for step in steps[1:6]] == [
        "list",
        "(integer) 2",
        "(integer) 1",
        "hash",
        "(integer) 1",
    ]
    assert steps[-1].output.splitlines() == ["db0:keys=10,expires=0", "db1:keys=1,expires=1"]
    sent = redis.info("commandstats")
    assert "cmdstat_scan" in sent
    assert "cmdstat_keys" not in sent


def test_an_empty_queue_has_no_key(django, redis):
    """An empty queue has no key in Redis: both `EXISTS celery` and `LLEN celery` return 0.

    Une file vide n'a pas de clé dans Redis : `EXISTS celery` et `LLEN celery` renvoient 0.
    """
    django("count_lines.delay('a.csv')")
    assert redis.exists("celery") == 1
    assert redis.rpop("celery")  # as a worker does
    assert redis.exists("celery") == 0
    assert redis.llen("celery") == 0


@pytest.mark.since("5.7", fails="_kombu.binding_permanent.reports")
def test_each_queue_is_a_list_of_the_same_name(django, redis):
    """A queue is a Redis list of the same name. Its bindings are in two sets.

    Une file est une liste Redis du même nom. Ses bindings sont dans deux ensembles.
    """
    django("count_lines.apply_async(('a.csv',), queue='reports')")
    assert redis.type("reports") == "list"
    assert {"_kombu.binding.reports", "_kombu.binding_permanent.reports"} <= set(redis.scan_iter())


def test_a_priority_goes_to_the_list_of_the_step_below(django, redis):
    """A message goes to the list of the nearest step at or below its priority, among 0, 3, 6 and 9. Priorities 4 and 5
    go to the list of step 3, and 0 to 2 to the queue itself.

    Un message va dans la liste du palier inférieur ou égal à sa priorité, parmi 0, 3, 6 et 9. Les priorités 4 et 5 vont
    dans la liste du palier 3, et 0 à 2 dans la file elle-même.
    """
    django("[count_lines.apply_async(('a.csv',), priority=priority) for priority in range(10)]")
    assert [redis.llen(key) for key in ("celery", LOW, LOWER, LOWEST)] == [3, 3, 3, 1]


def test_the_score_is_the_time_of_reception(worker, django, redis):
    """The score in `unacked_index` is the time when a worker received the message, not the time when the task is due.

    Le score dans `unacked_index` est l'heure à laquelle un worker a reçu le message, pas l'échéance de la tâche.
    """
    worker()
    before = time.time()
    django("count_lines.apply_async(('a.csv',), countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    [(tag, score)] = redis.zrange("unacked_index", 0, -1, withscores=True)
    assert before < score < time.time()
    message, _exchange, queue = json.loads(redis.hget("unacked", tag))
    assert (message["properties"]["delivery_tag"], queue) == (tag, "celery")


def test_llen_does_not_count_reserved_tasks(worker, django, redis, console):
    """`LLEN celery` returns 0 while a worker has reserved five tasks. `depth()` counts them too.

    `LLEN celery` renvoie 0 alors qu'un worker a réservé cinq tâches. `depth()` les compte aussi.
    """
    worker()
    django("[count_lines.apply_async(('a.csv',), countdown=3600) for _ in range(5)]")
    wait_until(lambda: in_flight(redis) == 5)
    length, depth = console("depth.console")
    assert length.output == "(integer) 0"
    assert depth.output == "Depth(waiting=0, held=5)"


def test_depth_counts_every_priority(django):
    """`depth()` counts the messages of every priority.

    `depth()` compte les messages de toutes les priorités.
    """
    django("[count_lines.apply_async(('a.csv',), priority=step) for step in (0, 3, 6, 9)]")
    assert django("depth().waiting") == 4
    assert django("depth('reports').waiting") == 0


def test_depth_follows_the_transport_options(stack):
    """`depth()` follows `broker_transport_options`: it uses the priority steps and the separator of the connection.

    `depth()` suit `broker_transport_options` : elle utilise les paliers de priorité et le séparateur de la connexion.
    """
    django = stack.django(settings={"CELERY_BROKER_TRANSPORT_OPTIONS": {"priority_steps": [0, 5], "sep": ":"}})
    django("from keys.depth import depth; from keys.tasks import count_lines")
    django("count_lines.apply_async(('a.csv',), priority=7)")
    assert stack.redis().llen("celery:5") == 1
    assert django("depth().waiting") == 1


def test_unacked_mixes_all_queues(worker, django, redis):
    """All queues of a database share the key `unacked`, so the `held` of any queue counts the unacknowledged messages
    of all of them.

    Toutes les files d'une base partagent la clé `unacked` : le `held` d'une file compte les messages non acquittés de
    toutes.
    """
    worker("--queues", "reports")
    django("count_lines.apply_async(('a.csv',), queue='reports', countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    assert django("depth('celery').held") == 1


def test_a_running_task_is_in_no_key(worker, django, redis, results, slow):
    """By default, a task is acknowledged before it runs. While it runs, it is in no key.

    Par défaut, une tâche est acquittée avant de s'exécuter. Pendant son exécution, elle n'est dans aucune clé.
    """
    worker()
    django("result = count_lines.delay('slow.csv')")
    with slow.open("wb"):
        wait_until(lambda: in_flight(redis) == 0)
        assert not {"celery", *HELD} & set(redis.scan_iter())
        assert results.dbsize() == 0
        assert django("depth().waiting") == 0


def test_the_lock_on_unacked_lasts_an_instant(worker, redis):
    """`unacked_mutex` is a lock. A worker that starts takes it to look for messages to redeliver, and releases it at
    once. If the worker dies in between, the lock expires after 300 seconds.

    `unacked_mutex` est un verrou. Un worker qui démarre le prend pour chercher les messages à relivrer, puis le libère
    aussitôt. Si le worker meurt entre-temps, le verrou expire au bout de 300 secondes.
    """
    with redis.monitor() as monitor:
        worker()
        commands = (line["command"] for line in monitor.listen())
        lock = next(command for command in commands if command.startswith("SET unacked_mutex"))
    assert sorted(lock.split()[3:]) == ["300000", "NX", "PX"]  # redis-py has changed their order
    wait_until(lambda: not redis.exists("unacked_mutex"))


def test_deleting_the_queue_leaves_the_priority_lists_and_unacked(worker, django, redis):
    """`DEL celery` leaves the lists of the other priorities, and the message in `unacked`.

    `DEL celery` laisse les listes des autres priorités, et le message dans `unacked`.
    """
    running = worker()
    django("count_lines.apply_async(('a.csv',), countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    running.kill_group()
    django("[count_lines.apply_async(('a.csv',), priority=step) for step in (0, 3)]")
    redis.delete("celery")
    assert (redis.llen("celery"), redis.llen(LOW), in_flight(redis)) == (0, 1, 1)


@pytest.mark.since("5.7", fails="'NoneType' and 'NoneType'")
def test_each_killed_worker_leaves_a_binding(worker, redis):
    """A worker killed by SIGKILL leaves its binding in `_kombu.binding.celeryev`. The next worker adds its own and
    postpones the deadline.

    Un worker tué par SIGKILL laisse son binding dans `_kombu.binding.celeryev`. Le worker suivant ajoute le sien et
    repousse l'échéance.
    """
    worker(quiet=False).kill_group()
    deadline = redis.zscore("_kombu.binding_deadlines", "celeryev")
    worker(quiet=False)
    assert redis.scard("_kombu.binding.celeryev") == 2
    assert redis.zscore("_kombu.binding_deadlines", "celeryev") > deadline


@pytest.mark.since("5.7", fails="'NoneType' and 'int'")
def test_leftover_bindings_are_deleted_after_their_deadline(worker, django, redis):
    """A worker deletes a binding table whose deadline in `_kombu.binding_deadlines` has passed. The deadline is one
    hour.

    Un worker supprime une table de bindings dont l'échéance dans `_kombu.binding_deadlines` est passée. Cette échéance
    est d'une heure.
    """
    worker(quiet=False).kill_group()
    an_hour = redis.zscore("_kombu.binding_deadlines", "celeryev") / 1000 - time.time()
    assert 3500 < an_hour <= 3600
    redis.zadd("_kombu.binding_deadlines", {"celeryev": 1}, xx=True)  # the deadline has passed
    worker()
    wait_until(lambda: not redis.exists("_kombu.binding.celeryev"))


def test_tasks_run_without_the_bindings(worker, django, redis):
    """The `celery` queue works without the `_kombu.binding` keys. Deleting them under a running worker breaks neither
    its tasks nor `inspect`.

    La file `celery` fonctionne sans les clés `_kombu.binding`. Les supprimer sous un worker en marche n'empêche ni ses
    tâches ni `inspect`.
    """
    worker(quiet=False)
    assert django("count_lines.delay('a.csv').get(timeout=30)") == 2
    assert redis.delete(*redis.scan_iter("_kombu.*")) >= 3
    assert django("count_lines.delay('a.csv').get(timeout=30)") == 2
    assert django("app.control.inspect(timeout=30, limit=1).ping()") == {"worker1@cookbook": {"ok": "pong"}}


def test_a_reply_that_nobody_reads_never_expires(worker, django, stack, redis, slow):
    """If the caller of `inspect` dies, the reply stays in a list named `<id>.reply.celery.pidbox`, which never expires.

    Si l'appelant d'`inspect` meurt, la réponse reste dans une liste nommée `<id>.reply.celery.pidbox`, qui n'expire
    jamais.
    """
    worker("--pool", "solo")
    django("count_lines.delay('slow.csv')")
    caller = stack.django()
    asked = redis.pubsub(ignore_subscribe_messages=True)
    asked.subscribe("/0.celery.pidbox")
    with ThreadPoolExecutor() as pool, slow.open("wb"):  # until it closes, the worker does not reply
        pool.submit(caller, "from core.celery import app; app.control.inspect(timeout=60).ping()")
        wait_until(asked.get_message)
        caller.process.kill_group()
    [reply] = wait_until(lambda: list(redis.scan_iter("*.reply.celery.pidbox", _type="list")))
    assert redis.llen(reply) == 1
    assert redis.ttl(reply) == -1


def test_a_live_caller_gets_its_reply_after_expire_replies(worker, django, stack, redis, console):
    """`expire_replies()` gives each unread reply one hour to live. A caller that is slow to read still gets its reply,
    while the reply of a dead caller is deleted after the hour. A second call does not postpone this hour.

    `expire_replies()` donne une heure à vivre à chaque réponse non lue. Un appelant lent à lire reçoit encore sa
    réponse, et celle d'un appelant mort est supprimée au bout de cette heure. Un second appel ne repousse pas cette
    heure.
    """
    worker()
    reads = slow_file(stack, "reads")
    late, dead = (caller_that_reads_late(stack, reads) for _ in range(2))
    with ThreadPoolExecutor() as pool, ExitStack() as at_end:
        at_end.callback(late.process.kill_group)
        answer = pool.submit(late, "app.control.inspect(timeout=30, limit=1).ping()")
        [read_late] = wait_until(lambda: replies(redis))
        pool.submit(dead, "app.control.inspect(timeout=30, limit=1).ping()")
        [never_read] = wait_until(lambda: replies(redis) - {read_late})
        dead.process.kill_group()
        console("replies.console")
        assert all(3000 < redis.ttl(reply) <= 3600 for reply in (read_late, never_read))
        redis.expire(never_read, 600)
        assert django("from keys.replies import expire_replies; expire_replies()") == 0
        assert redis.ttl(never_read) <= 600
        with open_once_read(reads):  # the caller reads now
            pass
        assert answer.result() == {"worker1@cookbook": {"ok": "pong"}}
    assert replies(redis) == {never_read}
    redis.persist(never_read)
    assert django("expire_replies(seconds=1)") == 1
    wait_until(lambda: not redis.exists(never_read))
    assert redis.ttl("_kombu.binding.reply.celery.pidbox") == -1


def test_an_answered_inspect_leaves_no_reply(worker, django, redis, slow):
    """An `inspect` leaves no list behind when it receives its reply, nor when it times out.

    Un `inspect` ne laisse aucune liste quand il reçoit sa réponse, ni quand son timeout est dépassé.
    """
    worker("--pool", "solo")
    assert django("app.control.inspect(timeout=30, limit=1).ping()")
    django("count_lines.delay('slow.csv')")
    with slow.open("wb"):  # until it closes, the worker does not reply
        assert django("app.control.inspect(timeout=0.1).ping()") is None
    wait_until(lambda: django("app.control.inspect().ping()"))
    assert not list(redis.scan_iter("*.reply.celery.pidbox", _type="list"))


@pytest.mark.since("5.6", fails="still None after")
def test_revoking_writes_the_result_before_the_task_is_due(worker, django, redis, results):
    """Revoking a delayed task that a worker has reserved writes its result, REVOKED, at once. The message stays in
    `unacked`.

    Révoquer une tâche différée qu'un worker a réservée écrit aussitôt son résultat, REVOKED. Le message reste dans
    `unacked`.
    """
    worker()
    django("result = count_lines.apply_async(('a.csv',), countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    django("app.control.revoke(result.id, reply=True)")
    result = wait_until(lambda: results.get(f"celery-task-meta-{django('result.id')}"))
    assert json.loads(result)["status"] == "REVOKED"
    assert in_flight(redis) == 1


def test_a_group_has_a_key_only_once_saved(worker, django, results):
    """A group only has the results of its tasks until `save()` writes `celery-taskset-meta-<id>`, which expires.

    Un groupe n'a que les résultats de ses tâches, jusqu'à ce que `save()` écrive `celery-taskset-meta-<id>`, qui
    expire.
    """
    worker()
    django("many = group(count_lines.s('a.csv') for _ in range(2))(); many.get(timeout=30)")
    assert set(snapshot(results)) == {"celery-task-meta-<id>"}
    django("many.save()")
    assert snapshot(results)["celery-taskset-meta-<id>"]["ttl"]


def replies(redis):
    """The lists that contain the replies of workers, which their callers have not read yet."""
    return set(redis.scan_iter("*.reply.celery.pidbox", _type="list"))


def caller_that_reads_late(stack, pipe):
    """Django whose `inspect` asks at once, and reads the replies only after the test has opened and closed *pipe*."""
    caller = stack.django()
    caller(
        "from core.celery import app\n"
        "from kombu.pidbox import Mailbox\n"
        "collect = Mailbox._collect\n"
        "def collect_late(*arguments, **options):\n"
        f"    open({str(pipe)!r}).read()\n"
        "    return collect(*arguments, **options)\n"
        "Mailbox._collect = collect_late\n"
    )
    return caller


def snapshot(redis):
    """The keys of the database, ids shortened: type, length, TTL (None: never expires), and how many there are."""
    keys: dict[str, dict[str, Any]] = {}
    for key, kind, ttl, length in sorted(redis.eval(SNAPSHOT, 0)):
        name = UUID.sub("<id>", key)
        keys[name] = {
            "type": kind,
            "ttl": None if ttl == -1 else ttl,
            "length": length,
            "count": keys.get(name, {"count": 0})["count"] + 1,
        }
    return keys


def table_of(moments, shown):
    """One row for each key of any moment, with the fact *shown* at each moment; None when there was no such key."""
    first_seen: dict[str, dict[str, Any]] = {}
    for keys in moments.values():
        first_seen = keys | first_seen
    return [
        {"key": key.encode("unicode_escape").decode(), "type": facts["type"], "ttl": facts["ttl"]}
        | {moment: keys.get(key, {}).get(shown) for moment, keys in moments.items()}
        for key, facts in sorted(first_seen.items())
    ]
