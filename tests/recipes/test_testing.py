from concurrent.futures import ThreadPoolExecutor

import pytest
from celery.contrib.pytest import _create_app
from situations import copy_project, replace_once

from cookbook.testing import DjangoError, wait_until

PATIENCE = 100  # seconds: for what starts Django, and perhaps a worker, on a slow machine
EAGER = {"CELERY_TASK_ALWAYS_EAGER": True}
NOWHERE = "redis://127.0.0.1:1"  # no server listens there
TESTS = ("python", "manage.py", "test", "--settings", "testing.settings_tests")
on_commit = pytest.mark.since("5.4", fails="no attribute 'delay_on_commit'")

SHOP = {
    "__init__.py": "RATES = {}\n",
    # The pages of the shop import it. A worker only looks for tasks in tasks.py.
    "jobs.py": """
from celery import shared_task

@shared_task
def archive():
    return "archived"
""",
    "tasks.py": """
import time
from celery import shared_task
from django.conf import settings
from django.utils.dates import MONTHS
from shop import RATES

@shared_task
def refund(amount):
    if amount <= 0:
        raise ValueError(amount)

@shared_task
def count(words):
    return len(words)

@shared_task
def locate(position):
    return "%s, %s" % position

@shared_task
def words(text):
    return set(text.split())

@shared_task(ignore_result=True)
def total(prices):
    return sum(prices)

@shared_task
def remind():
    return "reminded"

@shared_task(queue="lowprio")
def tidy():
    return "tidied"

@shared_task
def month(number):
    return str(MONTHS[number])

@shared_task(time_limit=1)
def fetch(seconds):
    time.sleep(seconds)

@shared_task
def convert(amount):
    return amount * RATES["EUR"]

@shared_task
def price(amount):
    return f"{amount} {settings.CURRENCY}"
""",
}

OWN_TESTS = """
from core.celery import app
from django.conf import settings
from django.test import override_settings
from testing.worker import WorkerTestCase

@override_settings(GREETING="Hello")
class OwnTests(WorkerTestCase):
    def test_one_process(self):
        self.assertEqual(settings.GREETING, "Hello")
        [stats] = app.control.inspect(timeout=30, limit=1).stats().values()
        self.assertEqual(stats["pool"]["max-concurrency"], 1)
        self.wait_for_tasks()
"""

# How each kind of test runs a task.
KINDS = {
    "call": "send = lambda task, *args, **options: EagerResult('', task(*args), 'SUCCESS')",
    "eager": "kind.enter_context(EAGER); send = apply_async",
    "thread": "kind.enter_context(THREAD); send = apply_async",
    "worker": "send = apply_async",
}
PRELUDE = """
from contextlib import ExitStack
from datetime import datetime
from celery.contrib.testing.worker import start_worker
from celery.result import EagerResult
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings
from django.utils import translation
from core.celery import app
from shop import RATES
from shop.jobs import archive
from shop.tasks import *
from testing.models import Signup
from testing.tasks import welcome

EAGER = override_settings(CELERY_TASK_ALWAYS_EAGER=True, CELERY_TASK_EAGER_PROPAGATES=True)
THREAD = start_worker(app, perform_ping_check=False)
kind = ExitStack()

def apply_async(task, *args, **options):
    return task.apply_async(args, **options)

call_command("migrate", verbosity=0)
"""
# For each bug, the test that looks for it, the same for every kind. Results that never arrive get short timeouts.
BUGS = {
    "refund.delay(0)": "send(refund, 0)",
    'count.delay({"new"})': "assert send(count, {'new'}).get(timeout=60) == 1",
    "locate.delay((48.9, 2.3))": "assert send(locate, (48.9, 2.3)).get(timeout=60) == '48.9, 2.3'",
    "return set(words)": "assert send(words, 'new red').get(timeout=60) == {'new', 'red'}",
    "ignore_result=True": "assert send(total, [1, 2]).get(timeout=60) == 3",
    "eta=datetime.now()": "assert send(remind, eta=datetime.now()).get(timeout=1) == 'reminded'",
    'queue="lowprio"': "assert send(tidy).get(timeout=1) == 'tidied'",
    "atomic(): welcome.delay(pk)": """
with transaction.atomic():
    sent = send(welcome, Signup.objects.create(email="ada@example.com").pk)
    sent.get(timeout=60, propagate=False)  # the request lasts longer than the task
sent.get(timeout=60)
""",
    'translation.override("fr")': """
with translation.override("fr"):
    assert send(month, 1).get(timeout=60) == "janvier"
""",
    "shop/jobs.py": "assert send(archive).get(timeout=60) == 'archived'",
    "time_limit=1": "send(fetch, 3).get(timeout=60)",
    'RATES["EUR"] = 2': "RATES['EUR'] = 2; assert send(convert, 10).get(timeout=60) == 20",
    'override_settings(CURRENCY="EUR")': """
with override_settings(CURRENCY="EUR"):
    assert send(price, 10).get(timeout=60) == "10 EUR"
""",
}


@pytest.fixture
def shop(stack):
    """The settings of a shop. Each of its tasks has a bug."""
    (stack.folder / "shop").mkdir()
    for name, text in SHOP.items():
        (stack.folder / "shop" / name).write_text(text)
    return {
        "INSTALLED_APPS": ["core.apps.CoreConfig", "testing.apps.TestingConfig", "shop"],
        "EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
    }


@pytest.fixture
def copy(stack):
    return copy_project(stack)


def test_what_each_kind_of_test_finds(stack, worker, redis, shop, record):
    """The table shows, for each of these bugs and four kinds of test, the error that the test raises, or none if the
    test passes despite the bug.

    Le tableau montre, pour chacun de ces bugs et quatre sortes de tests, l'erreur que lève le test, ou aucune s'il
    passe malgré le bug.
    """
    started = worker(settings=shop | database(stack, "worker"), wait=False)
    plain = stack.django(shop | database(stack, "worker"))
    threaded = stack.django(shop | database(stack, "thread") | {"CELERY_TASK_DEFAULT_QUEUE": "thread"})
    started.wait_for(" ready.", PATIENCE)
    with ThreadPoolExecutor() as threads:
        others = threads.submit(found_by, threaded, "call", "thread")
        found = found_by(plain, "eager", "worker") | others.result()
    rows = [{"bug": bug, **{kind: found[kind][bug] for kind in KINDS}} for bug in BUGS]
    record("bugs", rows)
    assert [tuple(row.values()) for row in rows] == [
        ("refund.delay(0)", "ValueError", "ValueError", None, None),
        ('count.delay({"new"})', None, "EncodeError", "EncodeError", "EncodeError"),
        ("locate.delay((48.9, 2.3))", None, "TypeError", "TypeError", "TypeError"),
        ("return set(words)", None, None, "EncodeError", "EncodeError"),
        ("ignore_result=True", None, None, "AssertionError", "AssertionError"),
        ("eta=datetime.now()", None, None, "TimeoutError", "TimeoutError"),
        ('queue="lowprio"', None, None, "TimeoutError", "TimeoutError"),
        ("atomic(): welcome.delay(pk)", None, None, "DoesNotExist", "DoesNotExist"),
        ('translation.override("fr")', None, None, "AssertionError", "AssertionError"),
        ("shop/jobs.py", None, None, None, "NotRegistered"),
        ("time_limit=1", None, None, None, "TimeLimitExceeded"),
        ('RATES["EUR"] = 2', None, None, None, "KeyError"),
        ('override_settings(CURRENCY="EUR")', None, None, None, "AttributeError"),
    ]
    # These tasks are hours from due or in a queue without a worker, so a longer timeout would not have helped.
    # A result may arrive before the acknowledgement of its message.
    wait_until(lambda: (redis.hlen("unacked"), redis.llen("lowprio")) == (2, 2))


@pytest.mark.since("5.4", fails=r"tests\.console.*ERROR")
def test_the_tests_of_the_recipe_pass_and_leave_the_queue_of_the_site_alone(console, redis, results):
    """The tests pass. None of their messages reaches database 0, where a worker of the site would run them, and none of
    their results reaches database 1.

    Les tests passent. Aucun de leurs messages n'atteint la base 0, où un worker du site les exécuterait, et aucun de
    leurs résultats n'atteint la base 1.
    """
    [run] = console("tests.console", timeout=PATIENCE)
    assert [line.rpartition(" ... ")[2] for line in run.output.splitlines()] == ["ok"] * 3
    assert redis.keys() == results.keys() == []


@pytest.mark.parametrize(
    ("change", "tests", "message"),
    [
        (("tasks.py", "[signup.email]", "['bob@example.com']"), "test_signups", "FAIL: test_the_message_goes_to_who"),
        (("signups.py", "welcome.delay_on_commit(signup.pk)", "str()"), "test_signups", "FAIL: test_the_welcome"),
        pytest.param(
            ("tasks.py", 'signup.save(update_fields=["welcomed_at"])', "str()"),
            "test_with_worker",
            "unexpectedly None",
            marks=on_commit,
        ),
        pytest.param(
            ("worker.py", "EAGER=False", "EAGER=True"),
            "test_with_worker",
            "FAIL: test_a_worker_welcomes_who",
            marks=on_commit,
        ),
    ],
    ids=["wrong address", "not sent", "not written", "no worker"],
)
def test_the_tests_of_the_recipe_fail_when_the_code_is_wrong(stack, copy, change, tests, message):
    """The tests of the recipe fail in each of these cases: a wrong address, a message that is not sent, a date that is
    not saved, a task that no worker runs.

    Les tests de la recette échouent dans chacun de ces cas : une mauvaise adresse, un message non envoyé, une date non
    enregistrée, une tâche qu'aucun worker n'exécute.
    """
    file, line, bug = change
    replace_once(copy / "testing" / file, line, bug)
    run = stack.start([*TESTS, f"testing.{tests}"])
    assert run.wait(PATIENCE) == 1
    run.wait_for(message)


def test_the_worker_of_the_tests_runs_one_task_at_a_time_and_none_of_an_interrupted_run(stack, copy):
    """The worker of the tests has one process and prints nothing among the tests. The settings of the test class stay
    in force. The worker never runs a task that an interrupted run left in the queue.

    Le worker des tests n'a qu'un processus et n'affiche rien au milieu des tests. Les réglages de la classe de test
    restent en vigueur. Le worker n'exécute jamais une tâche qu'une exécution interrompue a laissée dans la file.
    """
    (copy / "testing/test_own.py").write_text(OWN_TESTS)
    queue, stored = stack.redis(2), stack.redis(3)
    django = stack.django()
    django("from core.celery import app; from core.tasks import ping; from django.conf import settings")
    django("ping.apply_async(task_id='left', connection=app.connection_for_write(f'{settings.REDIS_URL}/2'))")
    assert queue.llen("celery") == 1
    run = stack.start([*TESTS, "testing.test_own"])
    assert run.wait(PATIENCE) == 0
    assert "celery@" not in run.log
    assert stored.keys("celery-task-meta-*")
    assert not stored.exists("celery-task-meta-left")


@pytest.mark.parametrize(
    ("line", "bug", "message"),
    [
        ('"-A", "core"', '"-A", "absent"', "in setUpClass"),
        pytest.param(
            "ping.delay().get(timeout=30)",
            "ping.apply_async(queue='nobody').get(timeout=30)",
            "in wait_for_tasks",
            marks=on_commit,
        ),
    ],
    ids=["no worker", "no answer"],
)
def test_the_tests_fail_with_a_timeout_if_the_worker_does_not_answer(stack, copy, line, bug, message):
    """If the worker does not start or does not answer, the tests fail with TimeoutError once the timeout has passed.

    Si le worker ne démarre pas ou ne répond pas, les tests échouent avec TimeoutError une fois le délai écoulé.
    """
    helper = copy / "testing/worker.py"
    replace_once(helper, line, bug)
    replace_once(helper, "timeout=30", "timeout=1")
    if "absent" in bug:
        replace_once(helper, "timeout=60", "timeout=2")
    run = stack.start([*TESTS, "testing.test_with_worker"])
    assert run.wait(PATIENCE) == 1
    run.wait_for("celery.exceptions.TimeoutError: The operation timed out.")
    assert message in run.log


def test_a_worker_that_does_not_stop_is_killed(stack):
    """`stop` asks the worker to stop. If the worker ignores the signal, `stop` kills it.

    `stop` demande au worker de s'arrêter. Si celui-ci ignore le signal, `stop` le tue.
    """
    django = stack.django()
    django(
        "import subprocess, sys\n"
        "from testing.worker import stop\n"
        "def stopped(handler):\n"
        "    program = f'import signal, sys; signal.signal(signal.SIGQUIT, {handler}); print(flush=True)\\n'\n"
        "    program += 'while True: signal.pause()'\n"
        "    worker = subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE)\n"
        "    worker.stdout.readline()\n"
        "    stop(worker)\n"
        "    return worker.returncode\n"
    )
    assert django("stopped('lambda *_: sys.exit(3)')") == 3
    assert django("stopped('signal.SIG_IGN')", PATIENCE) == -9


def test_eager_tests_see_the_error_of_a_task(stack):
    """With the test settings, `delay` raises the error of the task.

    Avec les réglages de test, `delay` lève l'erreur de la tâche.
    """
    django = stack.django(env={"DJANGO_SETTINGS_MODULE": "testing.settings_tests"})
    django("from core.celery import app\n@app.task\ndef fail(): raise KeyError")
    assert failure(django, "fail.delay()") == "KeyError"


def test_the_welcome_sends_one_email_and_updates_one_column(stack):
    """The task sends one email and updates one column, so it does not overwrite other changes to the row.

    La tâche envoie un e-mail et ne met à jour qu'une colonne : elle n'écrase pas les autres modifications de la ligne.
    """
    django = stack.django(database(stack, "mail") | {"EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend"})
    django(
        "from django.core import mail\n"
        "from django.core.management import call_command\n"
        "from django.db import connection\n"
        "from django.test.utils import CaptureQueriesContext\n"
        "from testing.models import Signup\n"
        "from testing.tasks import welcome\n"
        "call_command('migrate', verbosity=0)\n"
        "Signup.objects.create(email='bob@example.com')\n"
        "signup = Signup.objects.create(email='ada@example.com')\n"
        "mail.outbox = []\n"
        "with CaptureQueriesContext(connection) as queries: welcome(signup.pk)\n"
    )
    assert django("[[each.subject, each.body, each.from_email, each.to] for each in mail.outbox]") == [
        ["Welcome", "Your account is ready.", "webmaster@localhost", ["ada@example.com"]]
    ]
    assert django("queries.captured_queries[-1]['sql'].split(' WHERE ')[0].count('=')") == 1


def test_the_migrations_match_the_model(stack):
    """The migrations match the model.

    Les migrations correspondent au modèle.
    """
    made = stack.start(["python", "manage.py", "makemigrations", "--check", "--dry-run"])
    assert made.wait(PATIENCE) == 0


@pytest.mark.since("5.4", fails="'AttributeError' == 'KeyError'")
def test_a_signup_that_fails_leaves_no_row(stack):
    """If the call of `delay_on_commit` fails, the signup leaves no row in the database.

    Si l'appel de `delay_on_commit` échoue, l'inscription ne laisse aucune ligne en base.
    """
    django = stack.django(database(stack, "signups"))
    django("from django.core.management import call_command; call_command('migrate', verbosity=0)")
    django("from unittest import mock; from testing.models import Signup; from testing.signups import sign_up")
    cut = "with mock.patch('testing.signups.welcome.delay_on_commit', side_effect=KeyError): sign_up('ada@example.com')"
    assert failure(django, cut) == "KeyError"
    assert django("Signup.objects.count()") == 0


@pytest.mark.since("5.4", fails="assert 1 == 0")
def test_the_tests_without_a_worker_need_no_redis(stack):
    """The tests that start no worker pass without Redis.

    Les tests qui ne démarrent pas de worker passent sans Redis.
    """
    tests = stack.start([*TESTS, "testing.test_signups"], env={"REDIS_URL": NOWHERE})
    assert tests.wait(PATIENCE) == 0
    tests.wait_for("Ran 2 tests")


def test_the_eager_test_finds_a_message_that_leaves_before_the_commit(stack, copy):
    """With `delay` instead of `delay_on_commit`, the eager test fails because the message is sent before the commit.

    Avec `delay` au lieu de `delay_on_commit`, le test en mode eager échoue, car le message part avant le commit.
    """
    replace_once(copy / "testing/signups.py", "delay_on_commit", "delay")
    tests = stack.start([*TESTS, "testing.test_signups.SignUpTests"])
    assert tests.wait(PATIENCE) == 1
    tests.wait_for("FAIL: test_the_welcome_leaves_once_the_signup_is_committed")


@on_commit
def test_under_testcase_the_worker_receives_nothing(stack, copy):
    """Under `TestCase`, which commits nothing, `delay_on_commit` sends nothing, and the test with a worker fails.

    Sous `TestCase`, qui ne fait aucun commit, `delay_on_commit` n'envoie rien, et le test avec un worker échoue.
    """
    helper = copy / "testing/worker.py"
    helper.write_text(helper.read_text().replace("TransactionTestCase", "TestCase"))
    tests = stack.start([*TESTS, "testing.test_with_worker"])
    assert tests.wait(PATIENCE) == 1
    tests.wait_for("AssertionError: unexpectedly None")


def test_the_worker_of_the_tests_sends_no_email(stack):
    """Django only keeps email in memory in the process of the tests. Without `EMAIL_BACKEND`, the worker would send it
    by SMTP.

    Django ne garde les e-mails en mémoire que dans le processus des tests. Sans `EMAIL_BACKEND`, le worker les
    enverrait par SMTP.
    """
    django = stack.django(env={"TEST_DATABASE": "unused"})
    django("from django.conf import settings; from testing import settings_worker")
    assert django("settings.EMAIL_BACKEND") == "django.core.mail.backends.smtp.EmailBackend"
    assert django("settings_worker.EMAIL_BACKEND") == "django.core.mail.backends.locmem.EmailBackend"


def test_delay_in_the_worker_of_the_tests_sends_a_message(stack):
    """In the worker of the tests, `.delay()` sends a message, as on the site.

    Dans le worker des tests, `.delay()` envoie un message, comme sur le site.
    """
    django = stack.django(env={"TEST_DATABASE": "unused", "DJANGO_SETTINGS_MODULE": "testing.settings_worker"})
    assert django("from core.tasks import ping; ping.delay().state") == "PENDING"
    assert stack.redis(2).llen("celery") == 1


def test_eager_mode_sends_nothing_whatever_the_broker(stack):
    """Eager mode sends nothing. A broker that does not answer, here RabbitMQ, works as well as `memory://`.

    Le mode eager n'envoie rien. Un broker qui ne répond pas, ici RabbitMQ, convient aussi bien que `memory://`.
    """
    django = stack.django(EAGER | {"CELERY_BROKER_URL": "amqp://127.0.0.1:1"}, env={"REDIS_URL": NOWHERE})
    django("from core.celery import app; from core.tasks import ping")
    assert django("ping.delay().get()") == "pong"
    assert failure(django, "app.connection().ensure_connection(max_retries=1, interval_start=0)") == "OperationalError"


def test_broker_backend_changes_nothing(stack):
    """Celery has no setting named `BROKER_BACKEND`. With `BROKER_BACKEND = "memory"`, it still uses the broker of
    `CELERY_BROKER_URL`.

    Celery n'a pas de réglage nommé `BROKER_BACKEND`. Avec `BROKER_BACKEND = "memory"`, il utilise toujours le broker de
    `CELERY_BROKER_URL`.
    """
    conf = (
        "from celery.app.defaults import SETTING_KEYS; from core.celery import app\n"
        "{key: repr(app.conf[key]) for key in SETTING_KEYS}"
    )
    asked, plain = stack.django({"BROKER_BACKEND": "memory"}), stack.django()
    assert asked("from django.conf import settings; settings.BROKER_BACKEND") == "memory"
    assert asked(conf) == plain(conf)
    assert asked("app.connection().transport_cls") == "redis"
    asked("from core.tasks import ping; ping.delay()")
    assert stack.redis().llen("celery") == 1


def test_an_in_process_worker_runs_without_redis(stack):
    """With `memory://` and `cache+memory://`, a worker inside the test process needs no Redis. Until it starts, the
    task stays PENDING.

    Avec `memory://` et `cache+memory://`, un worker dans le processus des tests n'a pas besoin de Redis. Tant qu'il n'a
    pas démarré, la tâche reste PENDING.
    """
    memory = {"CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": "cache+memory://"}
    django = stack.django(memory, env={"REDIS_URL": NOWHERE})
    django("from celery.contrib.testing.worker import start_worker; from core.celery import app")
    django("from core.tasks import ping; result = ping.delay()")
    assert django("result.state") == "PENDING"
    django("worker = start_worker(app, perform_ping_check=False); worker.__enter__()")
    assert django("result.get(timeout=30)") == "pong"


def test_start_worker_needs_its_ping_task_or_no_ping_check(stack):
    """`start_worker(app)` raises an AssertionError without a message unless the task `celery.ping` is registered. It
    starts a worker with `perform_ping_check=False`, or once `celery.contrib.testing.tasks` is imported, which registers
    that task.

    `start_worker(app)` lève une AssertionError sans message si la tâche `celery.ping` n'est pas enregistrée. Le worker
    démarre avec `perform_ping_check=False`, ou une fois importé `celery.contrib.testing.tasks`, qui enregistre cette
    tâche.
    """
    django = stack.django()
    django("from celery.contrib.testing.worker import start_worker; from core.celery import app")
    django("from core.tasks import ping")
    with pytest.raises(DjangoError) as raised:
        django("with start_worker(app): pass")
    assert str(raised.value) == "AssertionError: "
    run = "with start_worker({}): answer = ping.delay().get(timeout=30)\nanswer"
    assert django(run.format("app, perform_ping_check=False")) == "pong"
    assert django(f"import celery.contrib.testing.tasks\n{run.format('app')}") == "pong"


def test_the_fixtures_of_celery_use_their_own_app(stack):
    """The pytest fixtures of Celery, `celery_app` and `celery_worker`, use their own app in memory, without your
    settings.

    Les fixtures pytest de Celery, `celery_app` et `celery_worker`, utilisent leur propre application en mémoire, sans
    vos réglages.
    """
    django = stack.django({"CELERY_TASK_TIME_LIMIT": 60})
    with _create_app() as its:  # the app of the fixtures
        name = its.main
    django("from celery.contrib.testing.app import TestApp; from core.celery import app; its = TestApp()")
    assert django("its.main") == name != django("app.main")
    assert django("[app.conf.task_time_limit, its.conf.task_time_limit]") == [60, None]
    assert django("[its.conf.broker_url, its.conf.result_backend]") == ["memory://", "cache+memory://"]


def test_eager_mode_without_propagation_hides_the_error(stack, shop):
    """In eager mode without `CELERY_TASK_EAGER_PROPAGATES`, a task that fails raises nothing until its result is read.

    En mode eager sans `CELERY_TASK_EAGER_PROPAGATES`, une tâche qui échoue ne lève rien tant qu'on ne lit pas son
    résultat.
    """
    django = stack.django(shop | EAGER)
    django("from shop.tasks import refund; from django.test import override_settings")
    assert django("result = refund.delay(0); result.state") == "FAILURE"
    propagating = "with override_settings(CELERY_TASK_EAGER_PROPAGATES=True): refund.delay(0)"
    assert [failure(django, source) for source in ("result.get()", propagating)] == ["ValueError"] * 2


def test_eager_mode_ignores_countdowns_and_stores_nothing(stack, results):
    """Eager mode ignores a countdown of an hour and stores no result. A page that reads the result by its id gets
    PENDING.

    Le mode eager ignore un compte à rebours d'une heure et n'enregistre aucun résultat. Une page qui le relit par son
    id obtient PENDING.
    """
    django = stack.django(EAGER)
    django("from core.celery import app; from core.tasks import ping")
    assert django("result = ping.apply_async(countdown=3600); result.state") == "SUCCESS"
    assert django("app.AsyncResult(result.id).state") == "PENDING"
    assert results.keys() == []


def test_store_eager_result_stores_the_result(stack, results):
    """With `CELERY_TASK_STORE_EAGER_RESULT`, eager mode stores the result in the result backend.

    Avec `CELERY_TASK_STORE_EAGER_RESULT`, le mode eager enregistre le résultat dans le backend de résultats.
    """
    django = stack.django(EAGER | {"CELERY_TASK_STORE_EAGER_RESULT": True})
    django("from core.celery import app; from core.tasks import ping; result = ping.delay()")
    assert django("app.AsyncResult(result.id).state") == "SUCCESS"
    assert len(results.keys()) == 1


def test_send_task_sends_even_in_eager_mode(stack, redis):
    """`send_task` ignores eager mode: it sends a message to the broker.

    `send_task` ignore le mode eager : il envoie un message au broker.
    """
    django = stack.django(EAGER)
    assert django("from core.celery import app; app.send_task('core.tasks.ping').state") == "PENDING"
    assert redis.llen("celery") == 1


def found_by(django, *kinds):
    """For each kind of test, the error that the test for each bug raises; None if it passes."""
    django(PRELUDE)
    found = {}
    for kind in kinds:
        django(f"kind.close(); Signup.objects.all().delete(); {KINDS[kind]}")
        found[kind] = {bug: failure(django, source) for bug, source in BUGS.items()}
    return found


def failure(django, source):
    try:
        django(source, timeout=90)
    except DjangoError as error:
        return error.name
    return None


def database(stack, name):
    engine = "django.db.backends.sqlite3"
    return {"DATABASES": {"default": {"ENGINE": engine, "NAME": str(stack.folder / f"{name}.sqlite3")}}}
