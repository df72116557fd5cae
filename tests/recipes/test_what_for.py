import os
import time
from itertools import pairwise
from operator import itemgetter
from threading import Event, Thread

import pytest

from cookbook.testing import wait_until

YEARS = [str(year) for year in range(2018, 2026)]
DISK = 0.5  # seconds to read a file


@pytest.fixture
def weather(stack):
    """The folder of the measurements in the public storage."""
    folder = stack.folder / "public" / "weather"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def django(stack, weather):
    return site(stack)


def test_the_request_returns_before_the_task_ends(worker, django, weather):
    """The site responds while the task is still running. A later request gets its result.

    Le site répond alors que la tâche s'exécute encore. Une requête suivante obtient son résultat.
    """
    worker()
    os.mkfifo(weather / "2025.csv")
    assert post(django, 2025) == 202
    with (weather / "2025.csv").open("w") as feed:  # opens once the task reads
        assert shown(django) == {"state": "PENDING", "summary": None}
        feed.write("celsius\n-3.5\n20\n31\n")
    wait_until(lambda: shown(django)["state"] == "SUCCESS")
    assert shown(django)["summary"] == {"lowest": -3.5, "mean": 15.8, "highest": 31.0}


def test_the_site_works_without_a_worker_and_the_message_waits(worker, django, weather, redis, console):
    """Without a worker, the site still responds. The message waits in Redis until a worker starts.

    Sans worker, le site répond quand même. Le message attend dans Redis qu'un worker démarre.
    """
    (weather / "2025.csv").write_text("celsius\n20\n")
    assert post(django, 2025) == 202
    waiting, _ = console("waiting.console")
    assert waiting.output == "(integer) 1"
    assert shown(django)["state"] == "PENDING"
    worker()
    wait_until(lambda: shown(django)["state"] == "SUCCESS")
    assert redis.llen("celery") == 0


def test_one_worker_runs_the_tasks_one_by_one(worker, django, weather, record):
    """A worker with one process runs the tasks of eight requests one after another, in order. The site has responded to
    all of them before the first task ends.

    Un worker d'un seul processus exécute les tâches de huit requêtes l'une après l'autre, dans l'ordre. Le site a
    répondu à toutes avant la fin de la première tâche.
    """
    bars = run(django, weather, {"worker1": worker()})
    record("alone", bars)
    done = of(bars, "worker1")
    assert [bar["text"] for bar in done] == YEARS
    assert not overlapping(done)
    assert max(bar["end"] for bar in of(bars, "web")) < done[0]["end"]


def test_a_second_worker_shares_the_load(worker, django, weather, record):
    """A second worker receives tasks from the same queue. Each task runs once, two run side by side, and all of them
    end sooner.

    Un second worker reçoit des tâches de la même file. Chaque tâche s'exécute une fois, deux s'exécutent en parallèle,
    et toutes sont terminées plus tôt.
    """
    first = worker()
    alone = run(django, weather, {"worker1": first})
    second = worker(name="worker2")
    shared = run(django, weather, {"worker1": first, "worker2": second})
    record("shared", shared)
    done = of(shared, "worker1", "worker2")
    assert sorted(bar["text"] for bar in done) == YEARS
    assert of(shared, "worker1")
    assert of(shared, "worker2")
    assert overlapping(done)
    assert done[-1]["end"] < 0.8 * alone[-1]["end"]


def test_the_failure_of_a_task_stays_in_its_result(worker, django):
    """A task that fails does not affect the site: the site reports the state FAILURE.

    Une tâche qui échoue n'affecte pas le site : il indique l'état FAILURE.
    """
    worker()
    assert post(django, 1900) == 202
    wait_until(lambda: shown(django) == {"state": "FAILURE", "summary": None})


def test_a_worker_on_another_machine_needs_the_same_files(worker, django, weather, stack):
    """A worker that does not share the storage does not find the file, and the task fails.

    Un worker qui ne partage pas le stockage ne trouve pas le fichier, et la tâche échoue.
    """
    (weather / "2025.csv").write_text("celsius\n20\n")
    elsewhere = worker(env={"PUBLIC_ROOT": str(stack.folder / "elsewhere")})
    assert post(django, 2025) == 202
    wait_until(lambda: shown(django)["state"] == "FAILURE")
    elsewhere.wait_for("FileNotFoundError")


def test_a_worker_without_the_code_drops_the_task(worker, django, weather, redis):
    """A worker without the code of the task drops the message. The state is FAILURE, and the message is no longer in
    Redis for another worker.

    Un worker sans le code de la tâche jette le message. L'état est FAILURE, et le message n'est plus dans Redis pour un
    autre worker.
    """
    (weather / "2025.csv").write_text("celsius\n20\n")
    old = worker(env={"DJANGO_SETTINGS_MODULE": "core.settings"})
    assert post(django, 2025) == 202
    old.wait_for("Received unregistered task of type 'what_for.tasks.summarize'")
    wait_until(lambda: shown(django)["state"] == "FAILURE")
    wait_until(lambda: redis.exists("celery", "unacked") == 0)


def test_a_summary_is_requested_with_post_and_read_with_get(django):
    """A summary is requested with POST and read with GET. The other method gets a 405 response.

    Un résumé se demande en POST et se lit en GET. L'autre méthode reçoit une réponse 405.
    """
    assert post(django, 2025) == 202
    assert django("client.get('/weather/2025/summary/').status_code") == 405
    assert django("client.post(address).status_code") == 405


def test_the_worker_finds_the_task_of_the_app(worker):
    """The worker finds the task of an app in `INSTALLED_APPS`, as well as the tasks of the other apps.

    Le worker trouve la tâche d'une app de `INSTALLED_APPS`, ainsi que celles des autres apps.
    """
    log = worker(env={"CELERY_SKIP_CHECKS": "true"}).log  # Django's checks would import the views, and so the task
    assert ". what_for.tasks.summarize" in log
    assert ". core.tasks.ping" in log


def test_a_task_never_sent_looks_like_one_that_waits(django):
    """The site also reports `PENDING` for a task that was never sent.

    Le site indique aussi `PENDING` pour une tâche jamais envoyée.
    """
    django("import uuid; address = f'/summaries/{uuid.uuid4()}/'")
    assert shown(django) == {"state": "PENDING", "summary": None}


def test_without_the_broker_the_request_hangs_then_fails(stack, weather):
    """If no Redis answers, the request blocks for more than ten seconds, then fails with an error 500.

    Si aucun Redis ne répond, la requête bloque plus de dix secondes, puis échoue avec une erreur 500.
    """
    django = site(stack, REDIS_URL="redis://127.0.0.1:1")
    django("began = time.monotonic()")
    assert post(django, 2025, timeout=120) == 500
    assert django("time.monotonic() - began") > 10


def site(stack, **env):
    """Django with a test client."""
    django = stack.django(env=env)
    django(
        "import time\n"
        "from django.test import Client\n"
        "from django.test.utils import setup_test_environment\n"
        "from what_for.tasks import summarize\n"
        "setup_test_environment()\n"
        "client = Client(raise_request_exception=False)\n"
    )
    return django


def post(django, year, timeout=30):
    """The status of the response to a request for a summary; Django keeps the address of the summary for `shown`."""
    return django(
        f"answer = client.post('/weather/{year}/summary/'); address = answer.headers.get('Location')\n"
        "answer.status_code",
        timeout=timeout,
    )


def shown(django):
    return django("client.get(address).json()")


def run(django, weather, workers):
    """What the site and *workers* did for a summary of each year, with times in seconds since the first request."""
    post(django, 1900)  # warm up: the first request is slower
    wait_until(lambda: shown(django)["state"] == "FAILURE")
    read: dict[str, list[float]] = {}
    all_sent = Event()
    for year in YEARS:
        file = weather / f"{year}.csv"
        if not file.exists():
            os.mkfifo(file)
        Thread(target=deliver, args=(file, read.setdefault(year, []), all_sent), daemon=True).start()
    sent = django(
        "sent = []\n"
        f"for year in {YEARS}:\n"
        "    start = time.time()\n"
        "    task_id = client.post(f'/weather/{year}/summary/').json()['id']\n"
        "    sent.append([task_id, year, start, time.time()])\n"
        "sent"
    )
    all_sent.set()
    ids = [task_id for task_id, *_ in sent]
    wait_until(lambda: all(any(f"{each}] succeeded" in worker.log for worker in workers.values()) for each in ids))
    began = sent[0][2]
    bars = []
    for task_id, year, start, answered in sent:
        bars.append({"lane": "web", "start": start - began, "end": answered - began, "text": year})
        opened, closed = read[year]
        for name, worker in workers.items():
            bar = {"lane": name, "start": opened - began, "end": closed - began, "text": year}
            bars += [bar] * worker.log.count(f"{task_id}] succeeded")
    return sorted(bars, key=itemgetter("start"))


def deliver(file, times, all_sent):
    """Be a slow disk: feed one read of *file*, for DISK seconds and until *all_sent*; *times* gets start and end."""
    with file.open("w") as feed:  # opens once a task reads
        times.append(began := time.time())
        all_sent.wait()
        wait_until(lambda: time.time() >= began + DISK)
        feed.write("celsius\n20\n")
        times.append(time.time())  # before the task gets the end of the file


def of(bars, *lanes):
    return [bar for bar in bars if bar["lane"] in lanes]


def overlapping(bars):
    """Whether two of the *bars*, sorted by their start, overlap."""
    return any(first["end"] > second["start"] for first, second in pairwise(bars))
