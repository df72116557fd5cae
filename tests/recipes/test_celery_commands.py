import json

import pytest
from celery.bin.result import result
from situations import accepted, held, reader, slow_file

from cookbook.testing import wait_until

PLACES = ("queued", "reserved", "running", "later")


@pytest.fixture
def django(stack):
    django = stack.django()
    django("from celery_commands.tasks import count_words; from core.celery import app; from core.tasks import ping")
    return django


@pytest.mark.since("5.7", fails=r"'active', False\) != .*'active', 'scheduled'\)")
def test_each_command_sees_some_places_and_none_sees_all(stack, django, redis, console, record):
    """Of four tasks, one in each place where a task can be, each command shows some, none shows all, and the state of
    all four is PENDING; `celery purge` removes the one in the queue only.

    Sur quatre tâches, une à chaque endroit possible, chaque commande en montre certaines, aucune ne les montre toutes,
    et l'état des quatre est PENDING ; `celery purge` n'efface que celle de la file.
    """
    stack.worker("--prefetch-multiplier", "1")
    file = slow_file(stack, "running.txt")
    (file.parent / "reserved.txt").write_text("word")
    django("sent = {'later': count_words.apply_async(('later.txt',), countdown=3600).id}")
    wait_until(lambda: held(redis) == 1)
    django("sent['running'] = count_words.delay('running.txt').id")
    with reader(file) as feed:
        accepted(django)
        django("sent['reserved'] = count_words.delay('reserved.txt').id")
        wait_until(lambda: held(redis) == 2)
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
        "later": held(redis) == 0,
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


def test_scheduled_is_not_the_schedule_of_beat(stack, django, redis, console):
    """`inspect scheduled` lists what a worker holds until its time, not what beat will send, which `inspect conf`
    shows; its `priority` of 6 is the timer's, that of the task is under `delivery_info`.

    `inspect scheduled` liste ce qu'un worker retient jusqu'à l'heure dite, non ce que beat enverra, que montre
    `inspect conf` ; son `priority` à 6 est celui du minuteur, celui de la tâche est sous `delivery_info`.
    """
    nightly = {"task": "celery_commands.tasks.count_words", "schedule": 86400.0, "args": ["nightly.txt"]}
    flags = ("--beat", "--schedule", str(stack.folder / "schedule"), "--loglevel", "DEBUG")
    worker = stack.worker(*flags, settings={"CELERY_BEAT_SCHEDULE": {"nightly": nightly}})
    worker.wait_for("<ScheduleEntry: nightly")
    django("count_words.apply_async(('later.txt',), countdown=3600, priority=3)")
    wait_until(lambda: held(redis) == 1)
    scheduled, conf = console("beat.console")
    listed = json.loads(scheduled.output)
    assert (listed["args"], listed["priority"], listed["delivery_info"]["priority"]) == (["later.txt"], 6, 3)
    assert json.loads(conf.output) == {"nightly": {"task": nightly["task"], "schedule": 86400}}


def test_a_worker_tells_what_it_knows_and_what_it_has_done(worker, django, console):
    """A worker answers with the tasks that it knows, its queues and its counters, as JSON if asked;
    `celery status --json` alone adds a line that is no JSON.

    Un worker répond avec les tâches qu'il connaît, ses files et ses compteurs, en JSON si on le demande ;
    seul `celery status --json` ajoute une ligne qui n'en est pas.
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


def test_inspect_waits_out_its_time_unless_told_whom_to_ask(worker, django):
    """Without `--destination`, an `inspect` lasts for all of its `--timeout`, even when every worker has answered; with
    it, it ends with the answer.

    Sans `--destination`, un `inspect` dure tout son `--timeout`, même quand chaque worker a répondu ; avec, il s'arrête
    à la réponse.
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
    """A worker with the pool `solo` answers nothing while it runs a task: to `inspect` it is as dead.

    Un worker au pool `solo` ne répond à rien pendant qu'il exécute une tâche : pour `inspect`, il est comme mort.
    """
    worker("--pool", "solo")
    assert ask(django, "ping()")
    file = slow_file(stack, "running.txt")
    django("result = count_words.delay('running.txt')")
    with reader(file) as feed:
        assert django("app.control.inspect(timeout=2).ping()") is None
        feed.write(b"two words")
    assert django("result.get(timeout=30)") == 2
    assert ask(django, "ping()")


@pytest.mark.since("5.3", fails="waited for .raised unexpected: DeliberateError")
def test_call_exits_with_0_whatever_becomes_of_the_task(worker, console, redis):
    """`celery call` prints an id and exits with 0 whatever becomes of the task: the error of one that fails, or
    NotRegistered for a name that no worker knows, is in the worker's log and in the result; `celery result` raises it
    again and exits with 1.

    `celery call` affiche un id et sort avec le code 0 quoi qu'il advienne de la tâche : l'erreur de celle qui échoue,
    ou NotRegistered pour un nom qu'aucun worker ne connaît, est dans le journal du worker et dans le résultat ;
    `celery result` la lève à nouveau et sort avec le code 1.
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
    """Without a worker, `inspect` exits with 69, as it does without Redis; `celery call` exits with 0, and
    `celery result` waits for as long as it takes.

    Sans worker, `inspect` sort avec le code 69, comme sans Redis ; `celery call` sort avec 0, et `celery result` attend
    aussi longtemps qu'il le faut.
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


def test_purge_asks_and_takes_silence_for_a_no(django, redis, console):
    """`celery purge` asks first: with nobody to answer it exits with 1 and removes nothing; with `--force` it does not
    ask.

    `celery purge` demande confirmation : sans personne pour répondre, elle sort avec le code 1 et n'efface rien ; avec
    `--force`, elle ne demande pas.
    """
    django("[count_words.delay('report.txt') for _ in range(2)]")
    asked, question, before, forced, after = console("purge.console")
    assert (asked.status, asked.output, before.output) == (1, "Aborted!", "(integer) 2")
    assert "Are you sure you want to delete all tasks?" in question.output
    assert (forced.status, after.output) == (0, "(integer) 0")


def test_what_control_changes_lasts_until_the_worker_restarts(stack, worker, django, console):
    """`control` changes the workers that are running, until they stop: the next one knows nothing of it. The exit code
    misleads: 0 when a worker refuses, 69 when it shuts down as asked. Without a destination, all of them shut down.

    `control` change les workers en marche, jusqu'à leur arrêt : le suivant n'en sait rien. Le code de sortie trompe : 0
    quand un worker refuse, 69 quand il s'arrête comme demandé. Sans destination, tous s'arrêtent.
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
    """`celery report` masks the password in `CELERY_RESULT_BACKEND`, but not in `CELERY_BROKER_URL` nor in other
    settings of Django that hold an address; neither does `inspect conf`.

    `celery report` masque le mot de passe de `CELERY_RESULT_BACKEND`, mais ni celui de `CELERY_BROKER_URL`, ni celui
    des autres réglages de Django qui contiennent une adresse ; `inspect conf` non plus.
    """
    worker(settings={"SENTRY_DSN": "https://not-so-secret@sentry.example/1"})
    _, shown, masked = console("report.console")
    leaks = [line for line in shown.output.splitlines() if "not-so-secret" in line]
    assert [line.split(":")[0] for line in leaks] == ["CELERY_BROKER_URL", "REDIS_URL"]
    assert masked.output.count("://") == 4
    assert "not-so-secret" not in masked.output
    assert "not-so-secret" in str(ask(django, "conf()"))


@pytest.mark.since("5.3", fails=r"assert '  \. healthchecks\.views\.fail' not in")
def test_a_task_in_views_is_known_only_thanks_to_the_checks_of_django(worker, stack):
    """Autodiscovery imports modules called `tasks` only: a task written in `views.py` is known to a worker because it
    runs Django's checks, which import the URLs, and no more once `CELERY_SKIP_CHECKS` is set.

    La découverte n'importe que les modules appelés `tasks` : une tâche écrite dans `views.py` n'est connue d'un worker
    que parce qu'il lance les vérifications de Django, qui importent les URL ; avec `CELERY_SKIP_CHECKS`, elle ne l'est
    plus.
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
    """What the worker answers to an `inspect` *command*: asked again where a late answer to another takes its place."""
    return wait_until(lambda: django(f"app.control.inspect(destination=['worker1@cookbook'], timeout=10).{command}"))


def seen(output):
    """Which of the four tasks the *output* of a command shows: each reads a file named after its place."""
    return {place: f"{place}.txt" in output for place in PLACES}
