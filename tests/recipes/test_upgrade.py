import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from situations import FAST, SLOW_MACHINE, copy_project, in_flight

from cookbook.testing import environment, find_project, releases, wait_until

NOW = "5.7"
RELEASES = [*releases(find_project(Path(__file__).parent)), NOW]
OLD_NAMES = {
    "CELERYD_PREFETCH_MULTIPLIER": 9,
    "CELERY_DEFAULT_RATE_LIMIT": "10/s",
    "CELERY_MAX_CACHED_RESULTS": 100,
    "CELERY_TASK_RESULT_EXPIRES": 60,
    "BROKER_BACKEND": "memory",
}
ARRIVED = {
    "revoke_by_stamped_headers": "5.3",
    "broker_connection_retry_on_startup": "5.3",
    "delay_on_commit": "5.4",
    "worker_soft_shutdown_timeout": "5.5",
    "worker_disable_prefetch": "5.6",
    "worker_eta_task_limit": "5.6",
    "result_chord_expires": "5.7",
    "result_failure_expires": "5.7",
    "task_retry_on_worker_lost": "5.7",
}
IMPORTS = """
import time
from celery.beat import Scheduler
from celery.loaders.base import find_related_module
from core.celery import app
from core.tasks import ping
from django.conf import settings
from kombu import Connection
"""
REVOKED = """
state = None
if hasattr(app.control, "revoke_by_stamped_headers"):
    app.control.revoke_by_stamped_headers({"scan_id": "42"}, reply=True, timeout=30, limit=1)
    stamped = ping.apply_async(scan_id="42", stamped_headers=["scan_id"])
    stamped.get(timeout=50, propagate=False)
    state = stamped.state
state
"""
EAGER = "app.conf.task_always_eager = True; ping.apply_async(countdown=3600).get()"
SAME = {
    "--max-memory-per-child 15000": 2,
    "CELERY_RESULT_EXPIRES = 30": 30,
    "redis://:/0": "localhost",
    "autodiscover_tasks(lambda: INSTALLED_APPS)": False,
    "beat: celery.backend_cleanup": False,
    "LLEN celery": 0,
    "HLEN unacked": 1,
    "inspect scheduled: priority": 6,
    "celery purge": 0,
    "-Q celery, LLEN lowprio": 2,
    "LINDEX lowprio -1": "a",
    "CELERY_TASK_ALWAYS_EAGER, countdown=3600": "pong",
    "celery -A core call core.tasks.pong": 0,
    "celery inspect ping -A core": 2,
    "celery -A core inspect ping": 69,
}
CHANGED = {  # the release that changed a value, the value before it, and the value since
    "timezone = TIME_ZONE": ("5.3", False, True),
    "revoke_by_stamped_headers": ("5.3", None, "REVOKED"),
    '"stamps" in the message': ("5.3", False, True),
    '"date_done": "…+01:00"': ("5.4", False, True),
    "ZRANGE … BYSCORE": ("5.7", False, True),
    "EXISTS _kombu.binding_deadlines": ("5.7", 0, 1),
}
PROBE = """
import os
import time
from pathlib import Path
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

@shared_task
def pid():
    return os.getpid()

@shared_task
def fail():
    raise ValueError

@shared_task
def work(stubborn):
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded:
        if not stubborn:
            raise
        time.sleep(60)

@shared_task
def note(name):
    with Path(os.environ["PUBLIC_ROOT"], name).open("a") as file:
        file.write("ran ")
"""
SENT = """
import probe
from core.celery import app
replaced = [probe.pid.apply_async(queue="replaced") for _ in range(2)]
soft, hard = (probe.work.apply_async((stubborn,), queue="limits") for stubborn in (False, True))
failed = probe.fail.apply_async(queue="limits")
"""
REMEMBERED = """
known = hasattr(app.control, "revoke_by_stamped_headers")
answered = {"reply": True, "timeout": 30, "limit": 1}
app.control.revoke("revoked", **answered)
known and app.control.revoke_by_stamped_headers({"scan_id": ["42", 43]}, **answered)
known
"""
FORGOTTEN = """
def state(**stamp):
    result = probe.pid.apply_async(stamped_headers=list(stamp), **stamp)
    result.get(timeout=60, propagate=False)
    return result.state

[state(scan_id=each) for each in ("42", "43")]
"""
FATES = {
    "--max-tasks-per-child 1": 2,
    "--soft-time-limit 1": "SoftTimeLimitExceeded",
    "--time-limit 2": "TimeLimitExceeded",
    "CELERY_TASK_EAGER_PROPAGATES = True": "FAILURE",
    "CELERY_BROKER_URL=redis://elsewhere:6379/5": "elsewhere",
    "revoke, --statedb": "REVOKED",
    "DEL celery, HLEN unacked": 1,
    "FLUSHALL, countdown": 1,
    "countdown > visibility_timeout": True,
}
HAS = """
import json, sys
from celery.app.control import Control
from celery.app.defaults import SETTING_KEYS
known = set(SETTING_KEYS) | set(dir(Control))
try:
    from celery.contrib.django.task import DjangoTask
except ImportError:
    pass
else:
    known |= set(dir(DjangoTask))
print(json.dumps([name in known for name in sys.argv[1:]]))
"""


on_each_release = pytest.mark.parametrize("release", RELEASES)


@pytest.fixture
def of_release(stack, on_celery, release):
    """A stack with the Celery of *release*."""
    return stack if release == NOW else on_celery(release)


@on_each_release
def test_what_the_lines_of_old_settings_do_on_each_release(of_release, release, record):
    """The table shows what five lines of old settings do on each release. Up to Celery 5.6, they do nothing. Celery 5.7
    honors all of them except `BROKER_BACKEND`.

    Le tableau montre ce que font cinq lignes d'anciens réglages dans chaque version. Jusqu'à Celery 5.6, elles n'ont
    aucun effet. Celery 5.7 les applique toutes, sauf `BROKER_BACKEND`.
    """
    lines = honored(of_release)
    record("versions", [of_release.versions()])
    record("old_names", column_of(release, lines))
    values = ["10/s", 9, 100, 60, "redis"] if release == NOW else [None, 4, -1, 24 * 60 * 60, "redis"]
    assert lines == dict(
        zip(
            (
                'CELERY_DEFAULT_RATE_LIMIT = "10/s"',
                "CELERYD_PREFETCH_MULTIPLIER = 9",
                "CELERY_MAX_CACHED_RESULTS = 100",
                "CELERY_TASK_RESULT_EXPIRES = 60",
                'BROKER_BACKEND = "memory"',
            ),
            values,
            strict=True,
        )
    )


@on_each_release
def test_what_a_worker_shows_on_each_release(of_release, release, record):
    """Most of what a worker shows is the same on every release. Celery 5.3 added stamps and uses the time zone of
    Django. Celery 5.4 added the UTC offset to the date of a result. Celery 5.7 uses `ZRANGE` by score and sets a
    deadline for each table of bindings.

    L'essentiel de ce que montre un worker est identique dans toutes les versions. Celery 5.3 a ajouté les stamps et
    utilise le fuseau horaire de Django. Celery 5.4 a ajouté le décalage horaire à la date d'un résultat. Celery 5.7
    utilise `ZRANGE` par score et fixe une échéance à chaque table de bindings.
    """
    lines = visible(of_release)
    record("seen", column_of(release, lines))
    at = RELEASES.index(release)
    changed = {line: now if at >= RELEASES.index(since) else before for line, (since, before, now) in CHANGED.items()}
    assert lines == SAME | changed


@pytest.mark.timeout(2 * SLOW_MACHINE)
@on_each_release
def test_what_happens_to_a_task_on_each_release(of_release, release, record):
    """On every release, the time limits end a task, and a worker with `--statedb` remembers revoked ids. Since Celery
    5.3, it forgets revoked stamps when it restarts, and a stamp that is a number does not match its text. On every
    release, tasks that a worker has reserved survive `DEL` and `FLUSHALL`, and they run more than once when they are
    due after the visibility timeout.

    Dans toutes les versions, les limites de temps mettent fin à une tâche, et un worker avec `--statedb` se souvient
    des ids révoqués. Depuis Celery 5.3, il oublie les stamps révoqués quand il redémarre, et un stamp qui est un nombre
    ne correspond pas à son texte. Dans toutes les versions, les tâches réservées par un worker survivent à `DEL` et à
    `FLUSHALL`, et s'exécutent plusieurs fois quand leur échéance dépasse le délai de visibilité.
    """
    lines = fates(of_release)
    record("fates", column_of(release, lines))
    stamps = None if release == "5.2" else "SUCCESS"
    assert lines == FATES | {'{"scan_id": 43}, scan_id="43"': stamps, '{"scan_id": "42"}, --statedb': stamps}


def test_which_release_added_each_setting_or_method(project, stack, on_celery, record):
    """The table shows which release knows each setting or method.

    Le tableau montre quelle version connaît chaque réglage ou méthode.
    """
    seen = {}
    for release in RELEASES:
        python = sys.executable if release == NOW else environment(project, release) / "bin" / "python"
        done = subprocess.run([python, "-c", HAS, *ARRIVED], capture_output=True, text=True, check=True)
        seen[release] = dict(zip(ARRIVED, json.loads(done.stdout), strict=True))
        record("arrived", column_of(release, seen[release]))
    assert {name: next(release for release in seen if seen[release][name]) for name in ARRIVED} == ARRIVED


def test_5_7_needs_redis_6_2(project, stack, on_celery):
    """A Celery 5.7 worker sends `ZRANGE` with options that Redis added in 6.2, according to its own documentation. A
    Celery 5.6 worker does not.

    Un worker Celery 5.7 envoie `ZRANGE` avec des options que Redis a ajoutées en 6.2, d'après sa propre documentation.
    Un worker Celery 5.6 ne le fait pas.
    """
    seen = {release: commands_of_a_worker(each) for release, each in (("5.6", on_celery("5.6")), (NOW, stack))}
    assert [any(re.match("ZRANGE .* BYSCORE", command) for command in sent) for sent in seen.values()] == [False, True]
    documented = str(stack.redis().execute_command("COMMAND DOCS", "ZRANGE"))
    assert re.search(r"'6\.2\.0', 'Added the [^']*BYSCORE", documented), documented


@pytest.mark.parametrize("release", ["5.2", "5.6"])
def test_during_an_upgrade_old_and_new_run_each_other_s_tasks(stack, on_celery, release):
    """During an upgrade, on the same Redis, a worker of the old release runs tasks sent by the new one, and the
    reverse.

    Pendant une montée de version, sur le même Redis, un worker de l'ancienne version exécute les tâches envoyées par la
    nouvelle, et inversement.
    """
    new = stack.django()
    old_stack = on_celery(release)
    old_stack.port = stack.port
    old = old_stack.django()
    old_stack.worker("--queues", "old", name="old")
    stack.worker("--queues", "new", name="new")
    for django, queue in ((new, "old"), (old, "new")):
        sent = f"from core.tasks import ping; ping.apply_async(queue={queue!r}).get(timeout=30)"
        assert django(sent) == "pong"


def test_celery_upgrade_settings_only_renames(stack, project, console):
    """`celery upgrade settings` only renames settings. A setting that had no effect takes effect. Two names of the same
    setting become one line that assigns the setting to itself.

    `celery upgrade settings` ne fait que renommer les réglages. Un réglage sans effet en prend un. Deux noms d'un même
    réglage deviennent une seule ligne, qui affecte le réglage à lui-même.
    """
    if stack.backend == "compose":
        pytest.skip("the project is read-only in its container")
    settings = copy_project(stack) / "core" / "settings" / "base.py"
    with settings.open("a") as file:
        file.write("\n" + (project.recipes / "upgrade" / "before.py").read_text())
    _, changes = console("rename.console")
    assert '> CELERY_TASK_DEFAULT_RATE_LIMIT = "10/s"' in changes.output
    assert "> CELERY_RESULT_EXPIRES = CELERY_RESULT_EXPIRES" in changes.output


def honored(stack):
    """The effect of each line of `OLD_NAMES` on a worker."""
    stack.worker(settings=OLD_NAMES)
    django = stack.django(OLD_NAMES)
    django("from core.celery import app\nfrom core.tasks import ping\nresult = ping.delay()\nresult.get(timeout=30)")
    lifetime = stack.redis(1).ttl(f"celery-task-meta-{django('result.id')}")
    [stats] = django("app.control.inspect(timeout=30, limit=1).stats()").values()
    return {
        'CELERY_DEFAULT_RATE_LIMIT = "10/s"': django("app.conf.task_default_rate_limit"),
        "CELERYD_PREFETCH_MULTIPLIER = 9": stats["prefetch_count"],
        "CELERY_MAX_CACHED_RESULTS = 100": django("app.conf.result_cache_max"),
        "CELERY_TASK_RESULT_EXPIRES = 60": -(-lifetime // 60) * 60,  # the time left, rounded up to a minute
        'BROKER_BACKEND = "memory"': django("app.connection().transport.driver_type"),
    }


def visible(stack):
    """What a worker, its messages, its results and the commands show, by line."""
    settings = {"CELERY_RESULT_EXPIRES": 30}
    worker = stack.worker("--queues", "celery", "--max-memory-per-child", "15000", settings=settings, cold=True)
    django, redis, results = stack.django(settings), stack.redis(0), stack.redis(1)
    django(IMPORTS)
    done = django("for _ in range(2): result = ping.delay(); result.get(timeout=60)\nresult.id")
    key = f"celery-task-meta-{done}"
    wait_until(lambda: worker.log.count(" succeeded in ") == 2)
    lines = {
        "--max-memory-per-child 15000": len(set(re.findall(r"ForkPoolWorker-(\d+)\] Task \S+ succeeded", worker.log))),
        "CELERY_RESULT_EXPIRES = 30": -(-results.ttl(key) // 30) * 30,
        '"date_done": "…+01:00"': bool(re.search(r"[+-]\d\d:\d\d$", json.loads(results.get(key))["date_done"])),
        "timezone = TIME_ZONE": django("str(app.conf.timezone) == settings.TIME_ZONE"),
        "redis://:/0": django("Connection('redis://:/0').info()['hostname']"),
        "autodiscover_tasks(lambda: INSTALLED_APPS)": django(
            "bool(find_related_module('core.apps.CoreConfig', 'tasks'))"
        ),
        "beat: celery.backend_cleanup": django(
            "beat = Scheduler(app=app, lazy=True); beat.setup_schedule(); 'celery.backend_cleanup' in beat.schedule"
        ),
    }
    django("ping.apply_async(countdown=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    purged = django("app.control.purge()")
    django("[ping.apply_async(queue='lowprio', task_id=each) for each in 'ab']; None")
    message, _, _ = json.loads(redis.hvals("unacked")[0])
    [[scheduled]] = django("app.control.inspect(timeout=30, limit=1).scheduled()").values()
    commands = redis.info("commandstats")
    lines |= {
        "LLEN celery": redis.llen("celery"),
        "HLEN unacked": in_flight(redis),
        "inspect scheduled: priority": scheduled["priority"],
        "celery purge": purged,
        "-Q celery, LLEN lowprio": redis.llen("lowprio"),
        "LINDEX lowprio -1": json.loads(redis.lindex("lowprio", -1))["headers"]["id"],
        '"stamps" in the message': "stamps" in message["headers"],
        "ZRANGE … BYSCORE": "cmdstat_zrange" in commands,
        "EXISTS _kombu.binding_deadlines": redis.exists("_kombu.binding_deadlines"),
        "revoke_by_stamped_headers": django(REVOKED, 60),
        "CELERY_TASK_ALWAYS_EAGER, countdown=3600": django(EAGER),
    }
    for command in ("celery -A core call core.tasks.pong", "celery inspect ping -A core"):
        lines[command] = stack.start(command.split()).wait(SLOW_MACHINE)
    worker.stop()
    assert (redis.llen("celery"), in_flight(redis)) == (1, 0)  # the delayed task: purge did not find it
    lines["celery -A core inspect ping"] = stack.start(["celery", "-A", "core", "inspect", "ping"]).wait(SLOW_MACHINE)
    return lines


def fates(stack):
    """What happens to tasks that are interrupted, revoked, deleted while in flight, or due late, by line."""
    (stack.folder / "probe.py").write_text(PROBE)
    (stack.folder / "public").mkdir(exist_ok=True)
    settings = FAST | {"CELERY_IMPORTS": ["probe"], "CELERY_TASK_EAGER_PROPAGATES": True}
    memory = ("--statedb", str(stack.folder / "statedb"))
    limits = ("--soft-time-limit", "1", "--time-limit", "2", "--concurrency", "3")
    others = [
        stack.worker("--queues", "replaced", "--max-tasks-per-child", "1", name="replaced", settings=settings),
        stack.worker("--queues", "limits", *limits, name="limits", settings=settings),
    ]
    worker = stack.worker(*memory, settings=settings)
    django, redis = stack.django(settings), stack.redis(0)
    elsewhere = stack.django(settings, {"CELERY_BROKER_URL": "redis://elsewhere:6379/5"})
    django(SENT)  # replacing a process takes seconds: the rest runs meanwhile
    has_stamps = django(REMEMBERED)
    in_memory = django(FORGOTTEN) if has_stamps else [None, None]
    worker.stop()
    worker = stack.worker(*memory, settings=settings)
    forgotten = django(FORGOTTEN) if has_stamps else [None, None]
    assert in_memory[0] == ("REVOKED" if has_stamps else None)
    lines = {
        "--max-tasks-per-child 1": django("len({result.get(timeout=60) for result in replaced})"),
        "--soft-time-limit 1": django("type(soft.get(60, propagate=False)).__name__"),
        "--time-limit 2": django("type(hard.get(60, propagate=False)).__name__"),
        "CELERY_TASK_EAGER_PROPAGATES = True": django("failed.get(60, propagate=False); failed.state"),
        "CELERY_BROKER_URL=redis://elsewhere:6379/5": elsewhere(
            "from core.celery import app; app.connection_for_write().hostname"
        ),
        "revoke, --statedb": django(
            "revoked = probe.pid.apply_async(task_id='revoked'); revoked.get(60, propagate=False); revoked.state"
        ),
        '{"scan_id": 43}, scan_id="43"': in_memory[1],
        '{"scan_id": "42"}, --statedb': forgotten[0],
    }
    for other in others:
        other.stop()
    # The second worker must start before the task is due. On a slow machine, the task is due later.
    lines["countdown > visibility_timeout"] = any(
        runs_of_a_late_task(stack, django, worker, settings, seconds) > 1 for seconds in (8, 25)
    )
    task = django("probe.note.apply_async(['held'], countdown=3).id")
    wait_until(lambda: in_flight(redis) == 1)
    with redis.pipeline() as at_once:
        at_once.delete("celery").hlen("unacked").flushall()
        _, lines["DEL celery, HLEN unacked"], _ = at_once.execute()
    worker.wait_for(f"{task}] succeeded", SLOW_MACHINE)
    lines["FLUSHALL, countdown"] = (stack.folder / "public" / "held").read_text().count("ran")
    return lines


def runs_of_a_late_task(stack, django, first, settings, seconds):
    """How often a task runs that is due in *seconds*, if another worker starts once the visibility timeout has passed
    since *first* received it."""
    redis, name = stack.redis(0), f"due-in-{seconds}"
    task = django(f"probe.note.apply_async([{name!r}], countdown={seconds}).id")
    [tag] = wait_until(lambda: redis.hkeys("unacked"))
    redis.zincrby("unacked_index", -60, tag)  # as if the worker had received it a minute earlier
    workers = first, stack.worker(name="worker2", settings=settings)

    def over():
        received, ran = (
            sum(each.log.count(f"{task}] {what}") for each in workers) for what in ("received", "succeeded")
        )
        return redis.exists("celery", "unacked") == 0 and 0 < received == ran

    wait_until(over, SLOW_MACHINE)
    workers[1].stop()
    return (stack.folder / "public" / name).read_text().count("ran")


def commands_of_a_worker(stack):
    """The commands that Redis receives from the start of a worker of *stack* to the end of its first task."""
    redis = stack.redis()
    stopped = threading.Event()
    commands = []

    def read(monitor):
        for line in monitor.listen():
            commands.append(line["command"])
            if line["command"] == "ECHO end":
                stopped.set()
                return

    with redis.monitor() as monitor:
        threading.Thread(target=read, args=(monitor,), daemon=True).start()
        stack.worker()
        stack.django()("from core.tasks import ping; ping.delay().get(timeout=30)")
        redis.echo("end")
        assert stopped.wait(30)
    return commands


def column_of(release, lines):
    """One row for each line, with the value on *release*; the recorder joins the columns of all releases."""
    return [{"line": line, release: value} for line, value in lines.items()]
