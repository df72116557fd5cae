import pytest
from situations import asked_when_slow

from cookbook.testing import ABSENT, DjangoError, wait_until

# Celery as it comes, with neither a list of queues nor routes.
AS_IT_COMES = dict.fromkeys(
    ("CELERY_TASK_QUEUES", "CELERY_TASK_ROUTES", "CELERY_TASK_CREATE_MISSING_QUEUES"),
    ABSENT,
)
READY = (
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
    """The route sends `import_scan` to `lowprio` and leaves the other tasks to `celery`; a worker without `-Q` serves
    both queues.

    La route envoie `import_scan` dans `lowprio` et laisse les autres tâches à `celery` ; un worker sans `-Q` sert les
    deux files.
    """
    django("sent = [import_scan.delay('a.dcm'), import_scan.apply_async(('a.dcm',), priority=6), ping.delay()]")
    assert (redis.llen("lowprio"), redis.llen("celery")) == (1, 1)
    assert django("waiting('lowprio')") == 2  # in its priority lists too
    worker()
    assert django("[each.get(timeout=30) for each in sent]") == [3, 3, "pong"]
    wait_until(lambda: django("served_by()") == {"celery": 1, "lowprio": 1})


def test_a_task_waits_for_ever_in_a_queue_that_no_worker_serves(worker, django, redis, console):
    """A worker with `-Q celery` leaves the task in `lowprio`, PENDING, without a word; a worker with `-Q lowprio` runs
    it.

    Un worker avec `-Q celery` laisse la tâche dans `lowprio`, PENDING, sans un mot ; un worker avec `-Q lowprio`
    l'exécute.
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
    """`control add_consumer` makes the running worker serve the queue at once; restarted, it has forgotten.

    `control add_consumer` fait servir la file aussitôt par le worker en marche ; redémarré, il l'a oubliée.
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
    """A worker that takes more than two seconds to answer is counted too.

    Un worker qui met plus de deux secondes à répondre est compté aussi.
    """
    slow = worker()
    wait_until(lambda: asked_when_slow(slow, django, "served_by()") == {"celery": 1, "lowprio": 1})


def test_without_any_worker_every_queue_is_named(django):
    """Without any worker, `check_queues` names every queue.

    Sans aucun worker, `check_queues` nomme toutes les files.
    """
    with pytest.raises(DjangoError, match="no worker serves celery, lowprio"):
        django("call_command('check_queues')")


def test_the_call_wins_over_the_decorator_and_the_decorator_over_the_route(django, redis):
    """`queue=` in `apply_async` wins over `queue=` in the decorator, which wins over `task_routes`, which wins over the
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


def test_a_name_of_your_own_is_no_setting_of_celery(stack, worker, redis):
    """`CELERY_LOWPRIO_QUEUE` is no setting of Celery: it gives no worker anything to serve, and any other name does as
    well.

    `CELERY_LOWPRIO_QUEUE` n'est pas un réglage de Celery : il ne donne rien à servir à aucun worker, et irait aussi
    bien sous tout autre nom.
    """
    names = {**AS_IT_COMES, "CELERY_LOWPRIO_QUEUE": "lowprio", "LOWPRIO_QUEUE": "lowprio"}
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


def test_a_mistyped_queue_is_created_without_a_word(stack, worker, redis, console):
    """By default a mistyped queue is created on the way: the sender gets an id, a worker with `-Q` starts.

    Par défaut, une file mal écrite est créée au passage : l'envoi rend un id, un worker avec `-Q` démarre.
    """
    sent, lists = console("typo.console", settings=AS_IT_COMES)
    assert (sent.status, lists.output) == (0, "lowpiro")
    worker("-Q", "lowrpio", settings=AS_IT_COMES)
    django = started(stack, AS_IT_COMES)
    wait_until(lambda: django("served_by()") == {"lowrpio": 1})


def test_an_undeclared_queue_is_refused(django, redis, console):
    """With `CELERY_TASK_CREATE_MISSING_QUEUES = False` an undeclared queue is refused: QueueNotFound when sending,
    ImproperlyConfigured when a worker starts, and nothing in Redis.

    Avec `CELERY_TASK_CREATE_MISSING_QUEUES = False`, une file non déclarée est refusée : QueueNotFound à l'envoi,
    ImproperlyConfigured au démarrage d'un worker, et rien dans Redis.
    """
    with pytest.raises(DjangoError, match="QueueNotFound"):
        django("import_scan.apply_async(('a.dcm',), queue='lowpiro')")
    called, started, size = console("refused.console")
    assert "QueueNotFound" in called.output
    assert "isn't\ndefined in the `task_queues` setting" in started.output
    assert size.output == "(integer) 0"


def test_a_route_to_an_undeclared_queue_is_found_without_sending(stack, redis):
    """A route to an undeclared queue is refused when sending, and `check_queues` finds it before anything is sent.

    Une route vers une file non déclarée est refusée à l'envoi, et `check_queues` la trouve avant tout envoi.
    """
    django = started(stack, {"CELERY_TASK_ROUTES": {"queues.tasks.import_*": {"queue": "lowpiro"}}})
    for source in ("call_command('check_queues')", "import_scan.delay('a.dcm')"):
        with pytest.raises(DjangoError, match="Queue 'lowpiro' missing from task_queues"):
            django(source)
    assert redis.dbsize() == 0


def test_another_default_queue_leaves_behind_what_waits_in_the_old_one(stack, worker, django, redis):
    """With another `CELERY_TASK_DEFAULT_QUEUE`, senders and workers without `-Q` change over together; what waits in
    the old queue is left behind.

    Avec une autre `CELERY_TASK_DEFAULT_QUEUE`, les envois et les workers sans `-Q` changent ensemble ; ce qui attend
    dans l'ancienne file y reste.
    """
    settings = {**AS_IT_COMES, "CELERY_TASK_DEFAULT_QUEUE": "shop"}
    django("ping.delay()")
    worker(settings=settings)
    assert started(stack, settings)("ping.delay().get(timeout=30)") == "pong"
    assert redis.llen("celery") == 1


def started(stack, settings=None):
    """A Django process that has imported what the proofs use."""
    django = stack.django(settings=settings)
    django(READY)
    return django
