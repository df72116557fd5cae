import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from celery.contrib.pytest import _create_app

from cookbook.testing import DjangoError, wait_until

PATIENCE = 100  # seconds: for what starts Django, and perhaps a worker, on a slow machine
EAGER = {"CELERY_TASK_ALWAYS_EAGER": True}
NOWHERE = "redis://127.0.0.1:1"  # nobody listens there
TESTS = ("python", "manage.py", "test", "--settings", "testing.settings_tests")
on_commit = pytest.mark.since("5.4", fails="no attribute 'delay_on_commit'")

SHOP = {
    "__init__.py": "RATES = {}\n",
    # Imported by the pages of the shop; a worker looks for tasks in tasks.py alone.
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
# For each bug, the test that looks for it: the same for every kind. What never comes is not awaited long.
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
    sent.get(timeout=60, propagate=False)  # the rest of the request lasts longer than the task
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
    """The settings of a shop whose tasks have a bug each."""
    (stack.folder / "shop").mkdir()
    for name, text in SHOP.items():
        (stack.folder / "shop" / name).write_text(text)
    return {
        "INSTALLED_APPS": ["core.apps.CoreConfig", "testing.apps.TestingConfig", "shop"],
        "EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend",
    }


@pytest.fixture
def copy(project, stack, tmp_path):
    """A copy of the project that the stack runs instead, for a test to change."""
    stack.cwd = shutil.copytree(project.recipes, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
    return stack.cwd


def test_what_each_kind_of_test_finds(stack, worker, redis, shop, record):
    """Each of these bugs, in four kinds of test: the error that the test sees, or none if it passes all the same.

    Chacun de ces bogues, dans quatre sortes de tests : l'erreur que voit le test, ou aucune s'il passe quand même.
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
    # Late by hours, and waiting for nobody: more time would not have helped.
    # A result may be there before the acknowledgement of its message.
    wait_until(lambda: (redis.hlen("unacked"), redis.llen("lowprio")) == (2, 2))


@pytest.mark.since("5.4", fails=r"tests\.console.*ERROR")
def test_the_tests_of_the_recipe_pass_and_leave_the_queue_of_the_site_alone(console, redis, results):
    """These tests pass, and none of their messages reaches database 0, where a worker of the site would run them, nor
    any of their results database 1.

    Ces tests passent, et aucun de leurs messages n'atteint la base 0, où un worker du site les exécuterait, ni aucun de
    leurs résultats la base 1.
    """
    [run] = console("tests.console", timeout=PATIENCE)
    assert [line.rpartition(" ... ")[2] for line in run.output.splitlines()] == ["ok"] * 3
    assert redis.keys() == results.keys() == []


@pytest.mark.parametrize(
    ("change", "tests", "said"),
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
def test_the_tests_of_the_recipe_fail_when_the_code_is_wrong(stack, copy, change, tests, said):
    """A wrong address, a message that is not sent, a date that is not written, a task that no worker runs: the tests of
    the recipe fail for each.

    Une mauvaise adresse, un message qui n'est pas envoyé, une date qui n'est pas écrite, une tâche qu'aucun worker
    n'exécute : pour chacun, les tests de la recette échouent.
    """
    file, line, bug = change
    replace(copy / "testing" / file, line, bug)
    run = stack.start([*TESTS, f"testing.{tests}"])
    assert run.wait(PATIENCE) == 1
    run.wait_for(said)


def test_the_worker_of_the_tests_runs_one_task_at_a_time_and_none_of_an_interrupted_run(stack, copy):
    """The worker of the tests has one process, prints nothing among the tests, leaves the settings of their class in
    force, and never runs what an interrupted run left in the queue.

    Le worker des tests a un seul processus, n'affiche rien au milieu des tests, laisse en vigueur les réglages de leur
    classe, et n'exécute jamais ce qu'une exécution interrompue a laissé dans la file.
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
    ("line", "bug", "said"),
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
def test_the_tests_wait_no_longer_than_told(stack, copy, line, bug, said):
    """If the worker does not start, or no longer answers, the tests fail once their time is up.

    Si le worker ne démarre pas, ou ne répond plus, les tests échouent une fois leur délai passé.
    """
    helper = copy / "testing/worker.py"
    replace(helper, line, bug)
    replace(helper, "timeout=30", "timeout=1")
    if "absent" in bug:
        replace(helper, "timeout=60", "timeout=2")
    run = stack.start([*TESTS, "testing.test_with_worker"])
    assert run.wait(PATIENCE) == 1
    run.wait_for("celery.exceptions.TimeoutError: The operation timed out.")
    assert said in run.log


def test_a_worker_that_does_not_stop_is_killed(stack):
    """`stop` asks the worker to stop; one that does not within ten seconds is killed.

    `stop` demande au worker de s'arrêter ; celui qui ne le fait pas en dix secondes est tué.
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
    """With the settings of the tests, `delay` raises what the task raises.

    Avec les réglages des tests, `delay` lève ce que lève la tâche.
    """
    django = stack.django(env={"DJANGO_SETTINGS_MODULE": "testing.settings_tests"})
    django("from core.celery import app\n@app.task\ndef fail(): raise KeyError")
    assert failure(django, "fail.delay()") == "KeyError"


def test_the_welcome_is_one_mail_and_writes_one_column(stack):
    """The task sends one mail, and writes one column: what else changed in the row meanwhile stays.

    La tâche envoie un courriel, et n'écrit qu'une colonne : ce qui a changé entre-temps dans la ligne reste.
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


def test_the_migrations_are_those_of_the_model(stack):
    """The migrations are those of the model.

    Les migrations sont celles du modèle.
    """
    made = stack.start(["python", "manage.py", "makemigrations", "--check", "--dry-run"])
    assert made.wait(PATIENCE) == 0


@pytest.mark.since("5.4", fails="'AttributeError' == 'KeyError'")
def test_a_signup_that_fails_leaves_no_row(stack):
    """A signup that fails before its message is due to leave writes no row either.

    Une inscription qui échoue avant que son message ne soit à envoyer n'écrit pas de ligne non plus.
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
    """With `delay` instead of `delay_on_commit`, the eager test fails: the message has left before the commit.

    Avec `delay` au lieu de `delay_on_commit`, le test immédiat échoue : le message est parti avant la validation.
    """
    replace(copy / "testing/signups.py", "delay_on_commit", "delay")
    tests = stack.start([*TESTS, "testing.test_signups.SignUpTests"])
    assert tests.wait(PATIENCE) == 1
    tests.wait_for("FAIL: test_the_welcome_leaves_once_the_signup_is_committed")


@on_commit
def test_under_testcase_the_worker_receives_nothing(stack, copy):
    """Under `TestCase`, which commits nothing, `delay_on_commit` sends nothing: the test with a worker fails.

    Sous `TestCase`, qui ne valide rien, `delay_on_commit` n'envoie rien : le test avec un worker échoue.
    """
    helper = copy / "testing/worker.py"
    helper.write_text(helper.read_text().replace("TransactionTestCase", "TestCase"))
    tests = stack.start([*TESTS, "testing.test_with_worker"])
    assert tests.wait(PATIENCE) == 1
    tests.wait_for("AssertionError: unexpectedly None")


def test_the_worker_of_the_tests_sends_no_mail(stack):
    """Django keeps mail in memory in the process of the tests alone; without `EMAIL_BACKEND`, the worker would send it.

    Django garde le courrier en mémoire dans le seul processus des tests ; sans `EMAIL_BACKEND`, le worker l'enverrait.
    """
    django = stack.django(env={"TEST_DATABASE": "unused"})
    django("from django.conf import settings; from testing import settings_worker")
    assert django("settings.EMAIL_BACKEND") == "django.core.mail.backends.smtp.EmailBackend"
    assert django("settings_worker.EMAIL_BACKEND") == "django.core.mail.backends.locmem.EmailBackend"


def test_a_task_of_the_worker_sends_others_through_redis(stack):
    """In the worker of the tests, `.delay()` sends a message, as it does on the site.

    Dans le worker des tests, `.delay()` envoie un message, comme sur le site.
    """
    django = stack.django(env={"TEST_DATABASE": "unused", "DJANGO_SETTINGS_MODULE": "testing.settings_worker"})
    assert django("from core.tasks import ping; ping.delay().state") == "PENDING"
    assert stack.redis(2).llen("celery") == 1


def test_eager_mode_sends_nothing_whatever_the_broker(stack):
    """In eager mode nothing is sent: a broker that does not answer, here RabbitMQ, does as well as `memory://`.

    En mode immédiat, rien n'est envoyé : un broker qui ne répond pas, ici RabbitMQ, vaut `memory://`.
    """
    django = stack.django(EAGER | {"CELERY_BROKER_URL": "amqp://127.0.0.1:1"}, env={"REDIS_URL": NOWHERE})
    django("from core.celery import app; from core.tasks import ping")
    assert django("ping.delay().get()") == "pong"
    assert failure(django, "app.connection().ensure_connection(max_retries=1, interval_start=0)") == "OperationalError"


def test_broker_backend_changes_nothing(stack):
    """`BROKER_BACKEND = "memory"` is no setting: Celery goes on talking to the broker of `CELERY_BROKER_URL`.

    `BROKER_BACKEND = "memory"` n'est pas un réglage : Celery continue de parler au broker de `CELERY_BROKER_URL`.
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
    """With `memory://` and `cache+memory://`, a worker inside the process of the tests needs no Redis; until it starts,
    the message waits in the memory of that process.

    Avec `memory://` et `cache+memory://`, un worker dans le processus des tests se passe de Redis ; tant qu'il ne
    démarre pas, le message attend dans la mémoire de ce processus.
    """
    memory = {"CELERY_BROKER_URL": "memory://", "CELERY_RESULT_BACKEND": "cache+memory://"}
    django = stack.django(memory, env={"REDIS_URL": NOWHERE})
    django("from celery.contrib.testing.worker import start_worker; from core.celery import app")
    django("from core.tasks import ping; result = ping.delay()")
    assert django("result.state") == "PENDING"
    django("worker = start_worker(app, perform_ping_check=False); worker.__enter__()")
    assert django("result.get(timeout=30)") == "pong"


def test_the_fixtures_of_celery_use_an_app_of_their_own(stack):
    """`celery_app` and `celery_worker`, the pytest fixtures of Celery, use an app in memory, without your settings.

    `celery_app` et `celery_worker`, les fixtures pytest de Celery, utilisent une application en mémoire, sans vos
    réglages.
    """
    django = stack.django({"CELERY_TASK_TIME_LIMIT": 60})
    with _create_app() as its:  # that of the fixtures
        name = its.main
    django("from celery.contrib.testing.app import TestApp; from core.celery import app; its = TestApp()")
    assert django("its.main") == name != django("app.main")
    assert django("[app.conf.task_time_limit, its.conf.task_time_limit]") == [60, None]
    assert django("[its.conf.broker_url, its.conf.result_backend]") == ["memory://", "cache+memory://"]


def test_eager_mode_without_propagation_hides_the_error(stack, shop):
    """Without `CELERY_TASK_EAGER_PROPAGATES`, a task that fails in eager mode raises nothing before its result is read.

    Sans `CELERY_TASK_EAGER_PROPAGATES`, une tâche qui échoue en mode immédiat ne lève rien avant qu'on lise son
    résultat.
    """
    django = stack.django(shop | EAGER)
    django("from shop.tasks import refund; from django.test import override_settings")
    assert django("result = refund.delay(0); result.state") == "FAILURE"
    propagating = "with override_settings(CELERY_TASK_EAGER_PROPAGATES=True): refund.delay(0)"
    assert [failure(django, source) for source in ("result.get()", propagating)] == ["ValueError"] * 2


def test_eager_mode_waits_for_no_countdown_and_stores_nothing(stack, results):
    """In eager mode a countdown of an hour is over at once, and the result is stored nowhere: a page that reads it by
    its id finds PENDING.

    En mode immédiat, un compte à rebours d'une heure passe aussitôt, et le résultat n'est enregistré nulle part : une
    page qui le relit par son id trouve PENDING.
    """
    django = stack.django(EAGER)
    django("from core.celery import app; from core.tasks import ping")
    assert django("result = ping.apply_async(countdown=3600); result.state") == "SUCCESS"
    assert django("app.AsyncResult(result.id).state") == "PENDING"
    assert results.keys() == []


def test_store_eager_result_stores_it(stack, results):
    """With `CELERY_TASK_STORE_EAGER_RESULT` the result is stored, which needs the result backend.

    Avec `CELERY_TASK_STORE_EAGER_RESULT`, le résultat est enregistré, ce qui demande le stockage des résultats.
    """
    django = stack.django(EAGER | {"CELERY_TASK_STORE_EAGER_RESULT": True})
    django("from core.celery import app; from core.tasks import ping; result = ping.delay()")
    assert django("app.AsyncResult(result.id).state") == "SUCCESS"
    assert len(results.keys()) == 1


def test_send_task_sends_even_in_eager_mode(stack, redis):
    """`send_task` ignores eager mode: it sends a message to the broker of the settings.

    `send_task` ignore le mode immédiat : il envoie un message au broker des réglages.
    """
    django = stack.django(EAGER)
    assert django("from core.celery import app; app.send_task('core.tasks.ping').state") == "PENDING"
    assert redis.llen("celery") == 1


def found_by(django, *kinds):
    """The error that a test for each bug sees, by kind of test; None if it passes."""
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


def replace(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
