import os
import re
from itertools import takewhile

import pytest

from cookbook.testing import DjangoError, wait_until

KEY = "celery-task-meta-"
EXPIRES = 12 * 60 * 60
FOREVER = {"CELERY_RESULT_EXPIRES": None}
# What passes over the results' database without changing a key.
HARMLESS = {"CLIENT", "ECHO", "EXEC", "GET", "HELLO", "INFO", "MULTI", "PUBLISH", "SELECT", "SUBSCRIBE", "UNSUBSCRIBE"}


ends_told = pytest.mark.since("redis-7.0", gap="before Redis 7.0 the end of a key cannot be read, only the time left")


@pytest.fixture
def forever(stack):
    """Django as it was when results never expired: two of those stay, and a third that was given a time to live."""
    django = site(stack, FOREVER)
    django("for name in 'abc': app.backend.store_result(name, name, 'SUCCESS')")
    django("app.backend.expire(app.backend.get_key_for_task('a'), 3600)")
    return django


@ends_told
def test_backend_cleanup_changes_nothing_in_redis(worker, forever, results, console):
    """On Redis `celery.backend_cleanup` succeeds and does nothing: it changes no key, nor the time that one has left,
    and adds its own result.

    Sur Redis, `celery.backend_cleanup` réussit et ne fait rien : elle ne change aucune clé, ni le temps qu'il lui
    reste, et ajoute son propre résultat.
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


def test_beat_schedules_it_only_where_results_do_not_expire_by_themselves(beat, stack, record):
    """Beat schedules `celery.backend_cleanup`, at four in the morning, for a backend that does not make its results
    expire, such as files; for Redis it does not, nor where results are kept for ever.

    Beat programme `celery.backend_cleanup`, à quatre heures du matin, pour un backend qui ne fait pas expirer ses
    résultats, comme les fichiers ; pour Redis, non, ni quand les résultats sont gardés pour toujours.
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


def test_the_backend_says_whether_its_results_expire_by_themselves(stack, redis, console):
    """`supports_autoexpire` is what beat goes by: it is true of Redis.

    Beat se fie à `supports_autoexpire`, qui est vrai pour Redis.
    """
    [asked] = console("ask.console")
    assert asked.output == "True"


def test_on_files_it_deletes_what_has_expired(worker, stack):
    """Where results are files, the same task deletes those whose time is up, and leaves the recent ones.

    Là où les résultats sont des fichiers, la même tâche supprime ceux dont le délai est passé, et laisse les récents.
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
    """Redis deletes an expired result by itself, with no worker and no beat running, and nobody asking for it.

    Redis supprime de lui-même un résultat expiré, sans worker ni beat en marche, et sans que personne le demande.
    """
    running = worker()
    task_id = site(stack)("ping.delay().id")
    running.wait_for(f"{task_id}] succeeded")
    running.kill_group()
    expired = results.info("stats")["expired_keys"]
    assert results.ttl(KEY + task_id) > 0
    results.pexpire(KEY + task_id, 100)  # nobody waits for twelve hours
    wait_until(lambda: results.dbsize() == 0)
    assert results.info("stats")["expired_keys"] == expired + 1


def test_a_new_setting_does_not_reach_the_results_already_stored(worker, stack, results):
    """A change of `result_expires` counts for the results to come: those already stored keep the end that they had, or
    had not.

    Un changement de `result_expires` vaut pour les résultats à venir : ceux qui sont stockés gardent leur échéance, ou
    son absence.
    """
    running = worker(settings=FOREVER)
    django = site(stack)
    before = django("result = ping.delay(); result.get(timeout=30); result.id")
    running.kill_group()
    worker()
    after = django("result = ping.delay(); result.get(timeout=30); result.id")
    assert results.ttl(KEY + before) == -1
    assert EXPIRES - 60 < results.ttl(KEY + after) <= EXPIRES


@ends_told
def test_expire_results_gives_an_end_to_those_that_have_none(forever, results, console):
    """`expire_results` gives the results, groups and chords that have no end the time of `result_expires`, and leaves
    the end of the others; with `--dry-run` it counts them and changes nothing. It looks at a thousand keys at a time.

    `expire_results` donne aux résultats, aux groupes et aux chords sans échéance le délai de `result_expires`, et
    laisse la leur aux autres ; avec `--dry-run`, elle les compte et ne change rien. Elle regarde mille clés
    à la fois.
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


@ends_told
def test_expire_results_refuses_where_results_never_expire(forever, results):
    """Where `result_expires` is None, `expire_results` refuses, and changes nothing.

    Là où `result_expires` est à None, `expire_results` refuse, et ne change rien.
    """
    before = ends(results)
    with pytest.raises(DjangoError, match=r"^CommandError: Set CELERY_RESULT_EXPIRES first\.$"):
        forever("from django.core.management import call_command; call_command('expire_results')")
    assert ends(results) == before


@pytest.mark.since("5.5", fails=r"-2 = ttl\('shop:")
def test_expire_results_stays_within_its_prefix(stack, forever, results):
    """With a `global_keyprefix`, `expire_results` keeps to the results that bear it: those of another project stay as
    they are.

    Avec un `global_keyprefix`, `expire_results` s'en tient aux résultats qui le portent : ceux d'un autre projet
    restent tels quels.
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
    """A Django process with the names that these proofs use."""
    django = stack.django(settings)
    django(
        "from celery.result import AsyncResult, GroupResult; from core.celery import app; from core.tasks import ping"
    )
    return django


def folder(stack):
    """The address of a result backend in files, in the test's own folder."""
    (stack.folder / "results").mkdir()
    return f"file://{stack.folder}/results"


def ends(results):
    """When each key of the results' database expires, in milliseconds; -1 when it never does."""
    return {key: results.pexpiretime(key) for key in results.scan_iter()}


def commands_until(monitor, last):
    """The names of the commands that the results' database received, up to the command *last*."""
    names = set()
    for line in monitor.listen():
        if line["db"] == 1:
            names.add(line["command"].split(" ")[0].upper())
        if line["command"] == last:
            return names
    raise AssertionError("the monitor ended")
