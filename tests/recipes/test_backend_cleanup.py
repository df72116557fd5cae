import os
import re
from itertools import takewhile

import pytest

from cookbook.testing import DjangoError, wait_until

KEY = "celery-task-meta-"
EXPIRES = 12 * 60 * 60
FOREVER = {"CELERY_RESULT_EXPIRES": None}
# Commands on the result database that change no key.
HARMLESS = {"CLIENT", "ECHO", "EXEC", "GET", "HELLO", "INFO", "MULTI", "PUBLISH", "SELECT", "SUBSCRIBE", "UNSUBSCRIBE"}


reads_expiry = pytest.mark.since(
    "redis-7.0", gap="before Redis 7.0, no command returns when a key expires, only its TTL"
)


@pytest.fixture
def forever(stack):
    """Django with settings under which results never expire, and three results: two never expire, one does."""
    django = site(stack, FOREVER)
    django("for name in 'abc': app.backend.store_result(name, name, 'SUCCESS')")
    django("app.backend.expire(app.backend.get_key_for_task('a'), 3600)")
    return django


@reads_expiry
def test_backend_cleanup_changes_nothing_in_redis(worker, forever, results, console):
    """On Redis, `celery.backend_cleanup` succeeds and cleans nothing up: it changes no existing key and no expiry. It
    only stores its own result.

    Sur Redis, `celery.backend_cleanup` réussit sans rien nettoyer : aucune clé existante ne change, et aucune échéance
    non plus. La tâche enregistre seulement son propre résultat.
    """
    worker()
    before = ends(results)
    with results.monitor() as monitor:
        _, _, result, after = console("cleanup.console")
        results.echo("the end")
        names = commands_until(monitor, "ECHO the end")
    assert result.output == '{"status":"SUCCESS","result":null}'
    assert after.output == "db1:keys=4,expires=2"
    assert names - HARMLESS == {"SETEX"}  # of its own result
    assert {key: end for key, end in ends(results).items() if key in before} == before


def test_beat_schedules_it_only_for_backends_that_do_not_expire_results(beat, stack, record):
    """Beat schedules `celery.backend_cleanup` at 4 a.m. for a backend that does not expire its results, such as files.
    It does not schedule it for Redis, nor when results never expire.

    Beat planifie `celery.backend_cleanup` à 4 h du matin pour un backend qui ne fait pas expirer ses résultats, comme
    les fichiers. Il ne la planifie ni pour Redis, ni quand les résultats n'expirent jamais.
    """
    files = {"CELERY_RESULT_BACKEND": folder(stack)}
    cases = [("redis", EXPIRES, {}), ("file", EXPIRES, files), ("file", None, files | FOREVER)]
    rows = []
    for backend, expires, settings in cases:
        log = beat("--loglevel", "DEBUG", settings=PING | settings)
        log.wait_for("beat: Ticking with max interval")
        assert "<ScheduleEntry: ping core.tasks.ping()" in log.log
        planned = re.search(r"<ScheduleEntry: .* celery\.backend_cleanup\(\) <crontab: (.*?) \(", log.log)
        rows.append({"backend": backend, "expires": str(expires), "planned": planned[1] if planned else None})
    record("schedule", rows)
    assert [row["planned"] for row in rows] == [None, "0 4 * * *", None]


def test_supports_autoexpire_is_true_for_redis(stack, redis, console):
    """`supports_autoexpire`, which beat checks, is `True` for Redis.

    `supports_autoexpire`, que beat consulte, vaut `True` pour Redis.
    """
    [asked] = console("ask.console")
    assert asked.output == "True"


def test_on_files_it_deletes_expired_results(worker, stack):
    """When results are stored in files, the same task deletes the expired ones and keeps the recent ones.

    Quand les résultats sont des fichiers, la même tâche supprime ceux qui ont expiré et garde les plus récents.
    """
    settings = {"CELERY_RESULT_BACKEND": folder(stack)}
    worker(settings=settings)
    django = site(stack, settings)
    old, recent = (stack.folder / "results" / f"{KEY}{django('ping.delay().id')}" for _ in range(2))
    wait_until(lambda: old.exists() and recent.exists())
    written = old.stat().st_mtime - EXPIRES - 60
    os.utime(old, (written, written))
    django("app.send_task('celery.backend_cleanup').get(timeout=30)")
    assert not old.exists()
    assert recent.exists()


def test_redis_deletes_an_expired_result_by_itself(worker, stack, results):
    """Redis deletes an expired result by itself: no worker or beat is running, and no client reads the key.

    Redis supprime lui-même un résultat expiré, sans worker ni beat, et sans qu'aucun client ne lise la clé.
    """
    running = worker()
    task_id = site(stack)("ping.delay().id")
    running.wait_for(f"{task_id}] succeeded")
    running.stop()
    expired = results.info("stats")["expired_keys"]
    assert results.ttl(KEY + task_id) > 0
    results.pexpire(KEY + task_id, 100)  # instead of twelve hours
    wait_until(lambda: results.dbsize() == 0)
    assert results.info("stats")["expired_keys"] == expired + 1


def test_a_new_setting_does_not_change_stored_results(worker, stack, results):
    """A change of `result_expires` applies to new results only: a result that was stored without an expiry still has
    none.

    Un changement de `result_expires` ne vaut que pour les nouveaux résultats : un résultat enregistré sans échéance
    n'en a toujours pas.
    """
    running = worker(settings=FOREVER)
    django = site(stack)
    before = django("result = ping.delay(); result.get(timeout=30); result.id")
    running.stop()
    worker()
    after = django("result = ping.delay(); result.get(timeout=30); result.id")
    assert results.ttl(KEY + before) == -1
    assert EXPIRES - 60 < results.ttl(KEY + after) <= EXPIRES


@reads_expiry
def test_expire_results_sets_an_expiry_on_keys_that_have_none(forever, results, console):
    """`expire_results` sets an expiry of `result_expires` on the results, groups and chords that have none, and leaves
    the other expiries alone. With `--dry-run`, it counts them and changes nothing. It scans about 1000 keys per `SCAN`.

    `expire_results` applique le délai de `result_expires` aux résultats, aux groupes et aux chords sans échéance, et ne
    touche pas aux autres échéances. Avec `--dry-run`, la commande les compte sans rien changer. Chaque `SCAN` parcourt
    environ 1000 clés.
    """
    results.set("session", "of another program")
    forever("GroupResult('g', [AsyncResult('a')]).save(); app.backend.set_chord_size('g', 2)")
    before = ends(results)
    with results.monitor() as monitor:
        steps = console("expire.console")
        results.echo("done")
        commands = list(
            takewhile(lambda command: command != "ECHO done", (line["command"] for line in monitor.listen()))
        )
    assert [step.output for step in steps] == [
        "db1:keys=6,expires=1",
        "4 keys never expire.",
        "db1:keys=6,expires=1",
        f"4 keys now expire in {EXPIRES} s.",
        "db1:keys=6,expires=5",
    ]
    now = ends(results)
    assert now[f"{KEY}a"] == before[f"{KEY}a"]
    assert now["session"] == -1
    assert {command[-10:] for command in commands if command.startswith("SCAN")} == {"COUNT 1000"}
    for key in (f"{KEY}b", f"{KEY}c", "celery-taskset-meta-g", "celery-taskset-meta-g.s"):
        assert EXPIRES - 60 < results.ttl(key) <= EXPIRES


@reads_expiry
def test_expire_results_refuses_when_result_expires_is_none(forever, results):
    """When `result_expires` is `None`, `expire_results` fails with an error and changes nothing.

    Quand `result_expires` vaut `None`, `expire_results` échoue avec une erreur et ne change rien.
    """
    before = ends(results)
    with pytest.raises(DjangoError, match=r"^CommandError: Set CELERY_RESULT_EXPIRES first\.$"):
        forever("from django.core.management import call_command; call_command('expire_results')")
    assert ends(results) == before


@pytest.mark.since("5.5", fails=r"-2 = ttl\('shop:")
def test_expire_results_stays_within_its_prefix(stack, forever, results):
    """With a `global_keyprefix`, `expire_results` only changes the results that have this prefix. Results without it
    stay as they are.

    Avec un `global_keyprefix`, `expire_results` ne modifie que les résultats qui portent ce préfixe. Ceux qui ne l'ont
    pas restent tels quels.
    """
    prefix = {"CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS": {"global_keyprefix": "shop:"}}
    shop = site(stack, prefix)
    shop("app.backend.store_result('d', 'd', 'SUCCESS')")
    results.persist(f"shop:{KEY}d")
    shop("from django.core.management import call_command; call_command('expire_results')")
    assert results.ttl(f"shop:{KEY}d") > 0
    assert results.ttl(f"{KEY}b") == -1


PING = {"CELERY_BEAT_SCHEDULE": {"ping": {"task": "core.tasks.ping", "schedule": 3600}}}


def site(stack, settings=None):
    """A Django process that has imported what these proofs use."""
    django = stack.django(settings)
    django(
        "from celery.result import AsyncResult, GroupResult; from core.celery import app; from core.tasks import ping"
    )
    return django


def folder(stack):
    """The URL of a file result backend in the folder of the test."""
    (stack.folder / "results").mkdir()
    return f"file://{stack.folder}/results"


def ends(results):
    """When each key of the result database expires, in milliseconds since the epoch; -1 if it never does."""
    return {key: results.pexpiretime(key) for key in results.scan_iter()}


def commands_until(monitor, last):
    """The names of the commands that the result database received, up to the command *last*."""
    names = set()
    for line in monitor.listen():
        if line["db"] == 1:
            names.add(line["command"].split(" ")[0].upper())
        if line["command"] == last:
            return names
    raise AssertionError("the monitor ended")
