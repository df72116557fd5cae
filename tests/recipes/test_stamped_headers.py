import pytest
from situations import accepted, django_with_file, held, slow_file

from cookbook.testing import DjangoError, wait_until

REVOKE = "app.control.revoke_by_stamped_headers({'scan_id': '42'}, reply=True, timeout=30, limit=1)"
stamps = pytest.mark.since("5.3", fails="revoke_by_stamped_headers")


@pytest.fixture
def django(stack):
    """Django with a scan of three bytes in its storage."""
    imports = "from stamped_headers.imports import app, cancel_imports, import_scan, start_import"
    return django_with_file(stack, "a.dcm", imports)


@stamps
def test_a_task_whose_stamp_is_revoked_is_discarded(worker, django, redis):
    """A waiting task whose stamp is revoked does not run when its time comes: its state becomes REVOKED.

    Une tâche en attente dont l'estampille est révoquée ne s'exécute pas à l'heure dite : son état devient REVOKED.
    """
    worker = worker()
    django("result = start_import(42, 'a.dcm', delay=2)")
    wait_until(lambda: held(redis) == 1)
    django("cancel_imports(42)")
    worker.wait_for("revoked by header: {'scan_id': '42'}")
    assert wait_until(lambda: django("result.state") == "REVOKED")


@stamps
def test_one_revocation_reaches_every_task_with_the_stamp_and_no_other(worker, django, redis):
    """One call cancels every task that carries the stamp, and leaves the others alone.

    Un seul appel annule toutes les tâches qui portent l'estampille, et laisse les autres en paix.
    """
    worker()
    django(
        "doomed = [start_import(42, 'a.dcm', delay=2) for _ in range(3)]; spared = start_import(7, 'a.dcm', delay=2)"
    )
    wait_until(lambda: held(redis) == 4)
    django("cancel_imports(42)")
    assert django("spared.get(timeout=30)") == 3
    wait_until(lambda: django("[each.state for each in doomed]") == ["REVOKED"] * 3)


@stamps
def test_the_message_stays_in_redis_until_its_time_comes(worker, django, redis):
    """Revoking takes nothing out of Redis: the worker keeps the message until its time, and drops it only then.

    Révoquer n'enlève rien de Redis : le worker garde le message jusqu'à son heure, et ne le jette qu'alors.
    """
    worker = worker()
    django("start_import(42, 'a.dcm', delay=3)")
    wait_until(lambda: held(redis) == 1)
    django("cancel_imports(42)")
    assert held(redis) == 1
    worker.wait_for("Discarding revoked task")
    wait_until(lambda: held(redis) == 0)


@stamps
def test_the_command_line_revokes_a_stamp_too(worker, django, redis, console):
    """`celery control revoke_by_stamped_headers` does the same; `inspect revoked` shows nothing of it.

    `celery control revoke_by_stamped_headers` fait la même chose ; `inspect revoked` n'en montre rien.
    """
    worker()
    django("start_import(42, 'a.dcm', delay=3600)")
    wait_until(lambda: held(redis) == 1)
    _, revoked, listed, left = console("cancel.console")
    assert "flagged as revoked" in revoked.output
    assert "- empty -" in listed.output
    assert left.output == "(integer) 1"


@stamps
def test_a_task_that_runs_already_is_left_alone(worker, django, stack):
    """A task that is running goes on to its end: revoking its stamp does not stop it.

    Une tâche en cours va jusqu'au bout : révoquer son estampille ne l'arrête pas.
    """
    worker()
    scan = slow_file(stack, "slow.dcm")
    django("result = start_import(42, 'slow.dcm', delay=0)")
    with scan.open("wb") as feed:  # opens once the task reads
        accepted(django)
        assert django(REVOKE)
        feed.write(b"abcd")
    assert django("result.get(timeout=30)") == 4


@stamps
def test_terminate_kills_the_running_task(worker, django, stack):
    """With `terminate=True` the process that runs the task is killed, and the task is REVOKED.

    Avec `terminate=True`, le processus qui exécute la tâche est tué, et la tâche est REVOKED.
    """
    worker()
    scan = slow_file(stack, "slow.dcm")
    django("result = start_import(42, 'slow.dcm', delay=0)")
    with scan.open("wb"):  # opens once the task reads
        accepted(django)
        django("inspect = app.control.inspect(['worker1@cookbook'], timeout=30)")
        pid = django("inspect.active()['worker1@cookbook'][0]['worker_pid']")
        processes = "inspect.stats()['worker1@cookbook']['pool']['processes']"
        assert pid in django(processes)
        django("app.control.revoke_by_stamped_headers({'scan_id': '42'}, terminate=True)")
        wait_until(lambda: pid not in django(processes))
        wait_until(lambda: django("result.state") == "REVOKED")


@stamps
def test_a_revoked_stamp_discards_future_tasks_too(worker, django):
    """A revoked stamp stays revoked: a task sent later with the same stamp is discarded as well.

    Une estampille révoquée le reste : une tâche envoyée plus tard avec la même estampille est écartée aussi.
    """
    worker()
    assert django(REVOKE)
    django("result = start_import(42, 'a.dcm', delay=0)")
    wait_until(lambda: django("result.state") == "REVOKED")


@stamps
def test_a_number_is_not_its_text(worker, django):
    """`42` is not `'42'`: a stamp sent as a number is not revoked by its text, the only form the command line knows.

    `42` n'est pas `'42'` : une estampille envoyée comme nombre n'est pas révoquée par son texte, seule forme que
    connaît la ligne de commande.
    """
    worker()
    assert django(REVOKE)
    django("result = import_scan.apply_async(('a.dcm',), scan_id=42, stamped_headers=['scan_id'])")
    assert django("result.get(timeout=30)") == 3


@stamps
def test_without_stamped_headers_there_is_no_stamp(worker, django):
    """Without `stamped_headers=["scan_id"]` the option `scan_id` is no stamp, and nothing says so.

    Sans `stamped_headers=["scan_id"]`, l'option `scan_id` n'est pas une estampille, et rien ne le signale.
    """
    worker()
    assert django(REVOKE)
    django("result = import_scan.apply_async(('a.dcm',), scan_id='42')")
    assert django("result.get(timeout=30)") == 3


@pytest.mark.since("5.3", fails="DID NOT RAISE")
def test_stamps_do_not_go_in_headers(django):
    """Stamps are options of `apply_async`: put into `headers=` they raise KeyError.

    Les estampilles sont des options d'`apply_async` : dans `headers=`, elles lèvent KeyError.
    """
    with pytest.raises(DjangoError) as failure:
        django("import_scan.apply_async(('a.dcm',), headers={'scan_id': '42'}, stamped_headers=['scan_id'])")
    assert failure.value.name == "KeyError"


@pytest.mark.parametrize("statedb", [False, True])
@stamps
def test_a_restart_forgets_the_revocation(worker, django, stack, statedb):
    """A worker that restarts has forgotten the stamp, with `--statedb` too: the task runs.

    Un worker qui redémarre a oublié l'estampille, même avec `--statedb` : la tâche s'exécute.
    """
    flags = ("--statedb", str(stack.folder / "state")) if statedb else ()
    first = worker(*flags)
    assert django(REVOKE)
    first.stop()
    django("result = start_import(42, 'a.dcm', delay=0)")
    worker(*flags)
    assert django("result.get(timeout=30)") == 3


@stamps
def test_a_new_worker_does_not_learn_of_it_from_its_neighbours(worker, django):
    """A worker that joins later learns the revoked ids from its neighbours, not the revoked stamps: it runs the task.

    Un worker qui arrive plus tard apprend de ses voisins les ids révoqués, pas les estampilles : il exécute la tâche.
    """
    first = worker(name="first", quiet=False)
    assert django(REVOKE)
    assert django("app.control.revoke('an-id', reply=True, timeout=30, limit=1)")
    wait_until(lambda: learned(worker(name="second", quiet=False)))
    first.stop()
    assert django("start_import(42, 'a.dcm', delay=0).get(timeout=30)") == 3
    django("by_id = import_scan.apply_async(('a.dcm',), task_id='an-id')")
    wait_until(lambda: django("by_id.state") == "REVOKED")


def test_a_task_that_looks_before_it_acts_survives_a_forgotten_revocation(worker, django):
    """The task checks that its file still exists: after the deletion it does nothing, whatever the workers remember.

    La tâche vérifie que son fichier existe encore : après la suppression elle ne fait rien,
    quoi que sachent les workers.
    """
    django("result = start_import(42, 'a.dcm', delay=0)")
    django("public_storage.delete('a.dcm')")
    worker()
    assert django("result.get(timeout=30)") is None
    assert django("result.state") == "SUCCESS"


def learned(worker):
    """Whether *worker* heard of its neighbor as it started; one that gave it up, after a second, is stopped."""
    if "mingle: sync complete" in worker.log:
        return True
    worker.stop()
    return False
