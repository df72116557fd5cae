import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from situations import redelivered_within_seconds, wait_for_start

from cookbook.testing import ABSENT, DjangoError, reference, wait_until

SEND = "from core.tasks import ping; result = ping.delay(); result.id"
APP = "__import__('core').celery_app"
INSPECT = f"{APP}.control.inspect(['worker1@cookbook'], timeout=30)"
FAIL = "from core.celery import app; result = app.send_task('core.tasks.ping', ('too many arguments',)); result.id"

OLD_NAMES = {  # each with its value, and the new name
    "CELERYD_PREFETCH_MULTIPLIER": (9, "worker_prefetch_multiplier"),
    "CELERYD_CONCURRENCY": (3, "worker_concurrency"),
    "CELERYD_TASK_TIME_LIMIT": (60, "task_time_limit"),
    "CELERY_DEFAULT_RATE_LIMIT": ("10/s", "task_default_rate_limit"),
    "CELERY_ACKS_LATE": (True, "task_acks_late"),
    "CELERY_IGNORE_RESULT": (True, "task_ignore_result"),
    "CELERY_ALWAYS_EAGER": (True, "task_always_eager"),
    "CELERY_ROUTES": ({"shop.*": "slow"}, "task_routes"),
    "CELERY_TASK_RESULT_EXPIRES": (30, "result_expires"),
    "CELERY_MAX_CACHED_RESULTS": (100, "result_cache_max"),
    "BROKER_POOL_LIMIT": (3, "broker_pool_limit"),
    "BROKER_TRANSPORT_OPTIONS": ({"max_connections": 9}, "broker_transport_options"),
}


@pytest.fixture
def plain(stack):
    """The stack with the settings of the installation page, without those of this recipe."""
    stack.settings = "core.settings"
    return stack


@pytest.fixture
def slow(stack):
    """Settings that register the task `slow.read`, and a named pipe for the task to wait on."""
    (stack.folder / "slow.py").write_text(
        "from pathlib import Path\n"
        "from celery import shared_task\n\n"
        "@shared_task(name='slow.read')\n"
        "def read(path):\n"
        "    return Path(path).read_text()\n"
    )
    os.mkfifo(stack.folder / "pipe")
    return {"CELERY_IMPORTS": ["slow"]}, stack.folder / "pipe"


# The lines of the recipe ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [True, False])
@redelivered_within_seconds
def test_a_message_in_flight_for_ninety_minutes_is_not_redelivered(worker, stack, redis, kept):
    """A message that a worker received 90 minutes ago and has not acknowledged is not redelivered. Without
    `visibility_timeout`, it is.

    Un message qu'un worker a reçu il y a 90 minutes et n'a pas acquitté n'est pas relivré. Sans `visibility_timeout`,
    il l'est.
    """
    django = stack.django()
    sweeping = {"unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    if kept:
        sweeping["visibility_timeout"] = django(f"{APP}.conf.broker_transport_options['visibility_timeout']")
    first = worker(name="first")
    task_id = django("from core.tasks import ping; ping.apply_async(countdown=7200).id")
    wait_until(lambda: redis.hlen("unacked") == 1)
    [tag] = redis.hkeys("unacked")
    redis.zincrby("unacked_index", -90 * 60, tag)
    other = worker(name="other", settings={"CELERY_BROKER_TRANSPORT_OPTIONS": sweeping})
    swept = calls(redis, "zrange")
    wait_until(lambda: calls(redis, "zrange") >= swept + 2)  # it has looked twice for expired messages

    def received():
        return sum(each.log.count(f"{task_id}] received") for each in (first, other))

    if not kept:
        wait_until(lambda: received() > 1)
    assert received() == (1 if kept else 2)


def test_the_visibility_timeout_exceeds_the_longest_delay_plus_a_task(django):
    """The visibility timeout is longer than the longest countdown of these pages (`LONGEST_DELAY`) plus the time limit
    of a task.

    Le délai de visibilité dépasse le plus long compte à rebours de ces pages (`LONGEST_DELAY`) plus la limite de temps
    d'une tâche.
    """
    django("from core.celery import app; from first_task.deletion import LONGEST_DELAY")
    longest = django("LONGEST_DELAY.total_seconds() + app.conf.task_time_limit")
    assert django("app.conf.broker_transport_options['visibility_timeout']") > longest


def test_sending_to_a_frozen_redis_fails_within_seconds(stack, redis):
    """If Redis stops answering, sending a task fails with OperationalError after a few seconds. Without
    `socket_timeout`, or without `CELERY_TASK_IGNORE_RESULT`, it is still blocked by then.

    Si Redis ne répond plus, l'envoi d'une tâche échoue avec OperationalError en quelques secondes. Sans
    `socket_timeout`, ou sans `CELERY_TASK_IGNORE_RESULT`, il est encore bloqué à ce moment-là.
    """
    recipe = stack.django()
    unbounded = stack.django({"CELERY_BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 7200}})
    with_results = stack.django({"CELERY_TASK_IGNORE_RESULT": ABSENT})
    with ThreadPoolExecutor() as threads:
        freeze(redis, seconds=10)
        hanging = [threads.submit(each, SEND, timeout=60) for each in (unbounded, with_results)]
        with pytest.raises(DjangoError) as failure:
            recipe(SEND)
        assert failure.value.name == "OperationalError"
        assert not any(each.done() for each in hanging)
        assert all(each.result() for each in hanging)  # they succeed once Redis answers again


def test_reading_a_state_from_a_frozen_redis_fails_within_seconds(stack, redis):
    """If Redis stops answering, reading the state of a task fails with TimeoutError. Without
    `CELERY_REDIS_SOCKET_TIMEOUT`, it is still blocked by then.

    Si Redis ne répond plus, la lecture de l'état d'une tâche échoue avec TimeoutError. Sans
    `CELERY_REDIS_SOCKET_TIMEOUT`, elle est encore bloquée à ce moment-là.
    """
    read = "from core.celery import app; app.AsyncResult('any').state"
    recipe, unbounded = stack.django(), stack.django({"CELERY_REDIS_SOCKET_TIMEOUT": ABSENT})
    with ThreadPoolExecutor() as threads:
        freeze(redis, seconds=6)
        hanging = threads.submit(unbounded, read, timeout=60)
        with pytest.raises(DjangoError) as failure:
            recipe(read)
        assert failure.value.name == "TimeoutError"
        assert not hanging.done()
        assert hanging.result() == "PENDING"


def test_a_short_socket_timeout_does_not_disconnect_the_worker(worker, stack, redis):
    """A `socket_timeout` shorter than the worker's BRPOP does not cut its connection.

    Un `socket_timeout` plus court que le BRPOP du worker ne coupe pas sa connexion.
    """
    worker = worker(settings={"CELERY_BROKER_TRANSPORT_OPTIONS": {"socket_timeout": 0.2}})
    [before] = wait_until(lambda: waiting(redis))
    waits = calls(redis, "brpop")
    wait_until(lambda: calls(redis, "brpop") >= waits + 3)
    task_id = stack.django()(SEND)
    worker.wait_for(f"{task_id}] succeeded")
    assert wait_until(lambda: waiting(redis)) == [before]
    assert "lost" not in worker.log


def test_an_acknowledgement_that_fails_leaves_its_message_in_unacked(worker, stack, redis):
    """If Redis does not answer for longer than the timeout, an acknowledgement fails. The task has run, but its message
    stays in `unacked`.

    Si Redis ne répond pas plus longtemps que le timeout, un acquittement échoue. La tâche a été exécutée, mais son
    message reste dans `unacked`.
    """
    worker = worker()
    task_id = stack.django()("from core.tasks import ping; ping.apply_async(countdown=2).id")
    wait_until(lambda: redis.hlen("unacked") == 1)
    freeze(redis, seconds=8)
    worker.wait_for("Couldn't ack")
    worker.wait_for(f"{task_id}] succeeded")
    assert redis.hlen("unacked") == 1


@pytest.mark.parametrize(
    ("missing", "seen"),
    [(None, [1500, 1800]), ("CELERY_TASK_SOFT_TIME_LIMIT", [0, 1800]), ("CELERY_TASK_TIME_LIMIT", [1500, 0])],
)
def test_the_worker_applies_both_time_limits(worker, stack, missing, seen):
    """`inspect stats` shows the two time limits that the worker applies, with 0 for a limit whose line is missing.

    `inspect stats` montre les deux limites de temps que le worker applique, avec 0 pour celle dont la ligne manque.
    """
    worker(settings={missing: ABSENT} if missing else None)
    stats = stack.django()(f"{INSPECT}.stats()")
    assert stats["worker1@cookbook"]["pool"]["timeouts"] == seen


@pytest.mark.parametrize(
    ("limit", "error"),
    [("CELERY_TASK_SOFT_TIME_LIMIT", "SoftTimeLimitExceeded"), ("CELERY_TASK_TIME_LIMIT", "TimeLimitExceeded")],
)
def test_a_task_that_exceeds_a_limit_fails(worker, stack, slow, limit, error):
    """At the soft limit, the task fails with SoftTimeLimitExceeded. At the hard limit, its process is killed and the
    task fails with TimeLimitExceeded.

    À la limite souple, la tâche échoue avec SoftTimeLimitExceeded. À la limite dure, son processus est tué et la tâche
    échoue avec TimeLimitExceeded.
    """
    settings, pipe = slow
    others = dict.fromkeys(("CELERY_TASK_SOFT_TIME_LIMIT", "CELERY_TASK_TIME_LIMIT"), ABSENT)
    worker = worker(settings={**settings, **others, limit: 1})
    django = stack.django({**settings, **others, limit: 1})
    django(f"from slow import read; result = read.delay({str(pipe)!r})")
    assert wait_until(lambda: django("result.state") == "FAILURE")
    assert django("type(result.result).__name__") == error
    if error == "TimeLimitExceeded":
        worker.wait_for("exited with 'signal 9 (SIGKILL)'")


@pytest.mark.since("5.7", fails=r"\[None, None\] == \[1800, 1\]")
def test_the_limits_of_the_sender_win_over_those_of_the_worker(worker, stack, slow, redis):
    """The time limits are in the message. Those of the Django that sends it override those on the command line of the
    worker.

    Les limites de temps sont dans le message. Celles du Django qui l'envoie l'emportent sur celles de la ligne de
    commande du worker.
    """
    settings, pipe = slow
    django = stack.django({**settings, "CELERY_TASK_SOFT_TIME_LIMIT": 1})
    django(f"from slow import read; result = read.delay({str(pipe)!r})")
    [message] = redis.lrange("celery", 0, -1)
    assert json.loads(message)["headers"]["timelimit"] == [1800, 1]
    worker("--soft-time-limit", "1200", settings=settings)
    assert wait_until(lambda: django("result.state") == "FAILURE")
    assert django("type(result.result).__name__") == "SoftTimeLimitExceeded"


@pytest.mark.parametrize(("missing", "reserved"), [(None, 1), ("CELERY_WORKER_PREFETCH_MULTIPLIER", 4)])
def test_a_busy_worker_reserves_one_more_message_not_four(stack, redis, slow, missing, reserved):
    """While its only process is busy, a worker reserves one more message. Without the line, it reserves four.

    Pendant que son unique processus est occupé, un worker réserve un message de plus. Sans la ligne, il en réserve
    quatre.
    """
    settings, pipe = slow
    stack.worker(settings={**settings, missing: ABSENT} if missing else settings)
    django = stack.django(settings)
    django(f"from slow import read; results = [read.delay({str(pipe)!r}) for _ in range(7)]")
    in_queue_and_in_flight = (7 - 1 - reserved, reserved)
    wait_until(lambda: (redis.llen("celery"), redis.hlen("unacked")) == in_queue_and_in_flight)
    wait_for_start(django)
    # And it receives no other message meanwhile.
    assert len(django(f"{INSPECT}.reserved()")["worker1@cookbook"]) == reserved
    assert (redis.llen("celery"), redis.hlen("unacked")) == in_queue_and_in_flight


@pytest.mark.since("5.6", fails=r"assert \[\] == \['celery-task")
def test_successes_leave_nothing_in_redis(worker, stack, results):
    """A task that succeeds leaves no result in Redis. Without `CELERY_TASK_IGNORE_RESULT`, its result stays there.

    Une tâche qui réussit ne laisse aucun résultat dans Redis. Sans `CELERY_TASK_IGNORE_RESULT`, son résultat y reste.
    """
    worker = worker()
    worker.wait_for(f"{stack.django()(SEND)}] succeeded")
    assert results.keys() == []
    task_id = stack.django({"CELERY_TASK_IGNORE_RESULT": ABSENT})(SEND)
    worker.wait_for(f"{task_id}] succeeded")
    assert results.keys() == [f"celery-task-meta-{task_id}"]


@pytest.mark.since("5.6", fails="TimeoutError: The operation timed out")
def test_a_call_can_ask_for_its_result(worker, django):
    """With `ignore_result=False`, a call stores its result. Without it, `.get()` returns None.

    Avec `ignore_result=False`, un appel enregistre son résultat. Sans cette option, `.get()` renvoie None.
    """
    worker()
    django("from core.tasks import ping")
    assert django("ping.apply_async(ignore_result=False).get(timeout=30)") == "pong"
    assert django("ping.delay().get(timeout=30)") is None


@pytest.mark.parametrize(
    ("header", "outcome"),
    [
        ("[same.s(1), same.s(2)]", [1, 2]),
        ("[same.s(1) | group(same.s(), same.s()), same.s(2)]", "ChordError: Join error: SoftTimeLimitExceeded()"),
        pytest.param(
            "[kept.s(1) | group(kept.s(), kept.s()), kept.s(2)]",
            [[1, 1], 2],
            marks=pytest.mark.since("5.7", fails="ChordError: Join error"),
        ),
    ],
    ids=["tasks", "ignored", "kept"],
)
def test_a_chord_whose_header_contains_a_group_needs_its_results(worker, stack, header, outcome):
    """The body of a chord gets the values that its tasks return, although they ignore their results. If the header
    contains a chain that ends with a group, a process of the worker blocks until the soft time limit, and the chord
    fails with ChordError. With `ignore_result=False` on the tasks of the header, its body runs.

    Le corps d'un chord reçoit les valeurs que renvoient ses tâches, même si elles ignorent leur résultat. Si l'en-tête
    contient une chaîne qui finit par un groupe, un processus du worker bloque jusqu'à la limite souple, et le chord
    échoue avec ChordError. Avec `ignore_result=False` sur les tâches de l'en-tête, son corps s'exécute.
    """
    settings = {**parts(stack), "CELERY_TASK_SOFT_TIME_LIMIT": 3}
    worker(settings=settings)
    django = stack.django(settings)
    django(f"from parts import *; result = chord({header})(kept.s())")
    assert wait_until(lambda: django("result.ready()"))
    found = django("f'{type(result.result).__name__}: {result.result}' if result.failed() else result.result")
    assert found == outcome


@pytest.mark.parametrize(("call", "tasks"), [("group(both)", 2), ("chord(both, same.s())", 3)], ids=["group", "chord"])
@pytest.mark.since("5.7", fails="TimeoutError: The operation timed out")
def test_get_waits_in_vain_for_a_group_or_chord_without_results(worker, stack, call, tasks):
    """If its tasks ignore their results, `.get()` on a group or a chord waits in vain. With `ignore_result=False`, the
    call returns the results.

    Si ses tâches ignorent leur résultat, `.get()` sur un groupe ou un chord attend en vain. Avec `ignore_result=False`,
    l'appel renvoie les résultats.
    """
    settings = parts(stack)
    worker = worker(settings=settings)
    django = stack.django(settings)
    django(f"from parts import *; both = [same.s(1), same.s(2)]; result = {call}.apply_async()")
    wait_until(lambda: worker.log.count("succeeded") == tasks)
    with pytest.raises(DjangoError) as failure:
        django("result.get(timeout=1)")
    assert failure.value.name == "TimeoutError"
    assert django(f"{call}.apply_async(ignore_result=False).get(timeout=30)") == [1, 2]


@pytest.mark.parametrize(
    ("missing", "seconds"),
    [
        pytest.param(None, 7 * 24 * 60 * 60, marks=pytest.mark.since("5.7", fails=r"AssertionError: 86\d{3}\b")),
        ("CELERY_RESULT_FAILURE_EXPIRES", 24 * 60 * 60),
        pytest.param(
            "CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED",
            None,
            marks=pytest.mark.since("5.7", fails=r"AssertionError: 86\d{3}\b"),
        ),
    ],
)
@pytest.mark.since("5.6", fails="TimeoutError: The operation timed out")
def test_failures_stay_readable_for_a_week(worker, stack, results, missing, seconds):
    """A failure stays in Redis for a week. Without `CELERY_RESULT_FAILURE_EXPIRES`, it stays for a day, and without
    `CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED`, it is not stored.

    Un échec reste une semaine dans Redis. Sans `CELERY_RESULT_FAILURE_EXPIRES`, il y reste un jour, et sans
    `CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED`, il n'est pas enregistré.
    """
    worker(settings={missing: ABSENT} if missing else None)
    django = stack.django()
    task_id = django(FAIL)
    django("from core.tasks import ping; ping.apply_async(ignore_result=False).get(timeout=30)")  # runs after it
    left = results.ttl(f"celery-task-meta-{task_id}")
    assert left == -2 if seconds is None else seconds - 60 < left <= seconds, left  # -2: no such key


def test_inspect_shows_the_values_of_a_running_worker(worker, console):
    """`inspect conf` and `inspect stats` show the values that a running worker uses.

    `inspect conf` et `inspect stats` montrent les valeurs qu'utilise un worker en marche.
    """
    worker()
    conf, stats = console("worker.console")
    assert '"visibility_timeout": 7200' in conf.output
    assert stats.output == '{"prefetch_count":1,"timeouts":[1500,1800]}'


def test_the_whole_of_inspect_conf_shows_passwords(worker, stack):
    """Without a filter, `inspect conf` also prints Django's settings, including the password in the URL of a cache.

    Sans filtre, `inspect conf` affiche aussi les réglages de Django, y compris le mot de passe dans l'URL d'un cache.
    """
    backend = "django.core.cache.backends.redis.RedisCache"
    worker(settings={"CACHES": {"default": {"BACKEND": backend, "LOCATION": "redis://:hunter2@cache:6379"}}})
    assert "hunter2" in stack.django()(f"str({INSPECT}.conf())")


# Names ---------------------------------------------------------------------------------------------------------------


def test_a_worker_honors_old_names(worker, plain, record):
    """A Celery 5.7 worker uses the value of a setting that has its old name.

    Un worker Celery 5.7 utilise la valeur d'un réglage donné sous son ancien nom.
    """
    worker(settings={name: value for name, (value, _) in OLD_NAMES.items()})
    conf = plain.django()(f"{INSPECT}.conf(with_defaults=True)")["worker1@cookbook"]
    rows = []
    for name, (value, new) in OLD_NAMES.items():
        default = reference.setting(new).default
        assert conf[new] == value != default
        rows.append(
            {
                "old": name,
                "new": f"CELERY_{new.upper()}",
                "default": reference.written(default),
                "seen": reference.written(conf[new]),
            }
        )
    record("old_names", rows)


@pytest.mark.since("5.7", fails="unhashable")
def test_all_the_old_names_that_celery_lists_are_honored(plain):
    """Celery 5.7 honors all the old names that it lists, more than 100.

    Celery 5.7 tient compte de tous les anciens noms qu'il répertorie, plus de 100.
    """
    core = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP")
    django = plain.django(dict.fromkeys(core, ABSENT))
    django(READ_CONF)
    honored = django("{old: conf(new, **{old: 'as the old name says'}) for old, new in RENAMED.items()}")
    assert len(honored) > 100
    assert OLD_NAMES.keys() <= honored.keys()
    assert set(honored.values()) == {"as the old name says"}


def test_the_new_name_wins_over_the_old_one(plain):
    """If a setting has both its new and its old name, the value of the new one applies.

    Si un réglage est donné sous son nouveau nom et sous l'ancien, la valeur du nouveau s'applique.
    """
    django = plain.django()
    django(READ_CONF)
    read = "{old: conf(new, **{old: 'old', new: 'new'}) for old, new in RENAMED.items() if old != new}"
    assert set(django(read).values()) == {"new"}


def test_a_worker_logs_no_warning_about_old_names(worker, plain):
    """Celery marks these names deprecated, but a worker logs no warning when they come from Django settings.

    Celery considère ces noms comme obsolètes, mais un worker n'écrit aucun avertissement dans les logs quand ils
    viennent des réglages de Django.
    """
    settings = {"CELERYD_PREFETCH_MULTIPLIER": 9}
    django = plain.django(settings)
    django(
        "import warnings; from core.celery import app\n"
        "with warnings.catch_warnings(record=True) as shown:\n"
        "    warnings.simplefilter('always')\n"
        "    app.conf.worker_prefetch_multiplier, app.conf.maybe_warn_deprecated_settings()\n"
    )
    assert "CELERYD_PREFETCH_MULTIPLIER" in django("' '.join(str(each.message) for each in shown)")
    log = worker(settings=settings).log
    assert "CELERYD_PREFETCH_MULTIPLIER" not in log
    assert "deprecat" not in log.lower()


@pytest.mark.since("5.7", fails=r"rate-limit\.console.*rate_limit=10/s")
def test_a_leftover_rate_limit_applies_to_tasks(worker, plain, console):
    """A `CELERY_DEFAULT_RATE_LIMIT` left in the settings limits `core.tasks.ping`, although this task sets no limit.

    Un `CELERY_DEFAULT_RATE_LIMIT` oublié dans les réglages limite `core.tasks.ping`, alors que cette tâche ne fixe
    aucune limite.
    """
    worker(settings={"CELERY_DEFAULT_RATE_LIMIT": "10/s"})
    [registered] = console("rate-limit.console")
    assert "core.tasks.ping [rate_limit=10/s]" in registered.output


def test_these_names_change_nothing(plain):
    """Celery ignores these names: `CELERY_PREFETCH_MULTIPLIER`, `CELERY_CONCURRENCY`, `CELERY_CELERYD_CONCURRENCY`,
    `CELERY_TASK_ACK_LATE`, `BROKER_BACKEND`, `TASK_ACKS_LATE`.

    Celery ignore ces noms : `CELERY_PREFETCH_MULTIPLIER`, `CELERY_CONCURRENCY`, `CELERY_CELERYD_CONCURRENCY`,
    `CELERY_TASK_ACK_LATE`, `BROKER_BACKEND`, `TASK_ACKS_LATE`.
    """
    names = {
        "CELERY_PREFETCH_MULTIPLIER": 9,
        "CELERY_CONCURRENCY": 3,
        "CELERY_CELERYD_CONCURRENCY": 3,
        "CELERY_TASK_ACK_LATE": True,
        "BROKER_BACKEND": "memory",
        "TASK_ACKS_LATE": True,
    }
    django = plain.django()
    django(READ_CONF)
    unchanged = django("everything()")
    for name, value in names.items():
        assert django(f"everything(**{{{name!r}: {value!r}}})") == unchanged, name
    assert django("everything(CELERY_TASK_ACKS_LATE=True)") != unchanged


@pytest.mark.since("5.7", fails=r"check\.console.*is not a setting of Celery")
def test_the_check_reports_settings_that_celery_does_not_know(stack, console):
    """`manage.py check` reports old and misspelled settings, and fails. It only suggests a name that resembles the
    given one.

    `manage.py check` signale les réglages anciens ou mal orthographiés, et échoue. La commande ne suggère qu'un nom qui
    ressemble à celui donné.
    """
    leftovers = {
        "BROKER_POOL_LIMIT": 3,
        "CELERYD_PREFETCH_MULTIPLIER": 4,
        "CELERY_DEFAULT_RATE_LIMIT": "10/s",
        "CELERY_TASK_ACK_LATE": True,
    }
    [check] = console("check.console", settings=leftovers)
    assert check.status == 1
    assert [name for name in leftovers if f"{name} is not a setting of Celery" in check.output] == [*leftovers]
    suggested = (
        "from settings.checks import suggestion; [suggestion('CELERY_CONCURRENCY'), suggestion('CELERY_LOWPRIO_QUEUE')]"
    )
    assert stack.django()(suggested) == ["Did you mean CELERY_WORKER_CONCURRENCY?", None]


@pytest.mark.since("5.7", fails="assert 1 == 0")
def test_the_check_passes_on_these_settings(stack):
    """`manage.py check` passes with the settings of this page.

    `manage.py check` réussit avec les réglages de cette page.
    """
    assert stack.start(["python", "manage.py", "check", "--fail-level", "WARNING"]).wait() == 0


# Other settings -------------------------------------------------------------------------------------------------------


def test_enable_utc_changes_no_message(plain, redis):
    """With `CELERY_ENABLE_UTC = False`, the messages contain the same due times.

    Avec `CELERY_ENABLE_UTC = False`, les messages contiennent les mêmes échéances.
    """
    for enabled in (True, False):
        django = plain.django({"CELERY_ENABLE_UTC": enabled})
        assert django(f"{APP}.conf.enable_utc") == enabled
        django("from datetime import UTC, datetime; from core.tasks import ping")
        django(
            "ping.apply_async(eta=datetime(2035, 7, 1, 12, tzinfo=UTC)); ping.apply_async(eta=datetime(2035, 7, 1, 12))"
        )
    dues = [json.loads(message)["headers"]["eta"] for message in redis.lrange("celery", 0, -1)]
    assert len(dues) == 4
    assert dues[:2] == dues[2:]


@pytest.mark.since("5.3", fails="'UTC' == 'Europe/Paris'")
def test_the_time_zone_is_already_that_of_django(plain):
    """Without `CELERY_TIMEZONE`, Celery uses the time zone of Django.

    Sans `CELERY_TIMEZONE`, Celery utilise le fuseau horaire de Django.
    """
    assert plain.django()("from core.celery import app; str(app.timezone)") == "Europe/Paris"
    assert plain.django({"TIME_ZONE": "Asia/Tokyo"})("from core.celery import app; str(app.timezone)") == "Asia/Tokyo"


def test_eager_propagates_changes_nothing_outside_eager_mode(worker, plain):
    """With `CELERY_TASK_EAGER_PROPAGATES`, a task that fails in a worker is a FAILURE as usual, and sending it raises
    nothing.

    Avec `CELERY_TASK_EAGER_PROPAGATES`, une tâche qui échoue dans un worker est en FAILURE comme d'habitude, et son
    envoi ne lève rien.
    """
    settings = {"CELERY_TASK_EAGER_PROPAGATES": True}
    worker(settings=settings)
    django = plain.django(settings)
    assert django(FAIL)
    assert wait_until(lambda: django("result.state") == "FAILURE")
    with pytest.raises(DjangoError) as failure:
        django("from core.tasks import ping; ping.apply(('too many arguments',))")
    assert failure.value.name == "TypeError"


def test_a_result_that_has_expired_reads_as_a_task_that_never_ran(worker, plain, results):
    """A result that has expired reads as `PENDING`, like a task that was never sent.

    Un résultat expiré se lit `PENDING`, comme une tâche jamais envoyée.
    """
    ran = worker(settings={"CELERY_RESULT_EXPIRES": 1})
    django = plain.django()
    ran.wait_for(f"{django(SEND)}] succeeded")
    wait_until(lambda: not results.keys())
    assert django("ping.AsyncResult(result.id).state") == "PENDING"


@pytest.mark.parametrize(("folder", "debug"), [("shop", True), ("celery-shop", False)], ids=["other", "same"])
def test_debug_is_off_if_the_name_of_a_parent_folder_matches(project, stack, folder, debug):
    """`if "celery" in sys.argv[0]` is also true for `manage.py` if the name of a parent folder contains celery.

    `if "celery" in sys.argv[0]` est vrai aussi pour `manage.py` si le nom d'un dossier parent contient celery.
    """
    # The path of this copy contains the name of this test, which must not contain celery.
    shop = shutil.copytree(project.recipes, stack.folder / folder, ignore=shutil.ignore_patterns("__pycache__"))
    with (shop / "core/settings/base.py").open("a") as settings:
        settings.write("import sys\nDEBUG = True\nif 'celery' in sys.argv[0]:\n    DEBUG = False\n")
    shown = "from django.conf import settings; print('DEBUG is', settings.DEBUG)"
    stack.start(["python", f"{shop}/manage.py", "shell", "-c", shown]).wait_for(f"DEBUG is {debug}")


READ_CONF = """
from celery import Celery
from celery.app.defaults import DEFAULTS
from django.test import override_settings
from settings.checks import RENAMED

def fresh():
    app = Celery("fresh", set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    return app.conf

def conf(setting, **names):
    with override_settings(**names):
        return fresh()[setting.removeprefix("CELERY_").lower()]

def everything(**names):
    with override_settings(**names):
        return {key: fresh()[key] for key in DEFAULTS}
"""


def parts(stack):
    """Settings that register two tasks that return what they get; `kept` stores it too, whatever the settings say."""
    (stack.folder / "parts.py").write_text(
        "from celery import chord, group, shared_task\n\n"
        "@shared_task(name='parts.same')\n"
        "def same(given):\n"
        "    return given\n\n"
        "@shared_task(name='parts.kept', ignore_result=False)\n"
        "def kept(given):\n"
        "    return given\n"
    )
    return {"CELERY_IMPORTS": ["parts"]}


def freeze(redis, seconds):
    """Make Redis accept connections without answering for some *seconds*, like a machine that hangs."""
    redis.execute_command("CLIENT PAUSE", seconds * 1000, "ALL")


def waiting(redis):
    """The ids of the connections that wait in BRPOP."""
    return [client["id"] for client in redis.client_list() if client["cmd"] == "brpop"]


def calls(redis, command):
    """How many times Redis has executed *command*."""
    return redis.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]
