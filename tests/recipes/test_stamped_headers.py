import pytest
from situations import django_with_file, in_flight, slow_file, wait_for_start

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
    """A waiting task whose stamp is revoked does not run when it is due. Its state becomes REVOKED.

    Une tâche en attente dont le stamp est révoqué ne s'exécute pas à son échéance. Son état devient REVOKED.
    """
    worker = worker()
    django("result = start_import(42, 'a.dcm', delay=2)")
    wait_until(lambda: in_flight(redis) == 1)
    django("cancel_imports(42)")
    worker.wait_for("revoked by header: {'scan_id': '42'}")
    assert wait_until(lambda: django("result.state") == "REVOKED")


@stamps
def test_one_revocation_reaches_every_task_with_the_stamp_and_no_other(worker, django, redis):
    """One call cancels every task with the stamp and no other.

    Un seul appel annule toutes les tâches qui portent le stamp, et aucune autre.
    """
    worker()
    django(
        "doomed = [start_import(42, 'a.dcm', delay=2) for _ in range(3)]; spared = start_import(7, 'a.dcm', delay=2)"
    )
    wait_until(lambda: in_flight(redis) == 4)
    django("cancel_imports(42)")
    assert django("spared.get(timeout=30)") == 3
    wait_until(lambda: django("[each.state for each in doomed]") == ["REVOKED"] * 3)


@stamps
def test_the_message_stays_in_redis_until_the_task_is_due(worker, django, redis):
    """Revoking removes nothing from Redis. The message stays in `unacked` until the task is due, when the worker
    discards it.

    Révoquer ne supprime rien dans Redis. Le message reste dans `unacked` jusqu'à l'échéance de la tâche, où le worker
    l'écarte.
    """
    worker = worker()
    django("start_import(42, 'a.dcm', delay=3)")
    wait_until(lambda: in_flight(redis) == 1)
    django("cancel_imports(42)")
    assert in_flight(redis) == 1
    worker.wait_for("Discarding revoked task")
    wait_until(lambda: in_flight(redis) == 0)


@stamps
def test_the_command_line_revokes_a_stamp_too(worker, django, redis, console):
    """`celery control revoke_by_stamped_headers` does the same. `inspect revoked` does not list the stamp.

    `celery control revoke_by_stamped_headers` fait la même chose. `inspect revoked` ne liste pas le stamp.
    """
    worker()
    django("start_import(42, 'a.dcm', delay=3600)")
    wait_until(lambda: in_flight(redis) == 1)
    _, revoked, listed, left = console("cancel.console")
    assert "flagged as revoked" in revoked.output
    assert "- empty -" in listed.output
    assert left.output == "(integer) 1"


@stamps
def test_revoking_a_stamp_does_not_stop_a_running_task(worker, django, stack):
    """Revoking its stamp does not stop a task that is running.

    Révoquer son stamp n'arrête pas une tâche en cours.
    """
    worker()
    scan = slow_file(stack, "slow.dcm")
    django("result = start_import(42, 'slow.dcm', delay=0)")
    with scan.open("wb") as feed:  # opens once the task reads
        wait_for_start(django)
        assert django(REVOKE)
        feed.write(b"abcd")
    assert django("result.get(timeout=30)") == 4


@stamps
def test_terminate_kills_the_running_task(worker, django, stack):
    """With `terminate=True`, the process that runs the task is killed, and the state of the task is REVOKED.

    Avec `terminate=True`, le processus qui exécute la tâche est tué, et l'état de la tâche est REVOKED.
    """
    worker()
    scan = slow_file(stack, "slow.dcm")
    django("result = start_import(42, 'slow.dcm', delay=0)")
    with scan.open("wb"):  # opens once the task reads
        wait_for_start(django)
        django("inspect = app.control.inspect(['worker1@cookbook'], timeout=30)")
        pid = django("inspect.active()['worker1@cookbook'][0]['worker_pid']")
        processes = "inspect.stats()['worker1@cookbook']['pool']['processes']"
        assert pid in django(processes)
        django("app.control.revoke_by_stamped_headers({'scan_id': '42'}, terminate=True)")
        wait_until(lambda: pid not in django(processes))
        wait_until(lambda: django("result.state") == "REVOKED")


@stamps
def test_a_revoked_stamp_discards_future_tasks_too(worker, django):
    """A stamp stays revoked: a task sent later with the same stamp is discarded too.

    Un stamp reste révoqué : une tâche envoyée plus tard avec le même stamp est écartée aussi.
    """
    worker()
    assert django(REVOKE)
    django("result = start_import(42, 'a.dcm', delay=0)")
    wait_until(lambda: django("result.state") == "REVOKED")


@stamps
def test_a_number_does_not_match_its_text(worker, django):
    """`42` is not `'42'`. Revoking the text `'42'`, which is all the command line can do, does not revoke a stamp that
    was sent as a number.

    `42` n'est pas `'42'`. Révoquer le texte `'42'`, seule possibilité en ligne de commande, ne révoque pas un stamp
    envoyé comme nombre.
    """
    worker()
    assert django(REVOKE)
    django("result = import_scan.apply_async(('a.dcm',), scan_id=42, stamped_headers=['scan_id'])")
    assert django("result.get(timeout=30)") == 3


@stamps
def test_without_stamped_headers_there_is_no_stamp(worker, django):
    """Without `stamped_headers=["scan_id"]`, the option `scan_id` is not a stamp, and no error is raised.

    Sans `stamped_headers=["scan_id"]`, l'option `scan_id` n'est pas un stamp, et aucune erreur n'est levée.
    """
    worker()
    assert django(REVOKE)
    django("result = import_scan.apply_async(('a.dcm',), scan_id='42')")
    assert django("result.get(timeout=30)") == 3


@pytest.mark.since("5.3", fails="DID NOT RAISE")
def test_stamps_do_not_go_in_headers(django):
    """Stamps are options of `apply_async`. In `headers=`, they raise KeyError.

    Les stamps sont des options d'`apply_async`. Dans `headers=`, ils lèvent KeyError.
    """
    with pytest.raises(DjangoError) as failure:
        django("import_scan.apply_async(('a.dcm',), headers={'scan_id': '42'}, stamped_headers=['scan_id'])")
    assert failure.value.name == "KeyError"


@pytest.mark.parametrize("statedb", [False, True])
@stamps
def test_a_restart_forgets_the_revocation(worker, django, stack, statedb):
    """A worker that restarts has forgotten the revoked stamp, even with `--statedb`: the task runs.

    Un worker qui redémarre a oublié le stamp révoqué, même avec `--statedb` : la tâche s'exécute.
    """
    flags = ("--statedb", str(stack.folder / "state")) if statedb else ()
    first = worker(*flags)
    assert django(REVOKE)
    first.stop()
    django("result = start_import(42, 'a.dcm', delay=0)")
    worker(*flags)
    assert django("result.get(timeout=30)") == 3


@stamps
def test_a_new_worker_does_not_learn_revoked_stamps_from_other_workers(worker, django):
    """A worker that starts later learns the revoked ids from the other workers, but not the revoked stamps: it runs the
    task.

    Un worker démarré plus tard apprend des autres workers les ids révoqués, mais pas les stamps révoqués : il exécute
    la tâche.
    """
    first = worker(name="first", quiet=False)
    assert django(REVOKE)
    assert django("app.control.revoke('an-id', reply=True, timeout=30, limit=1)")
    wait_until(lambda: learned(worker(name="second", quiet=False)))
    first.stop()
    assert django("start_import(42, 'a.dcm', delay=0).get(timeout=30)") == 3
    django("by_id = import_scan.apply_async(('a.dcm',), task_id='an-id')")
    wait_until(lambda: django("by_id.state") == "REVOKED")


def test_a_task_that_checks_its_file_does_nothing_after_the_deletion(worker, django):
    """The task checks that its file still exists. After the deletion of the file, it does nothing, even if no worker
    knows of the revocation.

    La tâche vérifie que son fichier existe encore. Après la suppression du fichier, elle ne fait rien, même si aucun
    worker ne connaît la révocation.
    """
    django("result = start_import(42, 'a.dcm', delay=0)")
    django("public_storage.delete('a.dcm')")
    worker()
    assert django("result.get(timeout=30)") is None
    assert django("result.state") == "SUCCESS"


def learned(worker):
    """Whether *worker* got a reply from another worker when it started. Otherwise, this stops *worker*."""
    if "mingle: sync complete" in worker.log:
        return True
    worker.stop()
    return False
