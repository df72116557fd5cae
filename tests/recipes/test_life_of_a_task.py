import json
import re
import signal
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread

import pytest
from situations import LATE, django_with_file, in_flight, slow_file, unlock

from cookbook.testing import wait_until

WORKER = {"SERVICE": "worker"}
named = pytest.mark.since("5.6", gap="before Celery 5.6, connections have no name, and the trace needs it")


@pytest.fixture
def slow(stack):
    """A file that a task reads until the test closes it."""
    return slow_file(stack, "slow.pdf")


@pytest.fixture
def django(stack, slow):
    """Django with a file of three bytes, and a slow one."""
    return django_with_file(stack, "a.pdf", "from life_of_a_task.tasks import checksum")


@pytest.mark.since("5.7", fails="'django UNSUBSCRIBE'")
@named
def test_a_task_is_these_commands_from_delay_to_its_result(worker, django, redis, slow, record):
    """From `.delay()` to its result, a task consists of these commands, in this order.

    De `.delay()` à son résultat, une tâche se résume à ces commandes, dans cet ordre.
    """
    worker(env=WORKER)
    warm_up(django, redis)
    with watched(redis) as lines, ThreadPoolExecutor() as pool:
        wait_for_poll(lines)
        result = pool.submit(django, "result = checksum.delay('slow.pdf'); result.get(timeout=30)")
        with slow.open("wb") as feed:  # opens once the task reads
            wait_until(lambda: in_flight(redis) == 0)
            feed.write(b"abc")
        assert result.result(timeout=60).startswith("ba7816bf")
    arrows = drawn(lines, redis, django("result.id"))
    record("trace", arrows)
    steps = [f"{arrow['source']} {arrow['text'].split()[0]}" for arrow in arrows]
    steps.remove("django GET")  # .get() reads the key once, at any moment while the task runs
    assert steps == [
        "worker BRPOP",
        "django SUBSCRIBE",
        "django LPUSH",
        "redis celery",
        "worker ZADD",
        "worker HSET",
        "worker ZREM",
        "worker HDEL",
        "worker GET",
        "worker SETEX",
        "worker PUBLISH",
        "redis message",
        "django UNSUBSCRIBE",
    ]


@named
def test_with_acks_late_the_acknowledgement_comes_after_the_result(worker, django, redis, slow, record):
    """With `acks_late`, the message leaves `unacked` only after the result is stored.

    Avec `acks_late`, le message ne quitte `unacked` qu'après l'enregistrement du résultat.
    """
    worker(env=WORKER, settings=LATE)
    warm_up(django, redis)
    with watched(redis) as lines, ThreadPoolExecutor() as pool:
        wait_for_poll(lines)
        result = pool.submit(django, "result = checksum.delay('slow.pdf'); result.get(timeout=30)")
        with slow.open("wb") as feed:
            assert in_flight(redis) == 1
            feed.write(b"abc")
        result.result(timeout=60)
        wait_until(lambda: in_flight(redis) == 0)
    arrows = drawn(lines, redis, django("result.id"))
    record("late", arrows)
    steps = [arrow["text"].split()[0] for arrow in arrows if arrow["source"] == "worker"]
    assert steps == ["BRPOP", "ZADD", "HSET", "GET", "SETEX", "PUBLISH", "ZREM", "HDEL"]


def test_monitor_shows_the_commands_of_a_task(worker, django, redis, stack, console):
    """`MONITOR` shows these commands as they happen.

    `MONITOR` montre ces commandes en direct.
    """
    worker()
    file = stack.folder / "public" / "a.pdf"
    file.unlink()
    slow_file(stack, "a.pdf")
    Thread(target=feed_once_acknowledged, args=(file, redis), daemon=True).start()
    [watch] = console("watch.console")
    assert [line.split('"')[1] for line in watch.output.splitlines()] == [
        "LPUSH",
        "ZADD",
        "HSET",
        "ZREM",
        "HDEL",
        "SETEX",
        "PUBLISH",
    ]


@pytest.mark.since("5.6", fails=r"clients\.console.* name=django-queue")
def test_each_connection_has_the_name_of_its_service(worker, django, console):
    """With these settings, `CLIENT LIST` shows which service opened each connection and what it is for.

    Avec ces réglages, `CLIENT LIST` montre quel service a ouvert chaque connexion, et pour quel usage.
    """
    worker(env=WORKER)
    django("checksum.delay('a.pdf').get(timeout=30)")
    [clients] = console("clients.console")
    assert clients.output.split() == [
        "name=django-queue",
        "name=django-results",
        "name=worker-queue",
        "name=worker-results",
    ]


def test_without_these_settings_connections_have_no_name(worker, stack, redis):
    """Without these settings, no connection has a name.

    Sans ces réglages, aucune connexion n'a de nom.
    """
    stack.settings = "core.settings"
    worker()
    assert stack.django()("from core.tasks import ping; ping.delay().get(timeout=30)") == "pong"
    assert {client["name"] for client in redis.client_list()} == {""}


def test_a_message_that_a_worker_received_is_in_unacked(worker, django, redis, slow):
    """Once a worker has received the message, it is no longer in the list, but still in Redis, in `unacked`.

    Une fois reçu par un worker, le message n'est plus dans la liste, mais reste dans Redis, dans `unacked`.
    """
    worker(settings=LATE)
    tag = django("result = checksum.delay('slow.pdf'); result.id") and wait_until(lambda: redis.hkeys("unacked"))
    with slow.open("wb"):
        assert redis.llen("celery") == 0
        message, _exchange, queue = json.loads(redis.hget("unacked", *tag))
        assert message["headers"]["id"] == django("result.id")
        assert queue == "celery"
        assert redis.zrange("unacked_index", 0, -1) == tag


@named
def test_the_worker_writes_and_removes_unacked_in_one_transaction(worker, django, redis):
    """The worker writes to `unacked` and `unacked_index` in one transaction, and removes from both in one transaction.

    Le worker écrit dans `unacked` et `unacked_index` en une transaction, et les efface de même en une seule.
    """
    worker(env=WORKER)
    warm_up(django, redis)
    with watched(redis) as lines:
        django("checksum.delay('a.pdf').get(timeout=30)")
        wait_until(lambda: in_flight(redis) == 0)
    # A worker looks for expired messages from time to time.
    done = [each for each in transactions(lines) if each != ["EVALSHA"]]
    assert sorted(done) == [["SETEX", "PUBLISH"], ["ZADD", "HSET"], ["ZREM", "HDEL"]]


def test_the_result_is_a_key_that_expires(worker, django, results):
    """The result is one key, stored and published in one transaction. It expires after a day, the default of
    `result_expires`.

    Le résultat est une clé, enregistrée et publiée en une transaction. Elle expire au bout d'un jour, valeur par défaut
    de `result_expires`.
    """
    worker()
    django("result = checksum.delay('a.pdf'); result.get(timeout=30)")
    key = f"celery-task-meta-{django('result.id')}"
    assert results.keys() == [key]
    assert json.loads(results.get(key))["status"] == "SUCCESS"
    day = timedelta(days=1).total_seconds()
    assert day - 30 < results.ttl(key) <= day


@named
def test_get_reads_redis_once_then_waits_for_the_notification(worker, django, redis, slow):
    """However long the task runs, `.get()` reads the key once, then waits for the notification.

    Quelle que soit la durée de la tâche, `.get()` lit la clé une seule fois, puis attend la notification.
    """
    worker(env=WORKER)
    with watched(redis) as lines, ThreadPoolExecutor() as pool:
        result = pool.submit(django, "result = checksum.delay('slow.pdf'); result.get(timeout=30)")
        with slow.open("wb") as feed:
            for _ in range(2):  # the worker asks for the next message each second
                wait_for_poll(lines)
            feed.write(b"abc")
        result.result(timeout=60)
    task_id = django("result.id")
    asked = [line for line in lines if line["client"] == "django-results" and task_id in line["command"]]
    commands = [line["command"].split()[0] for line in asked]
    assert commands[:3] == ["SUBSCRIBE", "GET", "UNSUBSCRIBE"]
    assert set(commands[3:]) <= {"UNSUBSCRIBE"}  # before 5.7, it is sent twice


@named
def test_an_ignored_result_sends_nothing_to_the_result_database(worker, django, redis):
    """With `ignore_result`, a task sends no command to the result database.

    Avec `ignore_result`, une tâche n'envoie aucune commande à la base des résultats.
    """
    running = worker(env=WORKER)
    with watched(redis) as lines:
        django("checksum.apply_async(('a.pdf',), ignore_result=True)")
        running.wait_for("succeeded")
    assert "LPUSH" in {line["command"].split()[0] for line in lines}
    assert {line["db"] for line in lines} == {0}


@pytest.mark.since("5.7", prints="ignore_result")
def test_the_message_can_be_read_before_a_worker_receives_it(django, console):
    """The message is JSON. `headers` contains the name of the task, and `body` its arguments, encoded in base64.

    Le message est en JSON. `headers` contient le nom de la tâche, et `body` ses arguments, encodés en base64.
    """
    _, length, headers, properties, body = console("message.console")
    assert length.output == "(integer) 1"
    headers = json.loads(headers.output)
    assert headers["task"] == "life_of_a_task.tasks.checksum"
    assert json.loads(properties.output)["body_encoding"] == "base64"
    args, kwargs, embed = json.loads(body.output)
    assert (args, kwargs) == (["a.pdf"], {"algorithm": "sha1"})
    assert set(embed) == {"callbacks", "errbacks", "chain", "chord"}


def test_arguments_appear_twice_in_the_message(django, redis):
    """The arguments are in the message twice: encoded in `body`, and in plain text in `argsrepr` and `kwargsrepr`.

    Les arguments figurent deux fois dans le message : encodés dans `body`, et en clair dans `argsrepr` et `kwargsrepr`.
    """
    django("checksum.delay('a.pdf', algorithm='sha1')")
    message = json.loads(redis.lindex("celery", -1))
    assert message["headers"]["argsrepr"] == "('a.pdf',)"
    assert message["headers"]["kwargsrepr"] == "{'algorithm': 'sha1'}"
    assert json.loads(b64decode(message["body"]))[0] == ["a.pdf"]


def test_the_first_message_sent_is_the_first_received(worker, django, redis, stack):
    """Messages enter on the left and leave on the right: `LINDEX celery 0` is the newest, and `LINDEX celery -1` the
    next to run.

    Les messages entrent à gauche et sortent à droite : `LINDEX celery 0` est le plus récent, et `LINDEX celery -1` le
    prochain à s'exécuter.
    """
    ids = [django(f"checksum.delay('a.pdf', algorithm={name!r}).id") for name in ("md5", "sha1")]
    assert [json.loads(redis.lindex("celery", index))["headers"]["id"] for index in (-1, 0)] == ids
    running = worker()
    wait_until(lambda: running.log.count("succeeded") == 2)
    assert re.findall(r"Task \S+\[(\S+)\] received", running.log) == ids


def test_a_worker_killed_before_the_acknowledgement_leaves_the_message_in_unacked(worker, django, redis, slow):
    """If a worker is killed before the acknowledgement, the message stays in `unacked` and another worker does not
    receive it.

    Si un worker est tué avant l'acquittement, le message reste dans `unacked` et un autre worker ne le reçoit pas.
    """
    running = worker(settings=LATE)
    django("result = checksum.delay('slow.pdf')")
    with slow.open("wb"), watched(redis) as lines:
        wait_for_poll(lines)  # by then, an early acknowledgement would have been sent
        running.kill_group()
    assert (redis.llen("celery"), in_flight(redis)) == (0, 1)
    worker(name="worker2", settings=LATE)
    assert django("checksum.delay('a.pdf').get(timeout=30)")
    assert django("result.state") == "PENDING"
    wait_until(lambda: in_flight(redis) == 1)


def test_after_the_visibility_timeout_a_starting_worker_runs_it(worker, django, redis, slow):
    """Once `visibility_timeout` has passed, a worker that starts requeues the message and runs it.

    Une fois `visibility_timeout` écoulé, un worker qui démarre remet le message dans la file et l'exécute.
    """
    running = worker(settings=LATE)
    django("result = checksum.delay('slow.pdf')")
    with slow.open("wb"):
        running.kill_group()
    unlock(redis)
    [(_, taken)] = redis.zrange("unacked_index", 0, -1, withscores=True)
    wait_until(lambda: redis.time()[0] > taken + 2)
    worker(name="worker2", settings={**LATE, "CELERY_BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 1}})
    with slow.open("wb") as feed:
        feed.write(b"abc")
    assert django("result.get(timeout=30)").startswith("ba7816bf")


def test_a_worker_killed_after_an_early_acknowledgement_leaves_nothing(worker, django, redis, stack, slow):
    """If the worker is killed after an early acknowledgement, nothing of the task is left in Redis. Its state stays
    PENDING.

    Si le worker est tué après un acquittement précoce, il ne reste rien de la tâche dans Redis. Son état reste PENDING.
    """
    running = worker()
    django("result = checksum.delay('slow.pdf')")
    with slow.open("wb"):
        wait_until(lambda: in_flight(redis) == 0)
        running.kill_group()
    assert redis.llen("celery") == 0
    assert stack.redis(1).dbsize() == 0
    assert django("result.state") == "PENDING"


def test_a_message_can_be_lost_between_the_list_and_unacked(worker, django, redis):
    """Between `BRPOP` and `ZADD`, the message is only on its way to the worker. If the worker is killed at that moment,
    the message is lost, even with `acks_late`.

    Entre `BRPOP` et `ZADD`, le message est seulement en route vers le worker. Si celui-ci est tué à cet instant, le
    message est perdu, même avec `acks_late`.
    """
    frozen = worker(env=WORKER, settings=LATE)
    warm_up(django, redis)

    def received_by_the_frozen_worker():
        with watched(redis) as lines:
            wait_for_poll(lines)
            frozen.signal(signal.SIGSTOP)  # the connection stays open, as for a process that gets no CPU time
            django("result = checksum.delay('a.pdf')")
        if redis.llen("celery") == 0:
            return True
        frozen.signal(signal.SIGCONT)  # the message came after the BRPOP of the frozen worker had timed out: try again
        django("result.get(timeout=30)")
        return False

    wait_until(received_by_the_frozen_worker)
    assert (redis.llen("celery"), in_flight(redis)) == (0, 0)
    frozen.kill_group()
    worker(name="worker2", settings=LATE)
    assert django("checksum.delay('a.pdf').get(timeout=30)")
    assert django("result.state") == "PENDING"


def test_pending_only_means_that_there_is_no_key(django, results):
    """`PENDING` is not stored. Celery returns it when the key does not exist, even for an id that was never sent.

    `PENDING` n'est pas enregistré. Celery renvoie cet état quand la clé n'existe pas, même pour un id jamais envoyé.
    """
    assert django("checksum.AsyncResult('never-sent').state") == "PENDING"
    django("result = checksum.delay('a.pdf')")
    assert django("result.state") == "PENDING"
    assert results.dbsize() == 0


def warm_up(django, redis):
    """Run a first task, so that all connections are open."""
    django("checksum.delay('a.pdf').get(timeout=30)")
    wait_until(lambda: in_flight(redis) == 0)


def feed_once_acknowledged(file, redis):
    with file.open("wb") as feed:
        wait_until(lambda: in_flight(redis) == 0)
        feed.write(b"abc")


@contextmanager
def watched(redis):
    """The lines of MONITOR, a list that grows; at the end, the `client` of each line is the name of its connection."""
    lines = []

    def read(monitor):
        for line in monitor.listen():
            if line["command"] == "ECHO end-of-trace":
                return
            lines.append(line)

    with redis.monitor() as monitor:
        reader = Thread(target=read, args=(monitor,), daemon=True)
        reader.start()
        yield lines
        names = {client["addr"]: client["name"] for client in redis.client_list()}
        redis.echo("end-of-trace")
        reader.join(10)
    for line in lines:
        line["client"] = names.get(f"{line['client_address']}:{line['client_port']}", "")
    lines[:] = [line for line in lines if line["client"]]


def wait_for_poll(lines):
    """Wait until a worker sends its next BRPOP."""
    seen = len(lines)
    wait_until(lambda: any(line["command"].startswith("BRPOP") for line in lines[seen:]), every=0.01)


def transactions(lines):
    """The names of the commands of each transaction, in the order in which the transactions end."""
    done: list[list[str]] = []
    open_: dict[str, list[str]] = {}
    for line in lines:
        name, connection = line["command"].split()[0], line["client_port"]
        if name == "MULTI":
            open_[connection] = []
        elif name == "EXEC":
            done.append(open_.pop(connection))
        elif connection in open_:
            open_[connection].append(name)
    return done


def drawn(lines, redis, task_id):
    """The messages about one task between Django, Redis and the worker, for a sequence diagram."""
    [sent] = [line for line in lines if line["command"].startswith("LPUSH") and task_id in line["command"]]
    [noted] = [line for line in lines if line["command"].startswith("ZADD unacked_index")]
    tag = noted["command"].split()[-1]
    asked = [line for line in lines if line["command"].startswith("BRPOP") and line["time"] < sent["time"]][-1]
    arrows = []
    for line in lines[lines.index(asked) :]:
        command = line["command"]
        if line is not asked and task_id not in command and tag not in command:
            continue
        actor = line["client"].partition("-")[0]
        arrow = {"at": float(line["time"]) - float(asked["time"]), "source": actor, "target": "redis"}
        arrows.append({**arrow, "text": shortened(command, task_id, tag)})
        if line is sent:  # Redis answers the waiting BRPOP at once
            arrows.append({**arrow, "source": "redis", "target": "worker", "text": "celery {…}"})
        if command.startswith("PUBLISH"):
            text = f"message {shortened(command, task_id, tag).partition(' ')[2]}"
            arrows.append({**arrow, "source": "redis", "target": "django", "text": text})
    return arrows


def shortened(command, task_id, tag):
    command = re.sub(r"[\[{]+\".*", "{…}", command).replace(task_id, "<id>").replace(tag, "<tag>")
    command = re.sub(r"^(SETEX .*) {…}", r"\1", command)
    return re.sub(r"\d{10}\.\d+", "<time>", re.sub(r"^BRPOP celery .*", "BRPOP celery …", command))
