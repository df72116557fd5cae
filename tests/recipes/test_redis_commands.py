import itertools
import json
import re
import shutil
from datetime import datetime

import pytest
import redis as redis_py
from situations import in_flight, open_once_read, slow_file

from cookbook.testing import compose_files, engine, project_of_this_process, wait_until, write_script

LOW = "celery\x06\x163"


@pytest.fixture
def django(stack):
    return prepared(stack)


def prepared(stack):
    """Django with three files of orders."""
    django = stack.django()
    django(
        "from celery.result import AsyncResult, GroupResult\n"
        "from core.celery import app\n"
        "from core.storages import public_storage\n"
        "from django.core.files.base import ContentFile\n"
        "from redis_commands.tasks import import_orders\n"
        "from redis_commands.waiting import waiting\n"
        "names = [f'orders-{number}.csv' for number in (1, 2, 3)]\n"
        "[public_storage.save(name, ContentFile(b'id;total\\n')) for name in names]\n"
    )
    return django


def test_compose_runs_the_client_in_the_container(stack, project, console):
    """`docker compose exec redis redis-cli` reaches the server, whatever the name of its container. Compose now uses
    hyphens in this name, not underscores.

    `docker compose exec redis redis-cli` atteint le serveur, quel que soit le nom de son conteneur. Compose met
    désormais des tirets dans ce nom, et non des tirets bas.
    """
    if stack.backend != "compose":
        pytest.skip("needs a Docker engine: this proof runs redis-cli in the container of Redis")
    name = of_this_stack(stack, project)
    prepared(stack)("import_orders.delay('orders-1.csv')")
    *_, entered, piped = console("enter.console")
    assert entered.output == "(integer) 1"
    assert piped.output == "redis_commands.tasks.import_orders"
    names = {container.name for container in engine().containers.list(filters={"name": name}, ignore_removed=True)}
    assert f"{name}-redis-1" in names
    assert f"{name}_redis_1" not in names


@pytest.mark.since("5.7", prints="_kombu|db0:keys=")
@pytest.mark.since("5.4", fails="None is not None")
def test_these_commands_only_read(worker, django, redis, results, console):
    """These commands change nothing, and none of them uses `KEYS`. A result contains the time when it was done, with
    its time zone.

    Ces commandes ne changent rien, et aucune n'utilise `KEYS`. Un résultat contient l'heure à laquelle il a été obtenu,
    avec son fuseau horaire.
    """
    worker("--queues", "reports")
    django("import_orders.apply_async(('orders-1.csv',), queue='reports').get(timeout=30)")
    wait_until(lambda: in_flight(redis) == 0)
    django("import_orders.apply_async(('orders-1.csv',), queue='reports', countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    django("[import_orders.delay(name) for name in names]")
    before = dumped(redis), dumped(results)
    steps = console("look.console")
    assert [step.output for step in steps[:3]] == ["PONG", "list", "(integer) 3"]
    assert steps[4].output == "(integer) 0"
    result = json.loads(json.loads(steps[-1].output))
    assert (result["status"], result["result"]) == ("SUCCESS", 1)
    assert datetime.fromisoformat(result["date_done"]).utcoffset() is not None
    assert (dumped(redis), dumped(results)) == before
    assert "cmdstat_keys" not in redis.info("commandstats")
    assert redis.keys("reports") == []


def test_redis_cli_prints_raw_messages_in_a_pipe(django, redis, console):
    """In a terminal, `redis-cli` numbers and quotes its replies. In a pipe, it prints each message unchanged, so `jq`
    can read it and decode its body.

    Dans un terminal, `redis-cli` numérote ses réponses et les met entre guillemets. Dans un pipe, il affiche chaque
    message tel quel : `jq` peut le lire et décoder son corps.
    """
    django("[import_orders.delay(name) for name in names]")
    newest, oldest, numbered, _, decoded = console("messages.console")
    assert (newest.output, oldest.output) == ("('orders-3.csv',)", "('orders-1.csv',)")
    assert [line[:11] for line in numbered.output.splitlines()] == [rf'{number}) "{{\"body' for number in (1, 2, 3)]
    bodies = [json.loads(line) for line in decoded.output.splitlines()[1::2]]
    assert [body[:2] for body in bodies] == [[[f"orders-{number}.csv"], {}] for number in (3, 2, 1)]


def test_the_next_task_is_at_the_end_of_the_list(worker, django, redis):
    """`LINDEX celery 0` is the newest task, and `LINDEX celery -1` the next to run. `LRANGE celery -20 -1` returns the
    next twenty.

    `LINDEX celery 0` est la tâche la plus récente, et `LINDEX celery -1` la prochaine à s'exécuter.
    `LRANGE celery -20 -1` renvoie les vingt prochaines.
    """
    sent = django("sent = [import_orders.delay(name) for name in names]; [each.id for each in sent]")
    listed = [id_of(redis.lindex("celery", index)) for index in (0, 1, -1)]
    assert listed == sent[::-1]
    assert [id_of(each) for each in redis.lrange("celery", -2, -1)] == sent[1::-1]
    worker()
    assert executed(django, sent) == listed[::-1]


def test_waiting_lists_the_tasks_in_the_order_of_their_execution(worker, django, redis, console):
    """`waiting()` lists the tasks in the order in which they will run, whatever their priority. It decodes their
    arguments, compressed or not, and removes nothing from the queue. By default it lists twenty tasks at most.

    `waiting()` liste les tâches dans l'ordre où elles s'exécuteront, quelle que soit leur priorité. Elle décode leurs
    arguments, compressés ou non, et ne retire rien de la file. Par défaut, elle liste vingt tâches au plus.
    """
    sent = django(
        "ways = ({'priority': 3}, {'compression': 'gzip'}, {})\n"
        "sent = [import_orders.apply_async((name,), **way) for name, way in zip(names, ways)]\n"
        "[each.id for each in sent]"
    )
    before = dumped(redis)
    [step] = console("waiting.console")
    assert step.output.count("Waiting(") == 3
    assert "args=['orders-2.csv'], kwargs={}" in step.output
    listed = django("[each.id for each in waiting()]")
    assert django("[each.id for each in waiting(limit=1)]") == listed[:1]
    assert dumped(redis) == before
    worker()
    assert executed(django, sent) == listed
    assert (
        django("[import_orders.apply_async(('a.csv',), queue='unserved') for _ in range(21)]; len(waiting('unserved'))")
        == 20
    )


def test_other_clients_wait_for_keys_longer_than_for_scan(redis, record):
    """`KEYS` visits 500,000 keys in one command, and another client waits for its reply meanwhile. `SCAN` visits the
    same keys in hundreds of short commands: the longest wait of the other client is shorter. Waits are in CPU time of
    the server.

    `KEYS` parcourt 500 000 clés en une seule commande, et un autre client attend sa réponse pendant ce temps. `SCAN`
    parcourt les mêmes clés en centaines de commandes courtes : la plus longue attente de l'autre client est plus
    courte. Les attentes sont en temps CPU du serveur.
    """
    count, script = 500_000, "for n = ARGV[1], ARGV[2] do redis.call('set', 'celery-task-meta-' .. n, '') end"
    for first in range(0, count, 20_000):
        redis.eval(script, 0, first + 1, first + 20_000)
    redis.rename("celery-task-meta-1", "unacked")
    assert redis.dbsize() == count
    in_steps = waits_during_scan(redis)
    at_once = wait_until(lambda: [wait for wait in waits_during_keys(redis) if wait > max(in_steps)])
    walks = {"KEYS 'unacked*'": at_once, "SCAN … MATCH 'unacked*' COUNT 1000": in_steps}
    rows = [
        {"command": command, "keys": count, "calls": len(waits), "milliseconds": float(f"{max(waits):.2g}")}
        for command, waits in walks.items()
    ]
    record("walks", rows)
    assert len(in_steps) > 100


def test_what_each_command_deletes(django, stack, console, record):
    """`DEL` and `UNLINK` leave the other priorities and the messages in `unacked`. `FLUSHDB` empties its database.
    `FLUSHALL` also deletes the cache and the sessions.

    `DEL` et `UNLINK` laissent les autres priorités et les messages dans `unacked`. `FLUSHDB` vide sa base. `FLUSHALL`
    supprime aussi le cache et les sessions.
    """
    databases = redis, results, cache = [stack.redis(number) for number in range(3)]
    doomed = stack.worker()
    django("import_orders.delay('orders-1.csv').get(timeout=30)")
    wait_until(lambda: in_flight(redis) == 0)
    django("import_orders.apply_async(('orders-1.csv',), countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    doomed.kill_group()
    django("[import_orders.apply_async((name,), priority=step) for name, step in zip(names * 2, (0, 0, 0, 3))]")
    django(
        "from django.core.cache import cache\n"
        "from django.conf import settings\n"
        "from django.utils.module_loading import import_string\n"
        "SessionStore = import_string(f'{settings.SESSION_ENGINE}.SessionStore')\n"
        "cache.set('menu', 'soup'); session = SessionStore(); session['user'] = 1; session.save()"
    )
    before = [dumped(database) for database in databases]

    def left_after(command, database=redis):
        restored(databases, before)
        if command:
            database.execute_command(*command.split())
        return {
            "command": command,
            "waiting": redis.llen("celery"),
            "low": redis.llen(LOW),
            "held": in_flight(redis),
            "results": results.dbsize(),
            "sessions": cache.dbsize(),
        }

    rows = [
        left_after(None),
        left_after("DEL celery"),
        left_after("UNLINK celery"),
        left_after("FLUSHDB"),
        left_after("FLUSHDB", results) | {"command": "-n 1 FLUSHDB"},
        left_after("FLUSHALL"),
    ]
    record("destroyed", rows)
    assert [tuple(row.values())[1:] for row in rows] == [
        (3, 1, 1, 1, 2),
        (0, 1, 1, 1, 2),
        (0, 1, 1, 1, 2),
        (0, 0, 0, 1, 2),
        (3, 1, 1, 0, 2),
        (0, 0, 0, 0, 0),
    ]
    restored(databases, before)
    assert [step.output for step in console("delete.console")] == [
        '1) "celery"',
        "(integer) 1",
        "(empty array)",
        "(integer) 1",
        "(integer) 1",
    ]


def test_a_queue_set_aside_loses_nothing(worker, django, redis, console):
    """`RENAMENX` hides the tasks from the workers and loses none. A second `RENAMENX` puts them back, and they run.
    Only `UNLINK` deletes the queue that was set aside.

    `RENAMENX` met les tâches hors de portée des workers sans en perdre. Un second `RENAMENX` les remet dans la file, et
    elles s'exécutent. Seul `UNLINK` supprime la file mise de côté.
    """
    django("[import_orders.delay(name) for name in names]")
    lengths = [step.output for step in console("aside.console")][0:5:2]
    assert lengths == ["(integer) 3", "(integer) 0", "(integer) 3"]
    assert not redis.exists("celery", "celery.aside")
    sent = django("sent = [import_orders.delay(name) for name in names]; [each.id for each in sent]")
    before = redis.lrange("celery", 0, -1)
    assert redis.renamenx("celery", "celery.aside")
    worker()
    assert django("import_orders.delay('orders-1.csv').get(timeout=30)") == 1
    assert django("{each.state for each in sent} == {'PENDING'}")
    assert redis.lrange("celery.aside", 0, -1) == before
    assert redis.renamenx("celery.aside", "celery")
    assert executed(django, sent) == sent


def test_renamenx_does_not_overwrite_new_tasks(django, redis):
    """If new tasks are waiting, `RENAMENX` changes nothing. `RENAME` would delete them.

    Si de nouvelles tâches attendent, `RENAMENX` ne change rien. `RENAME` les supprimerait.
    """
    django("import_orders.delay('orders-1.csv')")
    redis.renamenx("celery", "celery.aside")
    django("[import_orders.delay(name) for name in names]")
    assert not redis.renamenx("celery.aside", "celery")
    assert redis.llen("celery") == 3
    redis.rename("celery.aside", "celery")
    assert redis.llen("celery") == 1


def test_a_second_rename_loses_the_tasks_of_the_first(django, redis):
    """`RENAME celery celery.aside`, run a second time, deletes the tasks that the first one set aside. `RENAMENX`
    returns 0 and changes nothing. With another name, such as one with the date, it sets the new tasks aside too.

    `RENAME celery celery.aside`, lancé une seconde fois, supprime les tâches mises de côté la première fois. `RENAMENX`
    renvoie 0 et ne change rien. Avec un autre nom, par exemple daté, il met aussi les nouvelles tâches de côté.
    """

    def set_aside_then_send_again(rename):
        redis.delete("celery", "celery.aside")
        django("[import_orders.delay(name) for name in names]")
        assert rename("celery", "celery.aside")
        django("import_orders.delay('orders-1.csv')")

    set_aside_then_send_again(redis.rename)
    assert redis.rename("celery", "celery.aside")
    assert (redis.llen("celery"), redis.llen("celery.aside")) == (0, 1)
    set_aside_then_send_again(redis.renamenx)
    assert not redis.renamenx("celery", "celery.aside")
    assert (redis.llen("celery"), redis.llen("celery.aside")) == (1, 3)
    assert redis.renamenx("celery", "celery.aside.2026-12-01")
    assert (redis.llen("celery.aside"), redis.llen("celery.aside.2026-12-01")) == (3, 1)


def test_unlink_frees_the_memory_in_the_background(stack):
    """`UNLINK` deletes the key like `DEL`, but frees its memory in the background.

    `UNLINK` supprime la clé comme `DEL`, mais libère la mémoire en arrière-plan.
    """
    stack.start_redis(lazyfree_lazy_user_del="no")  # the default of Redis; in Valkey, DEL does the same as UNLINK
    redis = stack.redis()

    def freed_in_the_background(command):
        redis.rpush("celery", *["x" * 1000] * 2000)
        before = redis.info()["lazyfreed_objects"]
        assert redis.execute_command(command, "celery") == 1
        assert not redis.exists("celery")
        wait_until(lambda: not redis.info()["lazyfree_pending_objects"])
        return redis.info()["lazyfreed_objects"] - before

    assert freed_in_the_background("DEL") == 0
    assert freed_in_the_background("UNLINK") == 1


@pytest.mark.since("5.7", prints="db0:keys=")
def test_flushall_logs_users_out_and_deletes_results(django, results, stack, console):
    """A deleted result reads as PENDING, like a task that was never sent. `FLUSHALL` also empties the database of the
    sessions, whatever `-n` is, and logs every user out.

    Un résultat supprimé se lit PENDING, comme une tâche jamais envoyée. `FLUSHALL` vide aussi la base des sessions,
    quel que soit `-n`, et déconnecte tous les utilisateurs.
    """
    django(
        "from django.conf import settings\n"
        "from django.utils.module_loading import import_string\n"
        "SessionStore = import_string(f'{settings.SESSION_ENGINE}.SessionStore')\n"
        "from django.core.cache import cache\n"
        "[import_orders.delay(name) for name in names]\n"
        "app.backend.store_result('a', 1, 'SUCCESS'); GroupResult('b', []).save(); cache.set('menu', 'soup')\n"
        "session = SessionStore(); session['user'] = 1; session.save()"
    )
    state = "[AsyncResult('a').state, SessionStore(session.session_key).load()]"
    assert django(state) == ["SUCCESS", {"user": 1}]
    waiting = f"db0:keys={stack.redis(0).dbsize()}"
    steps = console("flush.console")
    assert [step.output.replace("\n", " ") for step in steps] == [
        f"{waiting} db1:keys=2 db2:keys=2",
        "(integer) 1",
        f"{waiting} db1:keys=1 db2:keys=2",
        "OK",
        f"{waiting} db2:keys=2",
        "OK",
        "",
    ]
    assert django(state) == ["PENDING", {}]


def test_a_worker_still_runs_its_reserved_tasks_after_flushall(worker, django, redis, stack):
    """After `FLUSHALL`, a worker still runs the tasks that it has reserved, and new ones. The tasks in the queue are
    lost.

    Après `FLUSHALL`, un worker exécute encore les tâches qu'il a réservées, ainsi que les nouvelles. Les tâches de la
    file sont perdues.
    """
    worker()
    slow = slow_file(stack, "slow.csv")
    django("running = import_orders.delay('slow.csv')")
    with open_once_read(slow) as feed:
        django("sent = [import_orders.delay(name) for name in names * 2]")
        wait_until(lambda: (in_flight(redis), redis.llen("celery")) == (4, 2))
        redis.flushall()
        feed.write(b"id;total\n")
    assert django("[each.get(timeout=30) for each in (running, *sent[:4], import_orders.delay(names[0]))]") == [1] * 6
    assert django("[each.state for each in sent[4:]]") == ["PENDING", "PENDING"]
    wait_until(lambda: (in_flight(redis), redis.llen("celery")) == (0, 0))


def test_clearing_the_cache_flushes_its_database(django, redis):
    """`cache.clear()` is a `FLUSHDB`. The cache has its own database, so the queue stays. On the database of the
    broker, it would empty the queue.

    `cache.clear()` est un `FLUSHDB`. Le cache a sa propre base, donc la file reste. Dans la base du broker, il viderait
    la file.
    """
    django("[import_orders.delay(name) for name in names]")
    django("from django.core.cache import cache; cache.set('menu', 'soup'); cache.clear()")
    assert redis.llen("celery") == 3
    django(
        "from django.conf import settings\n"
        "from django.core.cache.backends.redis import RedisCache\n"
        "RedisCache(settings.CELERY_BROKER_URL, {}).clear()"
    )
    assert redis.llen("celery") == 0


def test_expired_and_evicted_keys_are_counted_separately(stack):
    """`expired_keys` counts the keys that have expired. `evicted_keys` counts those that Redis deleted because memory
    was full. With `allkeys-lru`, the queue is one of them.

    `expired_keys` compte les clés expirées. `evicted_keys` compte celles que Redis a supprimées parce que la mémoire
    était pleine. Avec `allkeys-lru`, la file en fait partie.
    """
    stack.start_redis(maxmemory="0", maxmemory_policy="allkeys-lru")
    redis, counts = stack.redis(), lambda: [redis.info()[name] for name in ("expired_keys", "evicted_keys")]
    redis.set("celery-task-meta-a", "", px=1)
    wait_until(lambda: counts() == [1, 0])
    django = stack.django()
    django("from redis_commands.tasks import import_orders; import_orders.delay('orders-1.csv')")
    assert redis.llen("celery") == 1
    redis.config_set("maxmemory", redis.info()["used_memory"] + 2_000_000)
    pages = (f"cache:{number}" for number in itertools.count())

    def forced_out():
        redis.mset({next(pages): "x" * 5000 for _ in range(50)})
        return not redis.llen("celery")

    wait_until(forced_out)
    expired, evicted = counts()
    assert expired == 1
    assert evicted > 0


def waits_during_keys(redis):
    """The wait of another client, in ms, while `KEYS` visits every key: almost none when the server takes it first."""
    wait, found = wait_during(redis, "KEYS", "unacked*")
    assert found == ["unacked"]
    return [wait]


def waits_during_scan(redis):
    """The wait of another client, in ms, during each `SCAN` of a walk over every key."""
    waits: list[float] = []
    found: list[str] = []
    cursor = "0"
    while not waits or cursor != "0":
        wait, (cursor, some) = wait_during(redis, "SCAN", cursor, "MATCH", "unacked*", "COUNT", "1000")
        waits.append(wait)
        found += some
    assert found == ["unacked"]
    return waits


def wait_during(redis, *command):
    """How long another client waits that asks during *command*, in ms, and what *command* returns.

    It is the CPU time of the server until its reply: on a busy machine, clients wait for other programs too.
    """
    pool = redis.connection_pool
    client, other = pool.get_connection(), pool.get_connection()
    try:
        before = cpu_time(other)
        client.send_command(*command)
        return cpu_time(other) - before, client.read_response()
    finally:
        pool.release(client)
        pool.release(other)


def cpu_time(connection):
    """The CPU time of the server, in ms, when it answers this request."""
    connection.send_command("INFO", "cpu")
    return 1000 * sum(map(float, re.findall(r"used_cpu_(?:sys|user):([\d.]+)", connection.read_response())))


def id_of(message):
    return json.loads(message)["headers"]["id"]


def executed(django, ids):
    """The ids of tasks in the order in which one worker finished them."""
    django(f"results = [AsyncResult(each) for each in {ids!r}]; [each.get(timeout=30) for each in results]")
    return django("[each.id for each in sorted(results, key=lambda each: each.date_done)]")


def dumped(redis):
    """Each key of a database as Redis serializes it, except the lock and the deadlines that each worker postpones."""
    raw = redis_py.Redis(port=redis.get_connection_kwargs()["port"], db=redis.get_connection_kwargs()["db"])
    return {key: raw.dump(key) for key in raw.scan_iter() if key not in (b"_kombu.binding_deadlines", b"unacked_mutex")}


def restored(databases, dumps):
    databases[0].flushall()
    for redis, dump in zip(databases, dumps, strict=True):
        for key, value in dump.items():
            redis.restore(key, 0, value)


def of_this_stack(stack, project):
    """The name of the Compose project of the stack; makes the `docker compose` of the console use this project."""
    name, _ = project_of_this_process(project)
    _, variables, _, file, _, over = compose_files(project)
    write_script(
        stack.folder / "bin",
        "docker",
        f"export COMPOSE_PROJECT_NAME={name} COMPOSE_ENV_FILES={variables} COMPOSE_FILE={project.root / file}:{over}\n"
        f'exec {shutil.which("docker")} "$@" <&2',  # stdin is the terminal that stderr writes to
    )
    return name
