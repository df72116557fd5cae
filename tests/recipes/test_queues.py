import pytest
from situations import ask_slow_worker

from cookbook.testing import ABSENT, DjangoError, wait_until

# The defaults of Celery: neither declared queues nor routes.
DEFAULTS = dict.fromkeys(
    ("CELERY_TASK_QUEUES", "CELERY_TASK_ROUTES", "CELERY_TASK_CREATE_MISSING_QUEUES"),
    ABSENT,
)
IMPORTS = (
    "from celery import shared_task\n"
    "from django.conf import settings\n"
    "from django.core.files.base import ContentFile\n"
    "from django.core.management import call_command\n"
    "from core.celery import app\n"
    "from core.storages import public_storage\n"
    "from core.tasks import ping\n"
    "from queues.served import sent_to, served_by, waiting\n"
    "from queues.tasks import import_scan\n"
    "public_storage.save('a.dcm', ContentFile(b'abc'))\n"
)


@pytest.fixture
def django(stack):
    """Django with a scan of three bytes in its storage."""
    return started(stack)


def test_a_route_sends_each_task_to_its_queue_and_a_worker_serves_them_all(worker, django, redis):
    """The route sends `import_scan` to `lowprio` and leaves the other tasks in `celery`. A worker without `-Q` serves
    both queues.

    La route envoie `import_scan` dans `lowprio` et laisse les autres tâches dans `celery`. Un worker sans `-Q` sert les
    deux files.
    """
    django("sent = [import_scan.delay('a.dcm'), import_scan.apply_async(('a.dcm',), priority=6), ping.delay()]")
    assert (redis.llen("lowprio"), redis.llen("celery")) == (1, 1)
    assert django("waiting('lowprio')") == 2  # in its priority lists too
    worker()
    assert django("[each.get(timeout=30) for each in sent]") == [3, 3, "pong"]
    wait_until(lambda: django("served_by()") == {"celery": 1, "lowprio": 1})


def test_a_task_in_a_queue_that_no_worker_serves_stays_pending(worker, django, redis, console):
    """A worker with `-Q celery` leaves the task in `lowprio`, and logs nothing about it. The task stays PENDING until a
    worker with `-Q lowprio` runs it.

    Un worker avec `-Q celery` laisse la tâche dans `lowprio`, sans rien écrire dans les logs. Elle reste PENDING
    jusqu'à ce qu'un worker avec `-Q lowprio` l'exécute.
    """
    first = worker("-Q", "celery")
    _, state, length, served, found = console("unserved.console")
    assert (state.output, length.output) == ("PENDING", "(integer) 1")
    assert "lowprio" not in served.output
    assert found.status == 1
    assert found.output.endswith("CommandError: no worker serves lowprio")
    assert "import_scan" not in first.log.partition(" ready.")[2]
    second = worker("-Q", "lowprio", name="worker2")
    second.wait_for("import_scan")
    second.wait_for("succeeded")


def test_add_consumer_serves_the_queue_until_the_worker_restarts(worker, django, redis, console):
    """`control add_consumer` makes a running worker serve the queue at once. After a restart, the worker no longer
    serves it.

    Avec `control add_consumer`, un worker en marche sert aussitôt la file. Après un redémarrage, il ne la sert plus.
    """
    first = worker("-Q", "celery")
    django("result = import_scan.delay('a.dcm')")
    *_, checked = console("cured.console")
    assert checked.status == 0
    assert django("result.get(timeout=30)") == 3
    first.stop()
    worker("-Q", "celery")
    wait_until(lambda: django("served_by()") == {"celery": 1})


def test_a_worker_that_is_slow_to_answer_is_counted(worker, django):
    """A worker that needs more than two seconds to reply is counted too.

    Un worker qui met plus de deux secondes à répondre est compté aussi.
    """
    slow = worker()
    wait_until(lambda: ask_slow_worker(slow, django, "served_by()") == {"celery": 1, "lowprio": 1})


def test_without_any_worker_check_queues_names_every_queue(django):
    """Without any worker, `check_queues` fails and names every queue.

    Sans aucun worker, `check_queues` échoue et nomme toutes les files.
    """
    with pytest.raises(DjangoError, match="no worker serves celery, lowprio"):
        django("call_command('check_queues')")


def test_the_call_wins_over_the_decorator_and_the_decorator_over_the_route(django, redis):
    """`queue=` in `apply_async` overrides `queue=` in the decorator, which overrides `task_routes`, which overrides the
    default queue.

    `queue=` dans `apply_async` l'emporte sur `queue=` dans le décorateur, qui l'emporte sur `task_routes`, qui
    l'emporte sur la file par défaut.
    """

    def sent_to(source):
        django(source)
        [queue] = redis.scan_iter(_type="list")
        redis.delete(queue)
        return queue

    django("@shared_task(name='queues.tasks.import_now', queue='celery')\ndef import_now(): pass")
    assert sent_to("ping.delay()") == "celery"
    assert sent_to("import_scan.delay('a.dcm')") == "lowprio"
    assert sent_to("import_now.delay()") == "celery"
    assert sent_to("import_now.apply_async(queue='lowprio')") == "lowprio"


def test_celery_ignores_a_setting_that_you_made_up(stack, worker, redis):
    """Celery has no setting named `CELERY_LOWPRIO_QUEUE`. A task that takes its `queue=` from it goes to `lowprio`,
    which no worker serves. A setting with any other name has the same effect.

    Celery n'a pas de réglage nommé `CELERY_LOWPRIO_QUEUE`. Une tâche qui y prend son `queue=` part dans `lowprio`,
    qu'aucun worker ne sert. Un réglage de n'importe quel autre nom a le même effet.
    """
    names = {**DEFAULTS, "CELERY_LOWPRIO_QUEUE": "lowprio", "LOWPRIO_QUEUE": "lowprio"}
    django = started(stack, names)
    worker(settings=names)
    for name in ("CELERY_LOWPRIO_QUEUE", "LOWPRIO_QUEUE"):
        django(
            f"@shared_task(name='{name}', queue=settings.{name})\ndef import_file(): pass\nresult = import_file.delay()"
        )
        assert django("ping.delay().get(timeout=30)") == "pong"
        assert django("result.state") == "PENDING"
    assert redis.llen("lowprio") == 2
    wait_until(lambda: django("served_by()") == {"celery": 1})
    assert django("sorted(sent_to())") == ["celery", "lowprio"]


def test_a_mistyped_queue_is_created_silently(stack, worker, redis, console):
    """By default, Celery creates a mistyped queue: sending a task to it succeeds, and a worker with `-Q` starts.

    Par défaut, Celery crée une file mal orthographiée : l'envoi d'une tâche y réussit, et un worker avec `-Q` démarre.
    """
    sent, lists = console("typo.console", settings=DEFAULTS)
    assert (sent.status, lists.output) == (0, "lowpiro")
    worker("-Q", "lowrpio", settings=DEFAULTS)
    django = started(stack, DEFAULTS)
    wait_until(lambda: django("served_by()") == {"lowrpio": 1})


def test_an_undeclared_queue_is_refused(django, redis, console):
    """With `CELERY_TASK_CREATE_MISSING_QUEUES = False`, Celery refuses an undeclared queue. Sending fails with
    QueueNotFound, a worker fails to start with ImproperlyConfigured, and nothing is written to Redis.

    Avec `CELERY_TASK_CREATE_MISSING_QUEUES = False`, Celery refuse une file non déclarée. L'envoi échoue avec
    QueueNotFound, le démarrage d'un worker avec ImproperlyConfigured, et rien n'est écrit dans Redis.
    """
    with pytest.raises(DjangoError, match="QueueNotFound"):
        django("import_scan.apply_async(('a.dcm',), queue='lowpiro')")
    called, started, size = console("refused.console")
    assert "QueueNotFound" in called.output
    assert "isn't\ndefined in the `task_queues` setting" in started.output
    assert size.output == "(integer) 0"


def test_a_route_to_an_undeclared_queue_is_found_without_sending(stack, redis):
    """With a route to an undeclared queue, sending fails. `check_queues` reports the route without sending anything.

    Avec une route vers une file non déclarée, l'envoi échoue. `check_queues` signale la route sans rien envoyer.
    """
    django = started(stack, {"CELERY_TASK_ROUTES": {"queues.tasks.import_*": {"queue": "lowpiro"}}})
    for source in ("call_command('check_queues')", "import_scan.delay('a.dcm')"):
        with pytest.raises(DjangoError, match="Queue 'lowpiro' missing from task_queues"):
            django(source)
    assert redis.dbsize() == 0


def test_changing_the_default_queue_leaves_tasks_in_the_old_one(stack, worker, django, redis):
    """After a change of `CELERY_TASK_DEFAULT_QUEUE`, Django and a worker without `-Q` use the new queue. Tasks in the
    old queue stay there.

    Après un changement de `CELERY_TASK_DEFAULT_QUEUE`, Django et un worker sans `-Q` utilisent la nouvelle file. Les
    tâches de l'ancienne y restent.
    """
    settings = {**DEFAULTS, "CELERY_TASK_DEFAULT_QUEUE": "shop"}
    django("ping.delay()")
    worker(settings=settings)
    assert started(stack, settings)("ping.delay().get(timeout=30)") == "pong"
    assert redis.llen("celery") == 1


def started(stack, settings=None):
    """A Django process that has imported what these proofs use."""
    django = stack.django(settings=settings)
    django(IMPORTS)
    return django
