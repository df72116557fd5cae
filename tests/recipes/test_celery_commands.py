import json

import pytest
from celery.bin.result import result
from situations import copy_project, in_flight, open_once_read, slow_file, wait_for_start

from cookbook.testing import wait_until

PLACES = ("queued", "reserved", "running", "later")
# At the end of core/celery.py: after the line of its log, the worker waits until the test opens and closes a pipe.
STOPS_AFTER_READY = """
import logging
from celery.signals import after_setup_logger

class StopsAfterReady(logging.Handler):
    def emit(self, record):
        if record.getMessage().endswith(" ready."):
            open({!r}).read()

after_setup_logger.connect(lambda logger, **options: logger.addHandler(StopsAfterReady()), weak=False)
"""


@pytest.fixture
def django(stack):
    django = stack.django()
    django("from celery_commands.tasks import count_words; from core.celery import app; from core.tasks import ping")
    return django


@pytest.mark.since("5.7", fails=r"'active', False\) != .*'active', 'scheduled'\)")
def test_no_command_shows_the_tasks_of_every_place(stack, django, redis, console, record):
    """Four tasks are in the four places where a task can be. Each command shows some of them, none shows the place of
    all four, and the state of all four is PENDING. `celery purge` only removes the task in the queue.

    Quatre tâches occupent les quatre endroits possibles. Chaque commande en montre certaines, aucune n'indique où sont
    les quatre, et l'état de toutes est PENDING. `celery purge` ne supprime que celle de la file.
    """
    stack.worker("--prefetch-multiplier", "1")
    file = slow_file(stack, "running.txt")
    (file.parent / "reserved.txt").write_text("word")
    django("sent = {'later': count_words.apply_async(('later.txt',), countdown=3600).id}")
    wait_until(lambda: in_flight(redis) == 1)
    django("sent['running'] = count_words.delay('running.txt').id")
    with open_once_read(file) as feed:
        wait_for_start(django)
        django("sent['reserved'] = count_words.delay('reserved.txt').id")
        wait_until(lambda: in_flight(redis) == 2)
        ids = django("sent['queued'] = count_words.delay('queued.txt').id; sent")
        active, reserved, scheduled, queue = console("where.console")
        [known] = ask(django, "query_task(list(sent.values()))").values()
        unacked = redis.hvals("unacked")
        states = django("{place: app.AsyncResult(id).state for place, id in sent.items()}")
        assert django("app.control.purge()") == 1
        feed.write(b"two words")
    purged = {
        "queued": redis.llen("celery") == 0,
        "reserved": django("app.AsyncResult(sent['reserved']).get(timeout=30)") != 1,
        "running": django("app.AsyncResult(sent['running']).get(timeout=30)") != 2,
        "later": in_flight(redis) == 0,
    }
    rows = [
        {"command": "celery inspect active", **seen(active.output)},
        {"command": "celery inspect reserved", **seen(reserved.output)},
        {"command": "celery inspect scheduled", **seen(scheduled.output)},
        {"command": "celery inspect query_task ID", **{place: known.get(ids[place], [False])[0] for place in PLACES}},
        {"command": "redis-cli LRANGE celery 0 -1", **seen(queue.output)},
        {"command": "redis-cli HVALS unacked", **{place: ids[place] in "".join(unacked) for place in PLACES}},
        {"command": "AsyncResult(ID).state", **states},
        {"command": "celery purge", **purged},
    ]
    record("where", rows)
    assert [tuple(row[place] for place in PLACES) for row in rows] == [
        (False, False, True, False),
        (False, True, False, False),
        (False, False, False, True),
        (False, "reserved", "active", "scheduled"),
        (True, False, False, False),
        (False, True, False, True),
        ("PENDING",) * 4,
        (True, False, False, False),
    ]


def test_inspect_scheduled_is_not_the_schedule_of_beat(stack, django, redis, console):
    """`inspect scheduled` lists the delayed tasks that a worker has reserved. The schedule of beat is in
    `inspect conf`. The `priority` of 6 belongs to the worker's timer; the priority of the task is in `delivery_info`.

    `inspect scheduled` liste les tâches différées que le worker a réservées. Le planning de beat se trouve dans
    `inspect conf`. Le `priority` à 6 est celui du timer du worker ; la priorité de la tâche est dans `delivery_info`.
    """
    nightly = {"task": "celery_commands.tasks.count_words", "schedule": 86400.0, "args": ["nightly.txt"]}
    flags = ("--beat", "--schedule", str(stack.folder / "schedule"), "--loglevel", "DEBUG")
    worker = stack.worker(*flags, settings={"CELERY_BEAT_SCHEDULE": {"nightly": nightly}})
    worker.wait_for("<ScheduleEntry: nightly")
    django("count_words.apply_async(('later.txt',), countdown=3600, priority=3)")
    wait_until(lambda: in_flight(redis) == 1)
    scheduled, conf = console("beat.console")
    listed = json.loads(scheduled.output)
    assert (listed["args"], listed["priority"], listed["delivery_info"]["priority"]) == (["later.txt"], 6, 3)
    assert json.loads(conf.output) == {"nightly": {"task": nightly["task"], "schedule": 86400}}


def test_a_worker_reports_its_tasks_queues_and_counters(worker, django, console):
    """A worker reports its registered tasks, its queues and its counters, as JSON with `--json`. Only
    `celery status --json` adds a line that is not JSON.

    Un worker donne ses tâches enregistrées, ses files et ses compteurs, en JSON avec `--json`. Seul
    `celery status --json` ajoute une ligne qui n'est pas du JSON.
    """
    worker("--concurrency", "2")
    django("[ping.delay().get(timeout=30) for _ in range(3)]")
    registered, queues, stats, status = console("worker.console")
    assert "celery_commands.tasks.trigger_error" in registered.output
    assert json.loads(queues.output) == ["celery"]
    assert json.loads(stats.output) == {"total": {"core.tasks.ping": 3}, "processes": 2, "prefetch_count": 8}
    answer, rest = status.output.split("\n", 1)
    assert json.loads(answer) == {"worker1@cookbook": {"ok": "pong"}}
    assert rest.strip() == "1 node online."


def test_inspect_lasts_its_whole_timeout_without_a_destination(worker, django):
    """Without `--destination`, `inspect` lasts its whole `--timeout`, even when every worker has replied. With it,
    `inspect` ends when the reply arrives.

    Sans `--destination`, `inspect` dure tout son `--timeout`, même quand tous les workers ont répondu. Avec cette
    option, il se termine dès la réponse.
    """
    worker()
    django("import time")
    timed = "began = time.monotonic(); answer = app.control.inspect({}).ping(); [len(answer), time.monotonic() - began]"
    answers, lasted = django(timed.format("timeout=2"))
    assert answers == 1
    assert lasted >= 2
    answers, lasted = django(timed.format("timeout=25, destination=['worker1@cookbook']"))
    assert answers == 1
    assert lasted < 25


def test_a_busy_solo_worker_does_not_answer(worker, django, stack):
    """A worker with the `solo` pool does not reply while it runs a task: `inspect` reports it
    like a dead worker.

    Un worker avec le pool `solo` ne répond pas pendant qu'il exécute une tâche : `inspect` ne le distingue pas d'un
    worker mort.
    """
    worker("--pool", "solo")
    assert ask(django, "ping()")
    file = slow_file(stack, "running.txt")
    django("result = count_words.delay('running.txt')")
    with open_once_read(file) as feed:
        assert django("app.control.inspect(timeout=2).ping()") is None
        feed.write(b"two words")
    assert django("result.get(timeout=30)") == 2
    assert ask(django, "ping()")


def test_a_worker_logs_ready_before_it_answers(worker, stack, django, redis):
    """A worker logs `ready.` a moment before it listens to control commands. A command sent in between gets no reply
    and has no effect later. Once the worker has replied to one, it obeys the next.

    Un worker écrit `ready.` dans ses logs un instant avant d'écouter les commandes de contrôle. Une commande envoyée
    entre les deux ne reçoit pas de réponse et reste sans effet. Dès que le worker a répondu à l'une d'elles, il obéit
    à la suivante.
    """
    ready = slow_file(stack, "ready")
    celery_py = copy_project(stack) / "core" / "celery.py"
    celery_py.write_text(celery_py.read_text() + STOPS_AFTER_READY.format(str(ready)))
    django("limit = lambda **options: app.control.rate_limit('core.tasks.ping', '10/m', **options)")
    starting = worker(wait=False)
    with open_once_read(ready):  # until it closes, the worker does nothing more
        assert starting.wait_for(" ready.")
        assert redis.pubsub_numpat() == 0
        assert not django("limit(reply=True, timeout=1)")
    wait_until(lambda: django("app.control.inspect(timeout=1).ping()"))
    assert "rate_limit" not in str(ask(django, "registered('rate_limit')"))
    assert django("limit(reply=True, timeout=30, limit=1)")
    assert "rate_limit=10/m" in str(ask(django, "registered('rate_limit')"))


@pytest.mark.since("5.3", fails="waited for .raised unexpected: DeliberateError")
def test_call_exits_with_0_even_if_the_task_fails(worker, console, redis):
    """`celery call` prints an id and exits with 0, even if the task fails or no worker knows its name. The error, which
    is NotRegistered for an unknown name, is in the worker's log and in the result. `celery result` raises it again and
    exits with 1.

    `celery call` affiche un id et sort avec le code 0, même si la tâche échoue ou si aucun worker ne connaît son nom.
    L'erreur, NotRegistered pour un nom inconnu, est dans les logs du worker et dans le résultat. `celery result` la
    lève de nouveau et sort avec le code 1.
    """
    running = worker()
    called, failed, mistyped, dropped = console("call.console")
    assert called.output == mistyped.output == "exit status 0"
    assert failed.output.endswith("DeliberateError: deploy-42\nexit status 1")
    assert dropped.output.endswith("NotRegistered: 'celery_commands.tasks.trigger_eror'\nexit status 1")
    running.wait_for("raised unexpected: DeliberateError('deploy-42')")
    running.wait_for("Received unregistered task of type 'celery_commands.tasks.trigger_eror'")
    wait_until(lambda: redis.exists("celery", "unacked") == 0)


def test_the_exit_codes_without_a_worker(stack, worker, redis, console):
    """Without a worker, or without Redis, `inspect` exits with 69. Without a worker, `celery call` exits with 0, and
    `celery result` waits until a worker has run the task: it has no timeout option.

    Sans worker, ou sans Redis, `inspect` sort avec le code 69. Sans worker, `celery call` sort avec le code 0, et
    `celery result` attend qu'un worker ait exécuté la tâche : il n'a pas d'option de timeout.
    """
    cut_off = stack.start(["celery", "-A", "core", "inspect", "ping"], env={"REDIS_URL": "redis://127.0.0.1:1"})
    ping, order, call = console("alone.console")
    assert (ping.status, order.status, call.status) == (69, 2, 0)
    assert redis.llen("celery") == 1
    waiting = stack.start(["celery", "-A", "core", "result", call.output])
    wait_until(lambda: stack.redis(1).pubsub_channels(f"celery-task-meta-{call.output}"))
    assert waiting.popen.poll() is None
    worker()
    waiting.wait_for("pong")
    assert waiting.wait() == 0
    assert not any("timeout" in option.name for option in result.params)
    assert cut_off.wait() == 69
    assert "Could not connect to the message broker" in cut_off.log


def test_purge_asks_first_and_aborts_without_an_answer(django, redis, console):
    """`celery purge` asks for confirmation. Without an answer, it exits with 1 and removes nothing. With `--force`, it
    does not ask.

    `celery purge` demande une confirmation. Sans réponse, la commande sort avec le code 1 et ne supprime rien. Avec
    `--force`, elle ne demande rien.
    """
    django("[count_words.delay('report.txt') for _ in range(2)]")
    asked, question, before, forced, after = console("purge.console")
    assert (asked.status, asked.output, before.output) == (1, "Aborted!", "(integer) 2")
    assert "Are you sure you want to delete all tasks?" in question.output
    assert (forced.status, after.output) == (0, "(integer) 0")


def test_changes_made_by_control_last_until_the_worker_restarts(stack, worker, django, console):
    """`control` changes the running workers until they stop. The next worker does not have these changes. The exit code
    is misleading: 0 when a worker refuses, 69 when a worker shuts down as requested. Without a destination, all workers
    shut down.

    `control` modifie les workers en marche, jusqu'à leur arrêt. Le worker suivant n'a pas ces modifications. Le code de
    sortie est trompeur : 0 quand un worker refuse, 69 quand il s'arrête comme demandé. Sans destination, tous les
    workers s'arrêtent.
    """
    first = worker()
    _, refused, _ = console("control.console")
    assert (refused.status, refused.output.split()[-2:]) == (0, ["unknown", "task"])
    assert "rate_limit=10/m" in str(ask(django, "registered('rate_limit')"))
    assert "reports" in str(ask(django, "active_queues()"))
    [shutdown] = console("shutdown.console")
    assert shutdown.status == 69
    assert first.wait() == 0
    others = [worker(name=name, wait=False) for name in ("worker1", "worker2")]
    stack.wait_ready(*others)
    assert "rate_limit" not in str(ask(django, "registered('rate_limit')"))
    assert "reports" not in str(ask(django, "active_queues()"))
    django("app.control.shutdown()")
    assert [other.wait() for other in others] == [0, 0]


@pytest.mark.since("5.7", prints=r"redis://:\*\*@")
@pytest.mark.since("5.7", fails=r"\['REDIS_URL'\] == \['CELERY_BROK")
def test_the_report_prints_passwords(worker, django, console):
    """`celery report` masks the password in `CELERY_RESULT_BACKEND`, but not the one in `CELERY_BROKER_URL` or in other
    Django settings that contain a URL. `inspect conf` does not mask them either.

    `celery report` masque le mot de passe de `CELERY_RESULT_BACKEND`, mais ni celui de `CELERY_BROKER_URL`, ni ceux des
    autres réglages de Django qui contiennent une URL. `inspect conf` ne les masque pas non plus.
    """
    worker(settings={"SENTRY_DSN": "https://not-so-secret@sentry.example/1"})
    _, shown, masked = console("report.console")
    leaks = [line for line in shown.output.splitlines() if "not-so-secret" in line]
    assert [line.split(":")[0] for line in leaks] == ["CELERY_BROKER_URL", "REDIS_URL"]
    assert masked.output.count("://") == 4
    assert "not-so-secret" not in masked.output
    assert "not-so-secret" in str(ask(django, "conf()"))


@pytest.mark.since("5.3", fails=r"assert '  \. healthchecks\.views\.fail' not in")
def test_a_task_in_views_is_registered_only_by_the_checks_of_django(worker, stack):
    """Autodiscovery only imports modules named `tasks`. A worker registers a task written in `views.py` only because it
    runs Django's checks, which import the URLs. With `CELERY_SKIP_CHECKS`, it does not register it.

    La découverte automatique n'importe que les modules nommés `tasks`. Un worker n'enregistre une tâche écrite dans
    `views.py` que parce qu'il lance les vérifications de Django, qui importent les URL. Avec `CELERY_SKIP_CHECKS`, il
    ne l'enregistre pas.
    """
    app = stack.folder / "healthchecks"
    app.mkdir()
    (app / "__init__.py").touch()
    (app / "views.py").write_text("from celery import shared_task\n\n@shared_task\ndef fail():\n    raise ValueError\n")
    (app / "urls.py").write_text("from healthchecks import views\n\nurlpatterns = []\n")
    settings = {"INSTALLED_APPS": ["core.apps.CoreConfig", "healthchecks"], "ROOT_URLCONF": "healthchecks.urls"}
    checked = worker(name="checked", settings=settings, wait=False)
    unchecked = worker(name="unchecked", settings=settings, env={"CELERY_SKIP_CHECKS": "1"})
    checked.wait_for(" ready.")
    assert "  . healthchecks.views.fail" in checked.lines
    assert "  . core.tasks.ping" in unchecked.lines
    assert "  . healthchecks.views.fail" not in unchecked.lines


def ask(django, command):
    """What the worker replies to an `inspect` *command*; asks again if a late reply to another one arrives instead."""
    return wait_until(lambda: django(f"app.control.inspect(destination=['worker1@cookbook'], timeout=10).{command}"))


def seen(output):
    """Which of the four tasks the *output* of a command shows; each task reads a file named after its place."""
    return {place: f"{place}.txt" in output for place in PLACES}
