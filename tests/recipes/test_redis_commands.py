import itertools
import json
import shutil
from datetime import datetime

import pytest
import redis as redis_py
from situations import held, reader, slow_file

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
    """`docker compose exec redis redis-cli` reaches the server whatever its container is called: Compose now names it
    with hyphens, no more with underscores.

    `docker compose exec redis redis-cli` atteint le serveur quel que soit le nom de son conteneur : Compose le nomme
    désormais avec des tirets, et non plus des tirets bas.
    """
    if stack.backend != "compose":
        pytest.skip("it takes a Docker engine: the container of Redis itself is entered")
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
    """These commands change nothing, and none of them walks over all keys at once; a result says when it was done,
    with its time zone.

    Ces commandes ne changent rien, et aucune ne parcourt toutes les clés d'un coup ; un résultat dit quand il a été
    obtenu, avec son fuseau horaire.
    """
    worker("--queues", "reports")
    django("import_orders.apply_async(('orders-1.csv',), queue='reports').get(timeout=30)")
    wait_until(lambda: held(redis) == 0)
    django("import_orders.apply_async(('orders-1.csv',), queue='reports', countdown=3600)")
    wait_until(lambda: held(redis) == 1)
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


def test_a_pipe_gets_each_message_as_it_is(django, redis, console):
    """On a terminal `redis-cli` numbers and quotes its replies; in a pipe it prints each message as it is, for `jq`
    to read, and to decode its body.

    Sur un terminal, `redis-cli` numérote ses réponses et les met entre guillemets ; dans un pipe, il écrit chaque
    message tel quel, que `jq` lit, et dont il décode le corps.
    """
    django("[import_orders.delay(name) for name in names]")
    newest, oldest, numbered, _, decoded = console("messages.console")
    assert (newest.output, oldest.output) == ("('orders-3.csv',)", "('orders-1.csv',)")
    assert [line[:11] for line in numbered.output.splitlines()] == [rf'{number}) "{{\"body' for number in (1, 2, 3)]
    bodies = [json.loads(line) for line in decoded.output.splitlines()[1::2]]
    assert [body[:2] for body in bodies] == [[[f"orders-{number}.csv"], {}] for number in (3, 2, 1)]


def test_the_next_task_is_at_the_end_of_the_list(worker, django, redis):
    """`LINDEX celery 0` is the newest task; the next to run is `LINDEX celery -1`, and the next twenty are
    `LRANGE celery -20 -1`.

    `LINDEX celery 0` est la tâche la plus récente ; la prochaine à s'exécuter est `LINDEX celery -1`, et les vingt
    prochaines sont `LRANGE celery -20 -1`.
    """
    sent = django("sent = [import_orders.delay(name) for name in names]; [each.id for each in sent]")
    listed = [id_of(redis.lindex("celery", index)) for index in (0, 1, -1)]
    assert listed == sent[::-1]
    assert [id_of(each) for each in redis.lrange("celery", -2, -1)] == sent[1::-1]
    worker()
    assert executed(django, sent) == listed[::-1]


def test_waiting_lists_the_tasks_in_the_order_of_their_execution(worker, django, redis, console):
    """`waiting()` lists the tasks in the order in which they will run, whatever their priority, with their decoded
    arguments, compressed or not; twenty at most, unless told otherwise. It takes nothing from the queue.

    `waiting()` liste les tâches dans l'ordre où elles s'exécuteront, quelle que soit leur priorité, avec leurs
    arguments décodés, compressés ou non ; vingt au plus, sauf demande contraire. Elle n'ôte rien de la file.
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


def test_keys_visits_every_key_in_one_command(redis, record):
    """`KEYS *` visits every key in a single command; `SCAN` shares the same work out among thousands of short ones.

    `KEYS *` visite toutes les clés en une seule commande ; `SCAN` répartit le même travail entre des milliers de
    commandes brèves.
    """
    count = 20_000
    redis.mset({f"celery-task-meta-{number}": "" for number in range(count)})
    assert len(redis.keys("*")) == len(set(redis.scan_iter())) == count
    spent = redis.info("commandstats")
    keys, scan = (
        {
            "command": name,
            "keys": count,
            "calls": spent[stat]["calls"],
            "milliseconds": float(f"{spent[stat]['usec_per_call'] / 1000:.2g}"),
        }
        for name, stat in (("KEYS *", "cmdstat_keys"), ("SCAN", "cmdstat_scan"))
    )
    record("walks", [keys, scan])
    assert keys["calls"] == 1
    assert scan["calls"] > 1000
    assert keys["milliseconds"] > 10 * scan["milliseconds"]


def test_what_each_command_destroys(django, stack, console, record):
    """`DEL` and `UNLINK` leave the other priorities and what workers hold; `FLUSHDB` empties its database,
    `FLUSHALL` the cache and the sessions too.

    `DEL` et `UNLINK` laissent les autres priorités et ce que les workers retiennent ; `FLUSHDB` vide sa base,
    `FLUSHALL` jusqu'au cache et aux sessions.
    """
    databases = redis, results, cache = [stack.redis(number) for number in range(3)]
    doomed = stack.worker()
    django("import_orders.delay('orders-1.csv').get(timeout=30)")
    wait_until(lambda: held(redis) == 0)
    django("import_orders.apply_async(('orders-1.csv',), countdown=3600)")
    wait_until(lambda: held(redis) == 1)
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
            "held": held(redis),
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
    """`RENAME` takes the tasks away from the workers without losing any; `RENAMENX` gives them back, and they run;
    only `UNLINK` deletes what was set aside.

    `RENAME` soustrait les tâches aux workers sans en perdre aucune ; `RENAMENX` les rend, et elles s'exécutent ;
    seul `UNLINK` supprime ce qui a été mis de côté.
    """
    django("[import_orders.delay(name) for name in names]")
    lengths = [step.output for step in console("aside.console")][0:5:2]
    assert lengths == ["(integer) 3", "(integer) 0", "(integer) 3"]
    assert not redis.exists("celery", "celery.aside")
    sent = django("sent = [import_orders.delay(name) for name in names]; [each.id for each in sent]")
    before = redis.lrange("celery", 0, -1)
    redis.rename("celery", "celery.aside")
    worker()
    assert django("import_orders.delay('orders-1.csv').get(timeout=30)") == 1
    assert django("{each.state for each in sent} == {'PENDING'}")
    assert redis.lrange("celery.aside", 0, -1) == before
    assert redis.renamenx("celery.aside", "celery")
    assert executed(django, sent) == sent


def test_a_queue_given_back_covers_no_new_task(django, redis):
    """While new tasks wait, `RENAMENX` changes nothing; `RENAME` would erase them.

    Tant que de nouvelles tâches attendent, `RENAMENX` ne change rien ; `RENAME` les effacerait.
    """
    django("import_orders.delay('orders-1.csv')")
    redis.rename("celery", "celery.aside")
    django("[import_orders.delay(name) for name in names]")
    assert not redis.renamenx("celery.aside", "celery")
    assert redis.llen("celery") == 3
    redis.rename("celery.aside", "celery")
    assert redis.llen("celery") == 1


def test_unlink_frees_the_memory_in_the_background(stack):
    """`UNLINK` takes the key away like `DEL`, and frees its memory in the background.

    `UNLINK` retire la clé comme `DEL`, et libère sa mémoire en arrière-plan.
    """
    stack.start_redis(lazyfree_lazy_user_del="no")  # as in Redis: Valkey has made DEL do the same
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
def test_flushall_logs_users_out_and_forgets_results(django, results, stack, console):
    """A result that was erased is PENDING, as if its task had never run; `FLUSHALL` empties the database of the
    sessions too, whatever `-n` says, and every user is logged out.

    Un résultat effacé est PENDING, comme si sa tâche n'avait jamais existé ; `FLUSHALL` vide aussi la base des
    sessions, quel que soit `-n`, et tous les utilisateurs sont déconnectés.
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


def test_a_worker_keeps_what_it_reserved_over_flushall(worker, django, redis, stack):
    """After `FLUSHALL` a worker still runs what it had reserved, and the tasks sent afterwards; those that waited in
    the queue are lost.

    Après `FLUSHALL`, un worker exécute encore ce qu'il avait réservé, et les tâches envoyées ensuite ; celles qui
    attendaient dans la file sont perdues.
    """
    worker()
    slow = slow_file(stack, "slow.csv")
    django("running = import_orders.delay('slow.csv')")
    with reader(slow) as feed:
        django("sent = [import_orders.delay(name) for name in names * 2]")
        wait_until(lambda: (held(redis), redis.llen("celery")) == (4, 2))
        redis.flushall()
        feed.write(b"id;total\n")
    assert django("[each.get(timeout=30) for each in (running, *sent[:4], import_orders.delay(names[0]))]") == [1] * 6
    assert django("[each.state for each in sent[4:]]") == ["PENDING", "PENDING"]
    wait_until(lambda: (held(redis), redis.llen("celery")) == (0, 0))


def test_clearing_the_cache_flushes_its_database(django, redis):
    """`cache.clear()` is a `FLUSHDB`: the cache has a database of its own, and the queue stays; in that of the
    broker, it would empty the queue.

    `cache.clear()` est un `FLUSHDB` : le cache a sa propre base, et la file reste ; dans celle du broker, il viderait
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


def test_expired_and_evicted_keys_are_two_things(stack):
    """`expired_keys` counts keys whose time was up; `evicted_keys` those that Redis deleted for want of room, and under
    `allkeys-lru` the queue is one of them.

    `expired_keys` compte les clés arrivées à échéance ; `evicted_keys`, celles que Redis a supprimées faute de place,
    et sous `allkeys-lru` la file en fait partie.
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


def id_of(message):
    return json.loads(message)["headers"]["id"]


def executed(django, ids):
    """The ids of tasks in the order in which one worker finished them."""
    django(f"results = [AsyncResult(each) for each in {ids!r}]; [each.get(timeout=30) for each in results]")
    return django("[each.id for each in sorted(results, key=lambda each: each.date_done)]")


def dumped(redis):
    """Each key of a database as Redis would store it, but the deadlines that every worker puts off, and its lock."""
    raw = redis_py.Redis(port=redis.get_connection_kwargs()["port"], db=redis.get_connection_kwargs()["db"])
    return {key: raw.dump(key) for key in raw.scan_iter() if key not in (b"_kombu.binding_deadlines", b"unacked_mutex")}


def restored(databases, dumps):
    databases[0].flushall()
    for redis, dump in zip(databases, dumps, strict=True):
        for key, value in dump.items():
            redis.restore(key, 0, value)


def of_this_stack(stack, project):
    """The name of the stack's Compose project, which the reader's `docker compose` finds in their folder."""
    name, _ = project_of_this_process(project)
    _, variables, _, file, _, over = compose_files(project)
    write_script(
        stack.folder / "bin",
        "docker",
        f"export COMPOSE_PROJECT_NAME={name} COMPOSE_ENV_FILES={variables} COMPOSE_FILE={project.root / file}:{over}\n"
        f'exec {shutil.which("docker")} "$@" <&2',  # the reader types at the terminal that it writes its errors to
    )
    return name
