import re
import string
from importlib.metadata import requires

import celery
import django
import pytest
from packaging.requirements import Requirement
from situations import copy_project, replace_once

from cookbook.testing import DjangoError

WITHOUT_VARIABLES = ["env", "-u", "DJANGO_SETTINGS_MODULE", "-u", "PUBLIC_ROOT", "-u", "REDIS_URL"]


@pytest.fixture
def copy(stack):
    return copy_project(stack)


def test_a_task_called_from_django_runs_in_the_worker(worker, django):
    """With these files, a task called from Django runs in the worker, and Django reads its result.

    Avec ces fichiers, une tâche appelée depuis Django s'exécute dans le worker, et Django lit son résultat.
    """
    worker()
    assert django("from core.tasks import ping; ping.delay().get(timeout=30)") == "pong"


def test_the_first_run_prints_what_the_page_shows(worker, console):
    """From the command line, you can list the tasks of the worker, run one and read its result.

    En ligne de commande, on peut lister les tâches du worker, en lancer une et lire son résultat.
    """
    worker(name="celery")
    registered, _, result = console("first-run.console")
    assert "core.tasks.ping" in registered.output
    assert result.output == "pong"


def test_the_secret_key_is_the_only_variable_needed(stack):
    """The secret key is the only environment variable you need. By default, Redis is on localhost, and files go to
    `public`, next to `manage.py`.

    La clé secrète est la seule variable d'environnement nécessaire. Par défaut, Redis est sur localhost, et les
    fichiers vont dans `public`, à côté de `manage.py`.
    """
    source = (
        "from pathlib import Path; from django.conf import settings; zone = settings.TIME_ZONE; from core import *; "
        "print('read', celery_app.main, zone, settings.PUBLIC_ROOT == Path.cwd() / 'public', "
        "celery_app.conf.broker_url, settings.CELERY_RESULT_BACKEND)"
    )
    manage = [*WITHOUT_VARIABLES, "python", "manage.py", "shell", "-v", "0", "-c", source]
    read = stack.start(manage).wait_for("read ").split()
    assert read[1:] == ["core", "Europe/Paris", "True", "redis://localhost:6379/0", "redis://localhost:6379/1"]


def test_the_celery_app_finds_the_settings(stack):
    """`celery -A core` works without `DJANGO_SETTINGS_MODULE`, because `core/celery.py` sets it.

    `celery -A core` fonctionne sans `DJANGO_SETTINGS_MODULE`, car `core/celery.py` le définit.
    """
    source = "from core.celery import app; print('read', app.conf.broker_url)"
    read = stack.start([*WITHOUT_VARIABLES, "python", "-c", source]).wait_for("read ")
    assert read == "read redis://localhost:6379/0"


def test_the_secret_key_and_where_files_go_come_from_the_environment(stack):
    """`DJANGO_SECRET_KEY` sets the secret key, and `PUBLIC_ROOT` sets the folder of the files.

    `DJANGO_SECRET_KEY` définit la clé secrète, et `PUBLIC_ROOT` le dossier des fichiers.
    """
    django = stack.django()
    django("from core.storages import public_storage; from django.conf import settings")
    assert django("[settings.SECRET_KEY, public_storage.location]") == ["for-proofs-only", str(stack.folder / "public")]


def test_the_url_of_a_public_file_begins_with_public(stack):
    """The URL of a public file is `/public/` followed by its name.

    L'URL d'un fichier public est `/public/` suivi de son nom.
    """
    django = stack.django()
    assert django("from core.storages import public_storage; public_storage.url('report.pdf')") == "/public/report.pdf"


@pytest.mark.since("5.3", fails="waited for 'Trying again in', it ended")
def test_a_worker_that_starts_before_redis_tries_again(worker):
    """A worker that starts before Redis tries again, even when `CELERY_BROKER_CONNECTION_RETRY` is `False`: that
    setting is about connections lost later.

    Un worker qui démarre avant Redis réessaie, même si `CELERY_BROKER_CONNECTION_RETRY` vaut `False` : ce réglage
    concerne les connexions perdues ensuite.
    """
    nowhere = {"REDIS_URL": "redis://127.0.0.1:9"}  # the port `discard`: no server listens there
    early = worker(settings={"CELERY_BROKER_CONNECTION_RETRY": False}, env=nowhere, wait=False)
    early.wait_for("Trying again in", 90)


def test_an_app_listed_by_its_appconfig_is_discovered(worker, copy):
    """`autodiscover_tasks()` finds the tasks of an app listed in `INSTALLED_APPS` by its AppConfig.

    `autodiscover_tasks()` trouve les tâches d'une app listée dans `INSTALLED_APPS` par son AppConfig.
    """
    assert '"core.apps.CoreConfig"' in (copy / "core/settings/base.py").read_text()
    assert ". core.tasks.ping" in worker().log


def test_passing_installed_apps_misses_apps_listed_by_their_appconfig(worker, copy):
    """`autodiscover_tasks(lambda: settings.INSTALLED_APPS)` does not find the tasks of an app listed by its AppConfig.

    `autodiscover_tasks(lambda: settings.INSTALLED_APPS)` ne trouve pas les tâches d'une app listée par son AppConfig.
    """
    celery = copy / "core/celery.py"
    replace_once(celery, "autodiscover_tasks()", "autodiscover_tasks(lambda: settings.INSTALLED_APPS)")
    replace_once(celery, "from celery import Celery", "from celery import Celery\nfrom django.conf import settings")
    assert "core.tasks.ping" not in worker().log


def test_without_the_import_in_init_django_publishes_to_rabbitmq(copy, stack):
    """Without the import in `core/__init__.py`, Django does not load the app: sending a task tries an AMQP broker and
    fails with OperationalError.

    Sans l'import dans `core/__init__.py`, Django ne charge pas l'application : l'envoi d'une tâche vise un broker AMQP
    et échoue avec OperationalError.
    """
    (copy / "core/__init__.py").write_text("")
    django = stack.django()
    assert django("from core.tasks import ping; ping.app.connection().as_uri()").startswith("amqp://")
    with pytest.raises(DjangoError) as failure:
        django("ping.apply_async(retry=False)")
    assert failure.value.name == "OperationalError"


def test_the_redis_extra_installs_the_client(project):
    """`celery[redis]` installs redis-py too. `celery` alone does not.

    `celery[redis]` installe aussi redis-py. `celery` seul ne le fait pas.
    """
    listed = [Requirement(line) for line in requires("celery") or ()]
    [client] = [each for each in listed if each.name == "kombu" and "redis" in each.extras]
    assert client.marker
    assert client.marker.evaluate({"extra": "redis"})
    assert not client.marker.evaluate({"extra": ""})


def test_the_requirement_stays_on_the_tested_minor_version(project):
    """`~=5.2` allows pip to install 5.7. The requirement shown here stays on the minor version that was tested.

    `~=5.2` laisse pip installer la 5.7. La contrainte donnée ici reste sur la version mineure testée.
    """
    lines = (project.recipes / "requirements.txt").read_text().splitlines()
    shown, framework = map(Requirement, lines)
    assert Requirement("celery~=5.2").specifier.contains(celery.__version__)
    assert shown.specifier.contains(celery.__version__)
    assert not shown.specifier.contains("5.6.3")
    assert not shown.specifier.contains("5.8.0")
    assert (framework.name, framework.specifier.contains(django.__version__)) == ("django", True)
    assert [framework.specifier.contains(version) for version in ("5.1", "5.2", "6.1", "6.2")] == [
        False,
        True,
        True,
        False,
    ]


def test_an_environment_variable_wins_over_the_settings(stack):
    """An environment variable named `CELERY_BROKER_URL` overrides the setting of the same name.

    Une variable d'environnement nommée `CELERY_BROKER_URL` l'emporte sur le réglage du même nom.
    """
    django = stack.django(env={"CELERY_BROKER_URL": "redis://elsewhere:6379/5"})
    assert django("from core.celery import app; app.connection().hostname") == "elsewhere"


def test_default_app_config_is_ignored(copy, stack):
    """Django ignores `default_app_config` in the `__init__.py` of a package, even when it names a class that does not
    exist.

    Django ignore `default_app_config` dans le `__init__.py` d'un paquet, même si la classe nommée n'existe pas.
    """
    with (copy / "core/__init__.py").open("a") as file:
        file.write('default_app_config = "core.apps.NoSuchConfig"\n')
    replace_once(copy / "core/settings/base.py", "core.apps.CoreConfig", "core")
    django = stack.django()
    assert django("from django.apps import apps; type(apps.get_app_config('core')).__name__") == "CoreConfig"


def test_an_empty_host_means_localhost(stack):
    """A URL without a host (`redis://:/0`) raises no error: it means localhost, port 6379.

    Une URL sans hôte (`redis://:/0`) ne lève aucune erreur : elle désigne localhost, port 6379.
    """
    django = stack.django(settings={"CELERY_BROKER_URL": "redis://:/0"})
    django("from core.celery import app; broker = app.connection().info()")
    assert django("[broker['hostname'], broker['port']]") == ["localhost", 6379]


@pytest.fixture
def addresses(stack):
    """Ask what the broker and the results get of these variables: the arguments of their connections."""
    django = stack.django()
    django(
        "import importlib, os\n"
        "from celery import Celery\n"
        "from kombu import Connection\n"
        "from core.settings import base\n"
        "\n"
        "def connections(**variables):\n"
        "    os.environ.update(variables)\n"
        "    importlib.reload(base)\n"
        "    broker = Connection(base.CELERY_BROKER_URL)\n"
        "    results = Celery(backend=base.CELERY_RESULT_BACKEND).backend.connparams\n"
        "    checks = [getattr(each.get('ssl_cert_reqs'), 'name', None) for each in (broker.ssl or {}, results)]\n"
        "    return [\n"
        "        [broker.hostname, broker.port, broker.virtual_host, broker.userid, broker.password, checks[0]],\n"
        "        [*map(results.get, ('host', 'port')), str(results['db']),\n"
        "         *map(results.get, ('username', 'password')), checks[1]],\n"
        "    ]\n"
    )
    return lambda **variables: django(f"connections(**{variables})")


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("redis://shop:6379", [None, None, None]),
        ("redis://shop:6379/0", [None, None, None]),
        ("redis://shop:6379/7", [None, None, None]),
        ("redis://:secret@shop:6379/0", [None, "secret", None]),
        ("redis://user:p%2Fw@shop:6379/0", ["user", "p/w", None]),
        ("rediss://:secret@shop:6379/0", [None, "secret", "CERT_REQUIRED"]),
        ("rediss://shop:6379?ssl_cert_reqs=none", [None, None, "CERT_NONE"]),
        ("rediss://shop:6379?ssl_check_hostname=false", [None, None, "CERT_REQUIRED"]),
    ],
)
def test_the_address_of_redis_may_have_a_database_a_user_and_tls(addresses, url, rest):
    """`REDIS_URL` may name a database, a user, a password and TLS: tasks go to database 0, results to database 1, and
    `rediss://` verifies the certificate of the server unless `ssl_cert_reqs` says otherwise.

    `REDIS_URL` peut nommer une base, un utilisateur, un mot de passe et TLS : les tâches vont dans la base 0, les
    résultats dans la base 1, et `rediss://` vérifie le certificat du serveur, sauf si `ssl_cert_reqs` dit le contraire.
    """
    assert addresses(REDIS_URL=url) == [["shop", 6379, "0", *rest], ["shop", 6379, "1", *rest]]


@pytest.mark.parametrize("url", ["redis://user@shop:6379/0", "redis://user:replaced@shop:6379", "redis://shop:6379"])
def test_a_password_may_contain_any_character(addresses, url):
    """A password in `REDIS_PASSWORD` may contain any character, and wins over the one in `REDIS_URL`.

    Un mot de passe placé dans `REDIS_PASSWORD` peut contenir n'importe quel caractère, et l'emporte sur celui de
    `REDIS_URL`.
    """
    password = f"{string.punctuation} é%41"
    user = "user" if "user" in url else None
    login = [user, password, None]
    assert addresses(REDIS_URL=url, REDIS_PASSWORD=password) == [
        ["shop", 6379, "0", *login],
        ["shop", 6379, "1", *login],
    ]


def test_an_address_with_two_databases_fails_without_naming_the_setting(stack):
    """With `f"{REDIS_URL}/1"` and a `REDIS_URL` that ends in `/0`, Celery raises `invalid literal for int() with base
    10: '0/1'`, which names neither the setting nor the variable.

    Avec `f"{REDIS_URL}/1"` et une `REDIS_URL` qui finit par `/0`, Celery lève `invalid literal for int() with base 10:
    '0/1'`, sans nommer ni le réglage ni la variable.
    """
    django = stack.django(settings={"CELERY_RESULT_BACKEND": "redis://localhost:6379/0/1"})
    with pytest.raises(DjangoError, match=r"^ValueError: invalid literal for int\(\) with base 10: '0/1'$"):
        django("from core.tasks import ping; ping.backend")


@pytest.mark.parametrize(
    ("password", "error"),
    [
        ("a/b", "ValueError: Port could not be cast to integer value as 'a'"),
        ("a#b", "ValueError: Port could not be cast to integer value as 'a'"),
        ("a?b", "ValueError: Port could not be cast to integer value as 'a'"),
        ("a[b", "ValueError: Invalid IPv6 URL"),
    ],
)
def test_a_password_with_special_characters_breaks_the_address(stack, password, error):
    """A password with `/`, `#`, `?` or `[` that is written into the address as it is raises an error about a port or
    about IPv6; one with `%` silently becomes another password.

    Un mot de passe avec `/`, `#`, `?` ou `[`, écrit tel quel dans l'adresse, lève une erreur qui parle de port ou
    d'IPv6 ; avec `%`, il devient un autre mot de passe, sans erreur.
    """
    django = stack.django(settings={"CELERY_BROKER_URL": f"redis://:{password}@shop:6379/0"})
    with pytest.raises(DjangoError, match=f"^{re.escape(error)}$"):
        django("from core.celery import app; app.connection().info()")
    assert django("from kombu import Connection; Connection('redis://:100%41@shop:6379/0').password") == "100A"


def test_a_settings_package_that_is_empty_means_rabbitmq(copy, stack):
    """When `DJANGO_SETTINGS_MODULE` names a package of settings whose `__init__.py` is empty, nothing fails and the
    broker is RabbitMQ on this machine.

    Quand `DJANGO_SETTINGS_MODULE` désigne un paquet de réglages dont le `__init__.py` est vide, rien n'échoue et le
    broker est RabbitMQ, sur cette machine.
    """
    (copy / "core/settings/__init__.py").write_text("")
    source = "from core.celery import app; print('read', app.connection().as_uri())"
    read = stack.start([*WITHOUT_VARIABLES, "python", "-c", source]).wait_for("read ")
    assert read == "read amqp://guest:**@localhost:5672//"


def test_a_variable_that_the_settings_miss_shows_as_another_error(stack):
    """When the settings cannot be imported, here because `DJANGO_SECRET_KEY` is missing, `celery -A core worker` fails
    with `'Settings' object has no attribute 'worker_state_db'`.

    Quand les réglages ne peuvent pas être importés, ici faute de `DJANGO_SECRET_KEY`, `celery -A core worker` échoue
    avec `'Settings' object has no attribute 'worker_state_db'`.
    """
    worker = stack.start(["env", "-u", "DJANGO_SECRET_KEY", "celery", "-A", "core", "worker"])
    worker.wait_for("AttributeError: 'Settings' object has no attribute 'worker_state_db'", 90)
    assert "DJANGO_SECRET_KEY" not in worker.log


def test_a_result_that_is_ignored_is_awaited_in_vain(worker, stack, results):
    """With `CELERY_TASK_IGNORE_RESULT = True`, the task runs, `.get()` returns None, and nothing is stored for
    `celery result` to find.

    Avec `CELERY_TASK_IGNORE_RESULT = True`, la tâche s'exécute, `.get()` renvoie None, et rien n'est enregistré pour
    `celery result`.
    """
    ignored = {"CELERY_TASK_IGNORE_RESULT": True}
    running = worker(settings=ignored)
    django = stack.django(ignored)
    assert django("from core.tasks import ping; sent = ping.delay(); [sent.get(timeout=30), sent.state]") == [
        None,
        "PENDING",
    ]
    running.wait_for("succeeded in")
    assert results.keys("celery-task-meta-*") == []
