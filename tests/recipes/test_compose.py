import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter
from contextlib import contextmanager

import pytest
import redis as redis_py
import yaml
from celery import Celery
from compose_lines import LINES, Bench, leaves, shortened
from situations import SLOW_MACHINE

from cookbook.testing import (
    PROJECT_LABEL,
    ComposeStack,
    compose_files,
    engine,
    free_port,
    own_compose_project,
    prepare_once,
    remove_container,
    remove_project,
    run_folder,
    wait_for_redis,
    wait_until,
)

pytestmark = pytest.mark.timeout(300)
SERVICES = ("redis", "db", "worker", "beat")
MAIN = "$(cat /proc/1/task/1/children)"  # the pid of the program in its container, a child of docker's init
TASK = """
import time
from pathlib import Path
from celery import shared_task

def note(name, number):
    with Path("/proof", name).open("a") as file:
        file.write(f"{number}\\n")

@shared_task(ignore_result=True)
def work(number, seconds):
    note("started", number)
    time.sleep(seconds)
    while Path("/proof/closed").exists():
        time.sleep(0.05)
    note("ended", number)
"""
SETTINGS = """
from compose.settings import *

CELERY_IMPORTS = ["proof"]
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 8,
    "unacked_restore_interval": 1,
    "unacked_restore_throttle": 1,
    "unacked_mutex_expire": 3,  # as in FAST: here too workers are killed
}
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 3
CELERY_BEAT_SCHEDULE["count users"]["schedule"] = 3600
"""


class Up:
    """The whole docker-compose.yml of the project, running: its commands, its containers, and tasks to count."""

    def __init__(self, project, name, folder):
        self.project, self.name, self.folder = project, name, folder
        self.port, self.flower_port = free_port(), free_port()
        self.client = redis_py.Redis(port=self.port, decode_responses=True)
        self.sender = Celery("sender", broker=f"redis://127.0.0.1:{self.port}/0")
        self._numbers = itertools.count()

    def command(self, *args, file="docker-compose.yml"):
        *env_file, _, _, _, over = compose_files(self.project)
        files = ("--file", str(file), "--file", over, "--file", str(self.folder / "override.yml"))
        root = ("--project-directory", str(self.project.root), "--project-name", self.name)
        return ["docker", "compose", *root, *env_file, *files, *args]

    def environment(self):
        return {**os.environ, "REDIS_PORT": str(self.port), "FLOWER_PORT": str(self.flower_port)}

    def __call__(self, *args, file="docker-compose.yml", check=True):
        """What `docker compose ARGS` printed on stdout and stderr."""
        done = subprocess.run(
            self.command(*args, file=file),
            cwd=self.project.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout
        return done.stdout.strip()

    def container(self, service):
        return engine().containers.get(f"{self.name}-{service}-1")

    def shell(self, service, script):
        """The exit code and the output of a shell script in the container of *service*."""
        code, output = self.container(service).exec_run(["sh", "-c", script])
        return code, output.decode().strip()

    def kill(self, service):
        """Kill the program in a container as the kernel does; Docker treats `docker kill` as a manual stop."""
        self.shell(service, f"kill -9 {MAIN}")

    def crash(self, service):
        """Kill the program in a container, and wait until Docker has restarted it."""
        container = self.container(service)
        crashes = container.attrs["RestartCount"]
        self.kill(service)
        wait_until(lambda: self.container(service).attrs["RestartCount"] > crashes)

    def await_health(self, *services):
        for service in services:
            wait_until(lambda: self.container(service).health == "healthy", SLOW_MACHINE)  # noqa: B023  # called at once

    def send(self, count, seconds, queue="celery"):
        """Send *count* tasks that take *seconds* each, and return their numbers."""
        numbers = [str(next(self._numbers)) for _ in range(count)]
        for number in numbers:
            self.sender.send_task("proof.work", (number, seconds), task_id=number, queue=queue, ignore_result=True)
        return numbers

    def noted(self, name):
        """How often each task has started or ended, by its number; *name* is `started` or `ended`."""
        file = self.folder / name
        return Counter(file.read_text().split() if file.exists() else ())

    def await_end(self, numbers):
        def done():
            left = self.client.llen("celery") or self.client.hlen("unacked")
            return not left and set(numbers) <= set(self.noted("ended"))

        try:
            wait_until(done, SLOW_MACHINE)
        except TimeoutError as error:
            error.add_note(self("logs", "--timestamps", "--tail", "200", check=False))
            raise

    @contextmanager
    def busy(self):
        """Send 24 tasks, of which the worker's two processes run one each, the worker has reserved six, and the others
        are in the queue; none ends before the block does."""
        (self.folder / "closed").touch()
        numbers = self.send(24, 0)
        wait_until(lambda: len(set(numbers) & set(self.noted("started"))) == 2)
        wait_until(lambda: (self.client.llen("celery"), self.client.hlen("unacked")) == (16, 8))
        yield numbers
        (self.folder / "closed").unlink()

    def unacknowledged(self):
        """The tasks whose messages are in `unacked`."""
        return {json.loads(message)[0]["headers"]["id"] for message in self.client.hvals("unacked")}

    def twice(self, numbers):
        """The tasks of *numbers* that were started more than once."""
        started = self.noted("started")
        return {number for number in numbers if started[number] > 1}


def own_folder(request, project, suffix):
    """The name of a Compose project for this run, and its folder."""
    if request.config.option.stack != "compose":
        pytest.skip("needs a Docker engine: this proof runs docker-compose.yml itself")
    prepare_once(ComposeStack, project)
    name = own_compose_project(suffix)
    folder = run_folder() / name
    folder.mkdir()
    return name, folder


@pytest.fixture
def bench(request, project):
    name, folder = own_folder(request, project, f"bench-{os.urandom(4).hex()}")
    bench = Bench(project, name, folder)
    try:
        yield bench
    finally:
        bench.remove()


@pytest.fixture(scope="module")
def up(request, project):
    name, folder = own_folder(request, project, f"compose-{os.getpid()}")
    folder.chmod(0o777)  # the worker writes into it as another user
    (folder / "proof.py").write_text(TASK)
    (folder / "proof_settings.py").write_text(SETTINGS)
    app = {
        "environment": {"DJANGO_SETTINGS_MODULE": "proof_settings", "PYTHONPATH": "/proof"},
        "volumes": [f"{folder}:/proof"],
    }
    flower = {"env_file": [str(run_folder() / "env")]}
    override = yaml.safe_dump({"services": {"worker": app, "beat": app, "flower": flower}})
    (folder / "override.yml").write_text(override.replace("env_file:", "env_file: !override"))
    running = Up(project, name, folder)
    try:
        running("up", "--detach", "--no-build", "--wait")
        yield running
    finally:
        remove_project(name)


@pytest.fixture(autouse=True)
def healthy(request):
    """Wait until the services are healthy, whatever the previous proof did to them."""
    if "up" in request.fixturenames:
        request.getfixturevalue("up").await_health("redis", "db", "worker")


def test_everything_starts_and_a_task_reaches_the_database(up):
    """`docker compose up` starts everything. A task goes through Redis and a worker, and reads from the migrated
    database.

    `docker compose up` démarre tout. Une tâche passe par Redis et un worker, et lit la base migrée.
    """
    source = "from compose.tasks import count_users; print(count_users.delay().get(timeout=30))"
    assert up.shell("worker", f"python manage.py shell --no-imports -c {shlex.quote(source)}") == (0, "0")
    assert up.container("beat").status == "running"
    served = re.findall(rb"^  \. (\S+)", up.container("worker").logs(), re.MULTILINE)
    assert {b"core.tasks.ping", b"compose.tasks.count_users"} <= {*served}


def test_the_database_is_migrated_before_the_worker_starts(up):
    """The worker and beat start after the migrations have ended with exit code 0.

    Le worker et beat démarrent une fois les migrations terminées avec le code 0.
    """
    migrate, worker, beat = (up.container(name).attrs["State"] for name in ("migrate", "worker", "beat"))
    assert (migrate["Status"], migrate["ExitCode"]) == ("exited", 0)
    assert migrate["StartedAt"] < migrate["FinishedAt"] < min(worker["StartedAt"], beat["StartedAt"])


# Slow: what a dead worker held comes back after 8 s, and each fault restarts containers.
@pytest.mark.timeout(600)
def test_no_task_is_lost_when_a_service_stops(up, record):
    """When the worker is killed or recreated, or Redis is killed or restarted, every task that is in the queue or in
    `unacked` ends. The tasks that run twice are among those that were not acknowledged at that moment.

    Quand le worker est tué ou recréé, ou Redis tué ou redémarré, chaque tâche présente dans la file ou dans `unacked`
    se termine. Celles qui s'exécutent deux fois font partie des tâches non acquittées à cet instant.
    """
    rows = []

    def count(fault, sent, suspects):
        up.await_end(sent)
        twice = up.twice(sent)
        ended = len(set(sent) & set(up.noted("ended")))
        rows.append({"fault": fault, "sent": len(sent), "ended": ended, "twice": len(twice)})
        assert twice <= suspects

    with up.busy() as sent:
        running = set(sent) & set(up.noted("started"))
        up.kill("worker")
    count("kill -9 (worker)", sent, running)
    assert rows[-1]["twice"] == 2

    for fault, stop in (
        ("kill -9 (redis)", lambda: up.crash("redis")),
        ("docker compose restart redis", lambda: up("restart", "redis")),
    ):
        up.await_health("redis", "worker")
        with up.busy() as sent:
            reserved = up.unacknowledged()
            stop()
            wait_for_redis(up.client)
        count(fault, sent, reserved)

    up.await_health("worker")
    sent = up.send(10, 0.5)
    wait_until(lambda: up.noted("ended")[sent[3]])
    command = up.command("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "worker")
    deploy = subprocess.Popen(command, cwd=up.project.root, env=up.environment(), stderr=subprocess.DEVNULL)
    before = up.container("worker").id
    ticks = threading.Event()
    while deploy.poll() is None and len(sent) < 200:
        sent += up.send(1, 0.5)
        ticks.wait(0.4)
    assert deploy.wait(SLOW_MACHINE) == 0
    assert up.container("worker").id != before
    count("docker compose up --force-recreate worker", sent, set())
    record("faults", rows)
    assert all(row["sent"] == row["ended"] for row in rows)


def test_docker_compose_stop_requeues_a_long_task(up):
    """When `docker compose stop worker` interrupts a long task, the worker exits with 0 and its message is back in the
    queue.

    Quand `docker compose stop worker` interrompt une longue tâche, le worker sort avec le code 0 et le message est de
    retour dans la file.
    """
    (number,) = up.send(1, 60)
    wait_until(lambda: up.noted("started")[number])
    up("stop", "worker")
    try:
        assert up.container("worker").attrs["State"]["ExitCode"] == 0
        assert (up.client.llen("celery"), up.client.hlen("unacked")) == (1, 0)
    finally:
        up.client.delete("celery")
        up("start", "worker")


def test_the_queue_survives_a_crash_and_a_new_container(up):
    """The messages in Redis survive a crash of Redis, then the replacement of its container.

    Les messages dans Redis survivent à un crash de Redis, puis au remplacement de son conteneur.
    """
    up.send(3, 0, queue="nobody")
    up.crash("redis")
    wait_for_redis(up.client)
    assert up.client.llen("nobody") == 3
    up("rm", "--stop", "--force", "--volumes", "redis")
    up("up", "--detach", "--no-build", "--wait", "redis")
    assert up.client.llen("nobody") == 3
    up.client.delete("nobody")


def test_a_full_redis_refuses_messages_and_deletes_none(up):
    """When Redis is full, it refuses a new message with an out-of-memory error and deletes none of the others. Its
    `maxmemory-policy` is the default, `noeviction`.

    Quand Redis est plein, il refuse un nouveau message avec une erreur de mémoire et n'en supprime aucun autre. Son
    `maxmemory-policy` est celui par défaut, `noeviction`.
    """
    assert up.client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    limit = up.client.config_get("maxmemory")["maxmemory"]
    up.send(3, 0, queue="nobody")
    up.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(redis_py.exceptions.OutOfMemoryError):
            up.client.lpush("nobody", "more")
        assert up.client.llen("nobody") == 3
    finally:
        up.client.config_set("maxmemory", limit)
        up.client.delete("nobody")


# Slow: a container, or two, for nearly every line of the file.
@pytest.mark.timeout(900)
def test_removing_any_line_changes_something(bench, record):
    """Removing any line of `docker-compose.yml`, or any flag in a line, changes something that the test observes.

    Retirer une ligne de `docker-compose.yml`, ou une option dans une ligne, change toujours quelque chose que le test
    observe.
    """
    found = {name: (part, without) for name, part, without in leaves(bench.text)}
    assert found.keys() == LINES.keys(), "a line has no proof, or a proof has no line"
    rows = []
    shown = bench.compare({name: without for name, (_, without) in found.items()})
    for name, (part, _) in found.items():
        before, after = shown[name]
        assert getattr(LINES[name], "expected", "") in str(before), name
        assert before != after, name
        rows.append({"block": name.partition(".")[0], "line": part, "with": before, "without": after})
    record("lines", [{key: value and shortened(value) for key, value in row.items()} for row in rows])


def test_images_and_ports_follow_their_variables(bench):
    """An environment variable sets each image and each published port. Without it, or if it is empty, the default in
    the file applies.

    Une variable d'environnement définit chaque image et chaque port publié. Si elle est absente ou vide, la valeur par
    défaut du fichier s'applique.
    """
    default = dict(re.findall(r"\$\{(\w+):-(.+?)\}", bench.text))
    assert default.keys() == {"APP_IMAGE", "REDIS_IMAGE", "POSTGRES_IMAGE", "PYTHON_IMAGE", "REDIS_PORT", "FLOWER_PORT"}
    given = {name: "1234" if value.isdigit() else "another:1" for name, value in default.items()}
    for values, env in ((default, dict.fromkeys(default, "")), (given, given)):
        written = re.sub(r"\$\{(\w+):-.+?\}", lambda found: values[found[1]], bench.text)  # noqa: B023  # called at once
        (bench.folder / "written.yml").write_text(written)
        read, expected = (
            bench("--profile", "*", "config", file=file, env=env) for file in ("original.yml", "written.yml")
        )
        assert expected[0] == 0, expected
        assert read == expected


def test_no_service_can_gain_privileges(up):
    """No service runs as root or has a Linux capability. None can gain privileges or write to its root file system.

    Aucun service ne tourne en root ni n'a de capability Linux. Aucun ne peut obtenir de privilèges ni écrire sur son
    système de fichiers racine.
    """
    for service in SERVICES:
        code, status = up.shell(service, "cat /proc/1/status")
        assert code == 0
        found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert found["Uid"].split()[0] != "0", service
        assert (int(found["CapBnd"], 16), int(found["CapEff"], 16), found["NoNewPrivs"]) == (0, 0, "1"), service
        assert up.container(service).attrs["HostConfig"]["ReadonlyRootfs"], service


def test_only_this_machine_reaches_the_ports(up):
    """The port of Redis is only open on this machine. The database publishes no port.

    Le port de Redis n'est ouvert que sur cette machine. La base de données ne publie aucun port.
    """
    bindings = {service: up.container(service).attrs["HostConfig"]["PortBindings"] or {} for service in SERVICES}
    published = {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(up.port)}]}
    assert bindings == {"redis": published, "db": {}, "worker": {}, "beat": {}}


def test_what_a_container_imports_was_compiled_in_the_image(up):
    """The image contains the compiled standard library and packages: a new container compiles none of them.

    L'image contient la bibliothèque standard et les paquets déjà compilés : un nouveau conteneur n'en compile aucun.
    """
    source = (
        "import celery, django, psycopg, sys\n"
        "from pathlib import Path\n"
        "cached = {name: getattr(module, '__cached__', '') for name, module in sys.modules.items()}\n"
        "print(len(cached), *(name for name, file in cached.items() if file and not Path(file).exists()))\n"
    )
    count, *compiled_now = up.shell("worker", f'python -c "{source}"')[1].split()
    assert int(count) > 300
    assert compiled_now == []


def test_the_project_has_its_own_folder_in_the_image(up):
    """The project has its own folder in the image, without the folders of the system.

    Le projet a son propre dossier dans l'image, sans les dossiers du système.
    """
    assert up.shell("worker", "ls usr bin etc")[0] != 0
    assert up.shell("worker", "ls manage.py core/celery.py")[0] == 0


def test_redis_and_the_worker_have_a_memory_limit(up):
    """Redis is limited to 512 MiB of memory and the worker to 768 MiB. The database and beat have no limit.

    La mémoire de Redis est limitée à 512 Mio et celle du worker à 768 Mio. La base de données et beat n'ont pas de
    limite.
    """
    limits = {service: up.container(service).attrs["HostConfig"]["Memory"] for service in SERVICES}
    assert limits == {"redis": 512 << 20, "db": 0, "worker": 768 << 20, "beat": 0}


def test_the_health_check_of_the_worker_detects_a_frozen_worker(up):
    """The health check of the worker fails when the file is old, as it becomes with a frozen worker. It succeeds again
    once the worker resumes.

    Le healthcheck du worker échoue quand le fichier est ancien, ce qui arrive avec un worker figé. Il réussit de
    nouveau dès que le worker reprend.
    """
    check = up.container("worker").attrs["Config"]["Healthcheck"]["Test"][1]
    assert up.shell("worker", check)[0] == 0
    try:
        up.shell("worker", f"kill -STOP {MAIN} && touch -d '1 minute ago' /tmp/heartbeat")
        assert up.shell("worker", check)[0] == 1
    finally:
        up.shell("worker", f"kill -CONT {MAIN}")
    wait_until(lambda: up.shell("worker", check)[0] == 0)


def test_docker_restarts_a_container_after_a_crash_but_not_after_docker_kill(up):
    """Docker restarts a container whose program crashed. After `docker kill`, it does not.

    Docker relance un conteneur dont le programme a planté. Après `docker kill`, il ne le relance pas.
    """
    up.crash("beat")
    wait_until(lambda: up.container("beat").status == "running")
    beat = up.container("beat")
    try:
        beat.kill()
        wait_until(lambda: up.container("beat").status == "exited")
        assert up.container("beat").attrs["State"]["ExitCode"] == 137
        assert up.container("beat").attrs["RestartCount"] == beat.attrs["RestartCount"]
    finally:
        up("start", "beat")


def test_docker_does_not_restart_an_unhealthy_container(up):
    """Docker does not restart an unhealthy container, despite the restart policy of the services.

    Docker ne relance pas un conteneur « unhealthy », malgré la politique de redémarrage des services.
    """
    redis = up.container("redis")
    container = engine().containers.run(
        redis.image.id,
        ["sleep", "infinity"],
        detach=True,
        healthcheck={"test": ["CMD-SHELL", "exit 1"], "interval": 10**9, "retries": 1},
        restart_policy={"Name": redis.attrs["HostConfig"]["RestartPolicy"]["Name"]},
        labels={PROJECT_LABEL: up.name},
    )

    def state():
        container.reload()
        return container.attrs["State"]

    try:
        began = state()["StartedAt"]
        wait_until(lambda: state()["Health"]["FailingStreak"] >= 3, SLOW_MACHINE)
        after = state()
        assert (after["Health"]["Status"], after["Status"], after["StartedAt"]) == ("unhealthy", "running", began)
        assert container.attrs["RestartCount"] == 0
    finally:
        container.remove(force=True, v=True)


def test_redis_cli_needs_e_to_fail(up):
    """Without `-e`, `redis-cli` exits with 0 even when Redis replies with an error. The health check would not detect
    it.

    Sans `-e`, `redis-cli` sort avec le code 0 même si Redis répond par une erreur. Le healthcheck ne la détecterait
    pas.
    """
    assert up.container("redis").attrs["Config"]["Healthcheck"]["Test"][1].startswith("redis-cli -e ")
    assert up.shell("redis", "redis-cli get")[0] == 0
    assert up.shell("redis", "redis-cli -e get")[0] == 1


def test_the_schedule_survives_a_new_container(up):
    """A new beat container reads the schedule file of the previous one, with the last run of each task.

    Un nouveau conteneur beat lit le fichier de planning du précédent, avec le dernier passage de chaque tâche.
    """
    source = "import shelve; print(shelve.open('/var/lib/celery/schedule', 'r')['entries']['count users'].last_run_at)"

    def last_run():
        code, output = up.shell("beat", f"python -c {shlex.quote(source)}")
        return output if code == 0 else ""

    before, container = wait_until(last_run), up.container("beat").id
    up("up", "--detach", "--no-build", "--no-deps", "--force-recreate", "beat")
    assert up.container("beat").id != container
    wait_until(lambda: b"beat: Starting..." in up.container("beat").logs())
    assert wait_until(last_run) == before


def test_beat_sends_the_task_of_the_schedule_and_the_worker_runs_it(up):
    """The settings schedule the task every minute. Beat sends it each time it is due, and the worker runs it.

    Les réglages planifient la tâche toutes les minutes. Beat l'envoie à chaque échéance, et le worker l'exécute.
    """
    read = "from celery.beat import Scheduler as S; from core.celery import app; print(S(app).schedule['count users'])"
    output = up.shell("worker", f"DJANGO_SETTINGS_MODULE=compose.settings python -c {shlex.quote(read)}")[1]
    assert output == "<ScheduleEntry: count users compose.tasks.count_users() <freq: 1.00 minute>"
    often = 'from proof_settings import *\n\nCELERY_BEAT_SCHEDULE["count users"]["schedule"] = 1\n'
    (up.folder / "often.py").write_text(often)
    hurried = "celery -A core beat --detach --schedule /tmp/often --logfile /tmp/often.log --pidfile /tmp/often.pid"
    assert up.shell("worker", f"DJANGO_SETTINGS_MODULE=often {hurried}")[0] == 0
    ran = re.compile(rb"Task compose\.tasks\.count_users\[.+\] succeeded in .+: 0")
    try:
        wait_until(lambda: len(ran.findall(up.container("worker").logs())) >= 2, SLOW_MACHINE)
    finally:
        up.shell("worker", "kill $(cat /tmp/often.pid)")


def test_an_orphan_leaves_no_zombie(up):
    """A program that outlives its parent leaves no zombie when it ends: the init process of Docker removes it.

    Un programme qui survit à son parent ne laisse pas de zombie quand il se termine : l'init de Docker s'en charge.
    """
    _, orphan = up.shell("worker", "sh -c 'sleep 0.1 >/dev/null & echo $!'")
    wait_until(lambda: up.shell("worker", f"test -e /proc/{orphan}")[0] == 1)


def test_flower_is_started_on_demand_and_asks_for_a_password(up):
    """Flower only starts with its profile. It is only open on this machine, and asks for the password of the env file.

    Flower ne démarre qu'avec son profil. Il n'est ouvert que sur cette machine, et demande le mot de passe du fichier
    d'environnement.
    """
    assert "flower" not in up("config", "--services").split()
    up("--profile", "flower", "up", "--detach", "--no-build", "--no-deps", "flower")
    address = f"http://127.0.0.1:{up.flower_port}/api/workers"
    password = {"Authorization": f"Basic {b64encode(b'admin:change-me').decode()}"}

    def status(headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return None

    try:
        assert wait_until(lambda: status({}), SLOW_MACHINE) == 401
        assert status(password) == 200
        bindings = up.container("flower").attrs["HostConfig"]["PortBindings"]
        assert [binding["HostIp"] for binding in bindings["5555/tcp"]] == ["127.0.0.1"]
    finally:
        remove_container(f"{up.name}-flower-1")


def test_a_worker_touches_its_file_until_it_freezes(stack):
    """A running worker touches its file at each heartbeat. A frozen worker does not, until it resumes.

    Un worker en marche touche son fichier à chaque heartbeat. Un worker figé n'y touche plus, jusqu'à ce qu'il
    reprenne.
    """
    files, workers = [], []
    for name in ("frozen", "living"):
        folder = stack.folder / name
        folder.mkdir()
        env = variables(stack.project) | {"TMPDIR": str(folder)}
        workers.append(stack.worker(name=name, env=env, settings={"DATABASES": {}}, quiet=False))
        files.append(folder / "heartbeat")
    frozen, living = files

    def touched(file):
        os.utime(file, (0, 0))
        return wait_until(lambda: file.stat().st_mtime > 0)

    for file in files:
        wait_until(file.exists)
        assert touched(file)
    workers[0].signal(signal.SIGSTOP)
    os.utime(frozen, (0, 0))
    try:
        assert [touched(living) for _ in range(3)]  # the time of three heartbeats
        assert frozen.stat().st_mtime == 0
    finally:
        workers[0].signal(signal.SIGCONT)
    assert touched(frozen)


def test_a_worker_without_heartbeat_never_touches_its_file(stack):
    """A worker started with `--without-heartbeat` does not touch the file, so its container never becomes healthy.

    Un worker lancé avec `--without-heartbeat` ne touche pas au fichier : son conteneur ne devient jamais « healthy ».
    """
    for name, quiet in (("silent", True), ("living", False)):
        folder = stack.folder / name
        folder.mkdir()
        env = variables(stack.project) | {"TMPDIR": str(folder)}
        stack.worker(name=name, env=env, settings={"DATABASES": {}}, quiet=quiet)
    wait_until((stack.folder / "living" / "heartbeat").exists)
    assert not (stack.folder / "silent" / "heartbeat").exists()


def test_the_grace_period_outlasts_the_soft_shutdown(stack):
    """`stop_grace_period` is at least 10 seconds longer than the soft shutdown in the settings.

    `stop_grace_period` dure au moins 10 secondes de plus que le soft shutdown des réglages.
    """
    django = stack.django(env=variables(stack.project), settings={"DATABASES": {}})
    soft = django("from django.conf import settings; settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT")
    assert int(service(stack.project, "worker")["stop_grace_period"].removesuffix("s")) >= soft + 10


def test_the_memory_limits_leave_room(project):
    """The memory limit of the worker covers all its child processes at their own limit, plus that limit once for the
    main process. The limit of Redis is at least twice `maxmemory`, for the time of a rewrite.

    La limite de mémoire du worker couvre chaque processus enfant à sa propre limite, et une fois cette limite pour le
    processus principal. Celle de Redis vaut au moins deux fois `maxmemory`, le temps d'une réécriture.
    """
    worker, redis = service(project, "worker"), service(project, "redis")
    flags, directives = worker["command"].split(), redis["command"].split()
    children = int(flags[flags.index("--concurrency") + 1])
    each = int(flags[flags.index("--max-memory-per-child") + 1]) / 1024  # from KiB
    assert megabytes(worker["mem_limit"]) >= (children + 1) * each
    assert megabytes(redis["mem_limit"]) >= 2 * megabytes(directives[directives.index("--maxmemory") + 1])


def variables(project):
    """The environment variables of the services that the stack does not set for its own programs."""
    pairs = (line.split("=", 1) for line in (project.root / ".env.example").read_text().split())
    return {name: value for name, value in pairs if name.startswith("POSTGRES")} | {"POSTGRES_HOST": "db"}


def service(project, name):
    return yaml.safe_load((project.root / "docker-compose.yml").read_text())["services"][name]


def megabytes(text):
    return int(text.lower().removesuffix("b").removesuffix("m"))
