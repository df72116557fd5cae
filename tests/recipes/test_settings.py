import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from situations import accepted, swept_within_seconds

from cookbook.testing import ABSENT, DjangoError, reference, wait_until

SEND = "from core.tasks import ping; result = ping.delay(); result.id"
APP = "__import__('core').celery_app"
INSPECT = f"{APP}.control.inspect(['worker1@cookbook'], timeout=30)"
FAIL = "from core.celery import app; result = app.send_task('core.tasks.ping', ('too many arguments',)); result.id"

OLD_NAMES = {  # to what the worker is to see of them, under which name
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
    """The stack with the settings of the installation page, without this recipe's."""
    stack.settings = "core.settings"
    return stack


@pytest.fixture
def slow(stack):
    """Settings under which `slow.read` is a task, and the named pipe that it waits for."""
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
@swept_within_seconds
def test_a_message_held_for_ninety_minutes_is_not_delivered_again(worker, stack, redis, kept):
    """A message that a worker has held for an hour and a half stays with it; without `visibility_timeout`, it is
    delivered again.

    Un message qu'un worker détient depuis une heure et demie lui reste ; sans `visibility_timeout`, il est livré de
    nouveau.
    """
    django = stack.django()
    sweeping = {"unacked_restore_interval": 1, "unacked_restore_throttle": 1}
    if kept:
        sweeping["visibility_timeout"] = django(f"{APP}.conf.broker_transport_options['visibility_timeout']")
    holder = worker(name="holder")
    task_id = django("from core.tasks import ping; ping.apply_async(countdown=7200).id")
    wait_until(lambda: redis.hlen("unacked") == 1)
    [tag] = redis.hkeys("unacked")
    redis.zincrby("unacked_index", -90 * 60, tag)
    other = worker(name="other", settings={"CELERY_BROKER_TRANSPORT_OPTIONS": sweeping})
    swept = calls(redis, "zrange")
    wait_until(lambda: calls(redis, "zrange") >= swept + 2)  # it has looked twice for messages held too long

    def received():
        return sum(each.log.count(f"{task_id}] received") for each in (holder, other))

    if not kept:
        wait_until(lambda: received() > 1)
    assert received() == (1 if kept else 2)


def test_the_visibility_timeout_exceeds_what_a_message_can_be_held(django):
    """It exceeds the longest countdown of these pages (`LONGEST_DELAY`) and the time limit of a task together.

    Il dépasse le plus long compte à rebours de ces pages (`LONGEST_DELAY`) et la limite de temps d'une tâche réunis.
    """
    django("from core.celery import app; from first_task.deletion import LONGEST_DELAY")
    longest = django("LONGEST_DELAY.total_seconds() + app.conf.task_time_limit")
    assert django("app.conf.broker_transport_options['visibility_timeout']") > longest


def test_sending_to_a_frozen_redis_fails_within_seconds(stack, redis):
    """When Redis no longer answers, sending raises OperationalError after a few seconds; without `socket_timeout`, or
    with results on, it still hangs by then.

    Quand Redis ne répond plus, l'envoi lève OperationalError en quelques secondes ; sans `socket_timeout`, ou avec les
    résultats, il reste bloqué.
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
        assert all(each.result() for each in hanging)  # they go on once Redis does


def test_reading_a_state_from_a_frozen_redis_fails_within_seconds(stack, redis):
    """Reading the state of a task then raises TimeoutError; without `CELERY_REDIS_SOCKET_TIMEOUT` it still hangs.

    La lecture de l'état d'une tâche lève alors TimeoutError ; sans `CELERY_REDIS_SOCKET_TIMEOUT`, elle reste bloquée.
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


def test_a_short_socket_timeout_does_not_cut_the_worker_off(worker, stack, redis):
    """A `socket_timeout` shorter than the worker's own wait on the queue does not cut its connection: BRPOP goes on.

    Un `socket_timeout` plus court que l'attente du worker sur la file ne coupe pas sa connexion : le BRPOP continue.
    """
    worker = worker(settings={"CELERY_BROKER_TRANSPORT_OPTIONS": {"socket_timeout": 0.2}})
    [before] = wait_until(lambda: waiting(redis))
    waits = calls(redis, "brpop")
    wait_until(lambda: calls(redis, "brpop") >= waits + 3)
    task_id = stack.django()(SEND)
    worker.wait_for(f"{task_id}] succeeded")
    assert wait_until(lambda: waiting(redis)) == [before]
    assert "lost" not in worker.log


def test_an_acknowledgement_cut_off_leaves_its_message_in_unacked(worker, stack, redis):
    """When Redis stays silent for longer, an acknowledgement is lost: the task has run, its message stays in `unacked`.

    Quand Redis se tait plus longtemps, un accusé de réception se perd : la tâche est faite, son message reste dans
    `unacked`.
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
    """`inspect stats` shows the two limits that the worker applies, and 0 for the one whose line is missing.

    `inspect stats` montre les deux limites que le worker applique, et 0 pour celle dont la ligne manque.
    """
    worker(settings={missing: ABSENT} if missing else None)
    stats = stack.django()(f"{INSPECT}.stats()")
    assert stats["worker1@cookbook"]["pool"]["timeouts"] == seen


@pytest.mark.parametrize(
    ("limit", "error"),
    [("CELERY_TASK_SOFT_TIME_LIMIT", "SoftTimeLimitExceeded"), ("CELERY_TASK_TIME_LIMIT", "TimeLimitExceeded")],
)
def test_a_task_that_exceeds_a_limit_fails(worker, stack, slow, limit, error):
    """At the soft limit the task receives SoftTimeLimitExceeded; at the hard one its process is killed and the task
    fails with TimeLimitExceeded.

    À la limite douce, la tâche reçoit SoftTimeLimitExceeded ; à la limite dure, son processus est tué et elle échoue
    avec TimeLimitExceeded.
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
    """The limits travel in the message: those of the Django that sends win over those of the worker's command line.

    Les limites voyagent dans le message : celles du Django qui envoie l'emportent sur la ligne de commande du worker.
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
def test_a_busy_worker_takes_one_more_message_not_four(stack, redis, slow, missing, reserved):
    """While its one process works, a worker holds one more message; without the line, it holds four.

    Pendant que son unique processus travaille, un worker détient un message de plus ; sans la ligne, quatre.
    """
    settings, pipe = slow
    stack.worker(settings={**settings, missing: ABSENT} if missing else settings)
    django = stack.django(settings)
    django(f"from slow import read; results = [read.delay({str(pipe)!r}) for _ in range(7)]")
    in_queue_and_held = (7 - 1 - reserved, reserved)
    wait_until(lambda: (redis.llen("celery"), redis.hlen("unacked")) == in_queue_and_held)
    accepted(django)
    assert len(django(f"{INSPECT}.reserved()")["worker1@cookbook"]) == reserved  # and it takes no other meanwhile
    assert (redis.llen("celery"), redis.hlen("unacked")) == in_queue_and_held


@pytest.mark.since("5.6", fails=r"assert \[\] == \['celery-task")
def test_successes_leave_nothing_in_redis(worker, stack, results):
    """A task that succeeds leaves nothing in Redis; without `CELERY_TASK_IGNORE_RESULT`, its result stays there.

    Une tâche qui réussit ne laisse rien dans Redis ; sans `CELERY_TASK_IGNORE_RESULT`, son résultat y reste.
    """
    worker = worker()
    worker.wait_for(f"{stack.django()(SEND)}] succeeded")
    assert results.keys() == []
    task_id = stack.django({"CELERY_TASK_IGNORE_RESULT": ABSENT})(SEND)
    worker.wait_for(f"{task_id}] succeeded")
    assert results.keys() == [f"celery-task-meta-{task_id}"]


@pytest.mark.since("5.6", fails="TimeoutError: The operation timed out")
def test_a_task_can_ask_for_its_result(worker, django):
    """With `ignore_result=False`, a task keeps its result; without it, `.get()` gives None at once.

    Avec `ignore_result=False`, une tâche garde son résultat ; sans cela, `.get()` rend None aussitôt.
    """
    worker()
    django("from core.tasks import ping")
    assert django("ping.apply_async(ignore_result=False).get(timeout=30)") == "pong"
    assert django("ping.delay().get(timeout=30)") is None


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
    """A failure stays in Redis for a week; without `CELERY_RESULT_FAILURE_EXPIRES` for a day, and without
    `CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED` not at all.

    Un échec reste une semaine dans Redis ; sans `CELERY_RESULT_FAILURE_EXPIRES`, un jour ; sans
    `CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED`, il n'y entre pas.
    """
    worker(settings={missing: ABSENT} if missing else None)
    django = stack.django()
    task_id = django(FAIL)
    django("from core.tasks import ping; ping.apply_async(ignore_result=False).get(timeout=30)")  # runs after it
    left = results.ttl(f"celery-task-meta-{task_id}")
    assert left == -2 if seconds is None else seconds - 60 < left <= seconds, left  # -2: no such key


def test_the_command_line_shows_what_a_worker_really_has(worker, console):
    """`inspect conf` and `inspect stats` show the values that a running worker has, whatever the files say.

    `inspect conf` et `inspect stats` montrent les valeurs qu'a un worker en marche, quoi que disent les fichiers.
    """
    worker()
    conf, stats = console("worker.console")
    assert '"visibility_timeout": 7200' in conf.output
    assert stats.output == '{"prefetch_count":1,"timeouts":[1500,1800]}'


def test_the_whole_of_inspect_conf_shows_passwords(worker, stack):
    """Unfiltered, `inspect conf` prints Django's settings too, and the password in the address of a cache.

    Sans filtre, `inspect conf` imprime aussi les réglages de Django, et le mot de passe dans l'adresse d'un cache.
    """
    backend = "django.core.cache.backends.redis.RedisCache"
    worker(settings={"CACHES": {"default": {"BACKEND": backend, "LOCATION": "redis://:hunter2@cache:6379"}}})
    assert "hunter2" in stack.django()(f"str({INSPECT}.conf())")


# Names ---------------------------------------------------------------------------------------------------------------


def test_a_worker_honours_old_names(worker, plain, record):
    """Under Celery 5.7 a worker takes the value of a setting that is given under its old name.

    Sous Celery 5.7, un worker prend la valeur d'un réglage donné sous son ancien nom.
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
def test_all_the_old_names_that_celery_lists_are_honoured(plain):
    """So are all the old names that Celery still lists, more than a hundred.

    Il en va de même de tous les anciens noms que Celery connaît encore, plus de cent.
    """
    core = ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND", "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP")
    django = plain.django(dict.fromkeys(core, ABSENT))
    django(READ_CONF)
    honoured = django("{old: conf(new, **{old: 'as the old name says'}) for old, new in RENAMED.items()}")
    assert len(honoured) > 100
    assert OLD_NAMES.keys() <= honoured.keys()
    assert set(honoured.values()) == {"as the old name says"}


def test_the_new_name_wins_over_the_old_one(plain):
    """Where both are given, the new name wins.

    Si les deux sont donnés, le nouveau nom l'emporte.
    """
    django = plain.django()
    django(READ_CONF)
    read = "{old: conf(new, **{old: 'old', new: 'new'}) for old, new in RENAMED.items() if old != new}"
    assert set(django(read).values()) == {"new"}


def test_a_worker_says_nothing_of_old_names(worker, plain):
    """Celery knows these names for deprecated and could say so; a worker that reads Django's settings prints nothing.

    Celery sait ces noms obsolètes et saurait le dire ; un worker qui lit les réglages de Django n'imprime rien.
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
def test_a_forgotten_rate_limit_binds_every_task(worker, plain, console):
    """`CELERY_DEFAULT_RATE_LIMIT`, forgotten in the settings, limits every task of the worker.

    `CELERY_DEFAULT_RATE_LIMIT`, oublié dans les réglages, limite chaque tâche du worker.
    """
    worker(settings={"CELERY_DEFAULT_RATE_LIMIT": "10/s"})
    [registered] = console("rate-limit.console")
    assert "core.tasks.ping [rate_limit=10/s]" in registered.output


def test_these_names_change_nothing(plain):
    """These names change no setting of Celery: `CELERY_PREFETCH_MULTIPLIER`, `CELERY_CONCURRENCY`,
    `CELERY_CELERYD_CONCURRENCY`, `CELERY_TASK_ACK_LATE`, `BROKER_BACKEND`, `TASK_ACKS_LATE`.

    Ces noms ne changent aucun réglage de Celery : `CELERY_PREFETCH_MULTIPLIER`, `CELERY_CONCURRENCY`,
    `CELERY_CELERYD_CONCURRENCY`, `CELERY_TASK_ACK_LATE`, `BROKER_BACKEND`, `TASK_ACKS_LATE`.
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
def test_the_check_names_what_celery_does_not_know(stack, console):
    """`manage.py check` names the old and the misspelt settings, and fails; it suggests no name that is unlike theirs.

    `manage.py check` nomme les anciens réglages et les mal orthographiés, et échoue ; elle ne propose aucun nom qui ne
    leur ressemble pas.
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
    """It has nothing to say of the settings shown here.

    Elle ne trouve rien à redire aux réglages donnés ici.
    """
    assert stack.start(["python", "manage.py", "check", "--fail-level", "WARNING"]).wait() == 0


# The lines of the notes ----------------------------------------------------------------------------------------------


def test_enable_utc_changes_no_message(plain, redis):
    """With `CELERY_ENABLE_UTC = False` the messages carry the same due times.

    Avec `CELERY_ENABLE_UTC = False`, les messages portent les mêmes échéances.
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
    """Without `CELERY_TIMEZONE`, Celery takes the time zone of Django.

    Sans `CELERY_TIMEZONE`, Celery prend le fuseau horaire de Django.
    """
    assert plain.django()("from core.celery import app; str(app.timezone)") == "Europe/Paris"
    assert plain.django({"TIME_ZONE": "Asia/Tokyo"})("from core.celery import app; str(app.timezone)") == "Asia/Tokyo"


def test_eager_propagates_changes_nothing_outside_eager_mode(worker, plain):
    """With `CELERY_TASK_EAGER_PROPAGATES`, a task that a worker runs fails as before, and `.delay()` raises nothing.

    Avec `CELERY_TASK_EAGER_PROPAGATES`, une tâche confiée à un worker échoue comme avant, et `.delay()` ne lève rien.
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
    """A result that has expired reads as `PENDING` again: no longer to be told from a task that was never sent.

    Un résultat expiré se relit `PENDING` : plus rien ne le distingue d'une tâche jamais envoyée.
    """
    ran = worker(settings={"CELERY_RESULT_EXPIRES": 1})
    django = plain.django()
    ran.wait_for(f"{django(SEND)}] succeeded")
    wait_until(lambda: not results.keys())
    assert django("ping.AsyncResult(result.id).state") == "PENDING"


@pytest.mark.parametrize(("folder", "debug"), [("shop", True), ("celery-shop", False)], ids=["other", "same"])
def test_debug_goes_off_in_a_folder_named_after_it(project, stack, folder, debug):
    """`if "celery" in sys.argv[0]` is true for `manage.py` too, when a folder above it has celery in its name.

    `if "celery" in sys.argv[0]` est vrai pour `manage.py` aussi, quand un dossier parent a celery dans son nom.
    """
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


def freeze(redis, seconds):
    """From now on Redis takes connections and answers nothing, as on a machine that is stuck."""
    redis.execute_command("CLIENT PAUSE", seconds * 1000, "ALL")


def waiting(redis):
    """The connections that wait for a message."""
    return [client["id"] for client in redis.client_list() if client["cmd"] == "brpop"]


def calls(redis, command):
    """How many times Redis has executed *command*."""
    return redis.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]
