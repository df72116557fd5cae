"""Each line of docker-compose.yml, with an observation that differs when the line is removed."""

import io
import itertools
import os
import re
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from celery import Celery
from situations import SLOW_MACHINE

from cookbook.testing import engine, free_port, remove_image, remove_project, wait_until

NOWHERE = "127.0.0.1:1/nowhere"  # an image in a registry that does not answer
# The parts of a line that can be removed: a flag, the end of a pipe, an address.
PART = re.compile(r" --[\w-]+(?: [^\s|-]\S*)?| -(?!A )[a-z]\w*(?: -[\d.]+)?| \|.*|127\.0\.0\.1:")
GROWING = """
import os
from pathlib import Path
from celery import shared_task

@shared_task(ignore_result=True)
def grow(megabytes):
    data = b"x" * (megabytes << 20)
    with Path("/tmp/children").open("a") as file:
        file.write(f"{os.getpid()}\\n")
"""
OWN_QUEUE = """
import os
from compose.settings import *

CELERY_IMPORTS = ["growing"]
CELERY_TASK_DEFAULT_QUEUE = os.environ["QUEUE"]
"""


@dataclass(frozen=True)
class InContainer:
    """How to observe a line in a container of *service*: *read* returns something else when the line is removed.

    The container runs *script*, by default the command of the service.
    """

    service: str
    script: str = ""
    read: Callable[..., object] | None = None  # gets the bench and the container; None: the last line of the script
    over: Mapping[str, Any] = field(default_factory=dict)  # overrides the service
    restarts: bool = False  # keep the restart policy of the file; by default the container is not restarted
    renewed: bool = False  # replace the container with a new one before reading it
    as_root: bool = False  # use an image that starts as root, like the public ones
    started: bool = True  # False: create the container without starting it
    slow: bool = False  # reading takes long, so start it first
    expected: str = ""  # what *read* must contain with the line
    probe: bool = False  # only the health check differs: one container; *read* also gets the command


@dataclass(frozen=True)
class ComposeOutput:
    """How to observe a line in the output of `docker compose ARGS`."""

    args: tuple[str, ...] = ("--profile", "*", "config", "--quiet")
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BlocksStart:
    """How to observe a line that keeps *service* from starting when *dependency* fails."""

    service: str
    dependency: str


class Bench:
    """Single services of docker-compose.yml, with a line and without it, side by side in one Compose project."""

    def __init__(self, project, name, folder):
        self.project, self.name, self.folder = project, name, folder
        self.text = (project.root / "docker-compose.yml").read_text()
        self.services: dict[str, Any] = {}
        # By service: the scripts that its container runs one after another.
        self.scripts: dict[str, list[str]] = defaultdict(list)
        self.twins: dict[str, str] = {}  # the container with all lines that several comparisons share
        self.locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self.images = [f"{name}-app"]
        self.port = free_port()
        self.sender = Celery("sender", broker=f"redis://127.0.0.1:{self.port}/0")
        example = (project.root / ".env.example").read_text()
        files = {
            ".env": example.replace("DB=app", "DB=shop").replace(
                "USER=app", "USER=clerk"
            ),  # otherwise a default hides a missing line
            "growing.py": GROWING,
            "own_queue.py": OWN_QUEUE,
            "psql": "#!/bin/sh\nsleep infinity\n",  # the initialization of PostgreSQL never ends
            "Dockerfile": f"ARG PYTHON_IMAGE={self.image('PYTHON_IMAGE')}\nFROM $PYTHON_IMAGE\n",
            "original.yml": self.text,
        }
        for file, content in files.items():
            (folder / file).write_text(content)
        (folder / "psql").chmod(0o755)

    def __call__(self, *args, file="bench.yml", env=None):
        """The exit code of `docker compose ARGS`, and what it printed on stdout and stderr."""
        options = ("--project-directory", self.folder, "--project-name", self.name, "--file", self.folder / file)
        done = subprocess.run(
            ["docker", "compose", *options, *args],
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.strip()

    def image(self, variable):
        default = re.search(rf"\${{{variable}:-(.+)}}", self.text)
        assert default, variable
        return os.environ.get(variable, default[1])

    def add(self, name, text, how):
        """Add the service that *how* needs, as in the Compose file *text*; returns *name*."""
        service = yaml.safe_load(text)["services"][how.service]
        for key in ("depends_on", "profiles", "build", *(("ports",) if how.started else ())):
            service.pop(key, None)
        if how.started and not how.restarts:
            service["restart"] = "no"
        if how.script:
            service["command"] = ["sh", "-c", how.script.replace("$", "$$")]
        service["volumes"] = [f"{name}-{volume}" for volume in service.get("volumes", ())]
        if how.service == "worker" and not how.script:
            service["volumes"].append(f"{self.folder}:/bench:ro")
            extra = {"PYTHONPATH": "/bench", "DJANGO_SETTINGS_MODULE": "own_queue", "QUEUE": name}
            service["environment"] = {**service["environment"], **extra, "PYTHON_CPU_COUNT": "5"}
        if how.as_root:
            service["image"] = f"{self.name}-{how.service}"
        for key, value in how.over.items():
            kept = service.get(key)
            service[key] = {**kept, **value} if isinstance(kept, dict) else [*(kept or ()), *value]
        self.services[name] = service
        return name

    def pair(self, number, how, text):
        """The names of two services: one with the line, one from the file *text*, which does not have it."""
        if isinstance(how, BlocksStart):
            fails = self.add(f"{how.dependency}-fails", self.text, InContainer(how.dependency, "exit 1"))
            names = f"with-{number}", f"without-{number}"
            for name, source in zip(names, (self.text, text), strict=True):
                self.add(name, source, InContainer(how.service, ASLEEP))
                waits = yaml.safe_load(source)["services"][how.service].get("depends_on", {})
                if how.dependency in waits:
                    self.services[name]["depends_on"] = {fails: waits[how.dependency]}
            return names
        shared = how.read is None and not how.renewed  # scripts that print and end share one container
        twin = repr(
            replace(how, script="" if shared else how.script, read=None, slow=False, probe=False, expected="")
        ) + str(shared)
        if twin not in self.twins:
            self.twins[twin] = self.add(f"with-{number}", self.text, how)
        names = self.twins[twin], self.twins[twin] if how.probe else self.add(f"without-{number}", text, how)
        if how.read is None:
            for name in names:
                self.scripts[name].append(f"echo @{number}; ({how.script}) 2>&1")
        return names

    def compare(self, without):
        """What is observed with each line and without it; *without* is the file without it, by the name of the line."""
        self.add("redis", self.text, InContainer("redis", over={"ports": [f"127.0.0.1:{self.port}:6379"]}))
        hows = {name: LINES[name] for name in without}
        numbers = {name: number for number, name in enumerate(without)}
        pairs = {
            name: self.pair(numbers[name], how, without[name])
            for name, how in hows.items()
            if not isinstance(how, ComposeOutput)
        }
        self.make()
        in_containers = {name: how for name, how in hows.items() if isinstance(how, InContainer)}
        with ThreadPoolExecutor(8) as pool:
            started = {each: None for name, how in in_containers.items() if how.started for each in pairs[name]}
            list(pool.map(lambda each: self.container(each).start(), ("redis", *started)))
            self.renew([each for name, how in in_containers.items() if how.renewed for each in pairs[name]])
            observed = {}
            for name in sorted(hows, key=lambda name: not getattr(hows[name], "slow", False)):
                texts = self.text, without[name]
                observed[name] = [
                    pool.submit(self.observe, hows[name], numbers[name], *each)
                    for each in zip(pairs.get(name, ("", "")), texts, strict=True)
                ]
            return {name: tuple(each.result() for each in observed[name]) for name in without}

    def renew(self, services):
        """Replace containers that have ended with new ones, and run these."""
        for each in services:
            self.container(each).wait()
        for args in (("rm", "--force", "--volumes"), ("up", "--detach")):
            code, output = self(*args, *services)
            assert code == 0, output

    def observe(self, how, number, service, text):
        """What is observed of a line in one container, or of one file."""
        if isinstance(how, ComposeOutput):
            return self.compose_output(how, number, text)
        if isinstance(how, BlocksStart):
            self("up", "--detach", service)
            return self.container(service).status
        container = self.container(service)
        with self.locks[service]:
            if how.probe:
                probe = yaml.safe_load(text)["services"][how.service]["healthcheck"]["test"]
                return how.read(self, container, probe.replace("$$", "$"))
            if how.read:
                return how.read(self, container)
        container.wait()
        lines = log(container).partition(f"@{number}\n")[2].partition("\n@")[0].split("\n")
        return " ".join(lines[-1 if lines[-1] else -2 :][0].split()) or None

    def compose_output(self, how, number, text):
        file = f"output-{number}-{len(text)}.yml"
        (self.folder / file).write_text(text)
        code, output = self(*how.args, file=file, env={"APP_IMAGE": f"{self.name}-app", **how.env})
        if code == 0:
            shown = output.replace(f"{self.name}-", "") if how.args[0] == "config" else ""
            return " ".join(sorted(shown.split())) or None
        last = output.splitlines()[-1].removeprefix("Error response from daemon: ")
        return last if len(last) < 110 else last.rpartition(": ")[2]

    def make(self):
        """Create the containers of all services without starting them."""
        for service, variable in (("redis", "REDIS_IMAGE"), ("db", "POSTGRES_IMAGE")):
            content = f"FROM {self.image(variable)}\nUSER root\n".encode()
            engine().images.build(fileobj=io.BytesIO(content), tag=f"{self.name}-{service}", rm=True, forcerm=True)
            self.images.append(f"{self.name}-{service}")
        for service, scripts in self.scripts.items():
            self.services[service]["command"] = ["sh", "-c", "\n".join(scripts).replace("$", "$$")]
        volumes = [volume for service in self.services.values() for volume in service["volumes"]]
        named = {volume.partition(":")[0]: None for volume in volumes if not volume.startswith((".", "/"))}
        (self.folder / "bench.yml").write_text(yaml.safe_dump({"services": self.services, "volumes": named}))
        code, output = self("up", "--no-start")
        assert code == 0, output

    def container(self, service):
        return engine().containers.get(f"{self.name}-{service}-1")

    def remove(self):
        self("down", "--timeout", "0", "--volumes")  # all at once
        remove_project(self.name)
        for image in self.images:
            remove_image(image)


def leaves(text):
    """Each line of a Compose file that has nothing below it, and each flag, item or address in such a line: its name,
    what is removed, and the file without it."""
    rows = text.splitlines()
    kept = [at for at, row in enumerate(rows) if row.strip() and not row.lstrip().startswith("#")]
    path: list[int] = []
    for at, below in itertools.zip_longest(kept, kept[1:]):
        while path and indent(rows[path[-1]]) >= indent(rows[at]):
            path.pop()
        path.append(at)
        if below and indent(rows[below]) > indent(rows[at]):
            continue
        keys = [rows[each].partition(":")[0].strip() for each in path if not rows[each].lstrip().startswith("- ")]
        name = ".".join(key for key in keys if key != "services")
        listed = re.search(r"\[(.+, .+)\]", rows[at])
        items = listed[1].split(", ") if listed else []
        for item in items:
            rest = rows[at].replace(", ".join(items), ", ".join(each for each in items if each != item))
            yield f"{name} {item}", item, "\n".join([*rows[:at], rest, *rows[at + 1 :]])
        if items:
            continue
        for part in PART.findall(rows[at]):
            rest = rows[at].replace(part, "", 1)
            yield f"{name} {part.strip()}", part.strip(), "\n".join([*rows[:at], rest, *rows[at + 1 :]])
        gone = {at}
        for parent in reversed(path[:-1]):  # remove a key with nothing left below it too
            after = [each for each in kept if each > parent and each not in gone]
            if after and indent(rows[after[0]]) > indent(rows[parent]):
                break
            gone.add(parent)
        yield name, rows[at].strip(), "\n".join(row for number, row in enumerate(rows) if number not in gone)


def shortened(text):
    return text if len(text) <= 40 else f"{text[:39]}…"


def indent(row):
    return len(row) - len(row.lstrip())


def inspected(*keys):
    """A function that reads a setting of a container, at the keys of `docker inspect`."""

    def read(bench, container):
        found = container.attrs
        for key in keys:
            found = (found or {}).get(key)
        return " ".join(found) if isinstance(found, list) else found or None

    return read


def seconds(*keys):
    return lambda bench, container: (found := inspected(*keys)(bench, container)) and f"{found / 1e9:g} s"


def memory(bench, container):
    return (limit := inspected("HostConfig", "Memory")(bench, container)) and f"{limit >> 20} MiB"


def volume(bench, container):
    """The name in the file of the volume of a container."""
    names = (mount["Name"] for mount in container.attrs["Mounts"] if mount["Type"] == "volume")
    return next((name.rpartition("-")[2] if name.startswith(bench.name) else "anonymous" for name in names), None)


def memory_files(bench, container):
    return " ".join(sorted(container.attrs["HostConfig"]["Tmpfs"] or ()))


def variable(name):
    def read(bench, container):
        given = dict(each.partition("=")[::2] for each in container.attrs["Config"]["Env"])
        return given.get(name)

    return read


def address(bench, container):
    """The address of this machine that a port is bound to."""
    (bindings,) = (inspected("HostConfig", "PortBindings")(bench, container) or {"": None}).values()
    return bindings and (bindings[0]["HostIp"] or "0.0.0.0")


def end(bench, container):
    """What Docker does once the program has ended."""

    def ended():
        container.reload()
        return container.status == "exited" or container.attrs["RestartCount"]

    return "exited" if wait_until(ended, SLOW_MACHINE) is True else "started again"


def log(container):
    return container.logs().decode()


def logged(container, pattern):
    """Wait until the log of a container matches *pattern*, and return the match."""
    found = wait_until(lambda: re.search(pattern, log(container)), SLOW_MACHINE)
    assert found
    return found[0]


def shell(container, script):
    """The exit code and the output of a shell script in a container."""
    code, output = container.exec_run(["sh", "-c", script])
    return code, output.decode().strip()


def after_a_crash(bench, container):
    """The length of a queue after SIGKILL."""
    wait_until(lambda: shell(container, "redis-cli -e ping")[0] == 0, SLOW_MACHINE)
    shell(container, "redis-cli del queue; redis-cli rpush queue 1 2 3")
    container.kill()
    container.start()
    wait_until(lambda: shell(container, "redis-cli -e ping")[0] == 0, SLOW_MACHINE)
    return shell(container, "redis-cli llen queue")[1]


def when_full(bench, container):
    """What Redis replies to one more message when it has 256 MiB."""
    wait_until(lambda: shell(container, "redis-cli -e ping")[0] == 0, SLOW_MACHINE)
    return shell(container, f"redis-cli setrange large {256 << 20} x >&2; redis-cli rpush queue 1")[1].splitlines()[-1]


def probes(bench, container):
    """How often Docker ran the health check within 20 seconds."""
    end = datetime.fromisoformat(container.attrs["State"]["StartedAt"]) + timedelta(seconds=20)
    wait_until(lambda: datetime.now(UTC) > end)
    return f"{sum(datetime.fromisoformat(each['Start']) < end for each in health(container)['Log'])} in 20 s"


def health(container):
    container.reload()
    return container.attrs["State"]["Health"]


def after_three_failures(bench, container):
    """The health after three failed probes."""
    return wait_until(lambda: (found := health(container))["Log"][2:] and found["Status"], SLOW_MACHINE)


def stopped_by(bench, container):
    """The signal that `docker stop` sends."""
    wait_until(lambda: "ready" in log(container), SLOW_MACHINE)
    container.stop()
    return log(container).splitlines()[-1]


def killed_after(bench, container):
    """How long `docker stop` waits for a program that ignores it, in steps of ten seconds."""
    wait_until(lambda: "ready" in log(container), SLOW_MACHINE)
    began = time.monotonic()
    container.stop()
    return f"{(time.monotonic() - began) // 10 * 10:.0f} s"


def exit_code(bench, container, probe):
    return f"exit {shell(container, probe)[0]}"


def exit_code_in_error(bench, container, probe):
    wait_until(lambda: "NOAUTH" in shell(container, "redis-cli ping")[1], SLOW_MACHINE)
    return exit_code(bench, container, probe)


def exit_code_in_initialization(bench, container, probe):
    wait_until(lambda: shell(container, "pg_isready")[0] == 0, SLOW_MACHINE)
    return exit_code(bench, container, probe)


def complaint(bench, container, probe):
    """The error that PostgreSQL logs about the probe."""
    wait_until(lambda: shell(container, "pg_isready --host localhost")[0] == 0, SLOW_MACHINE)
    mark = os.urandom(4).hex()
    for each in (f"pg_isready --host localhost --username begin-{mark}", probe):
        shell(container, each)
    shell(container, f"pg_isready --host localhost --username end-{mark}")
    wait_until(lambda: f"end-{mark}" in log(container))
    between = log(container).partition(f"begin-{mark}")[2].partition(f"end-{mark}")[0]
    found = re.search(r"FATAL: +(.*)\n", between)
    return found and found[1]


def listens(bench, container):
    """What PostgreSQL logs: that it listens, or why it fails to."""
    return logged(container, r"listening on IPv4|could not create .+")


def concurrency(bench, container):
    return logged(container, r"concurrency: .+")


def greeting(bench, container):
    """What a worker has logged of its start by its first heartbeat."""
    wait_until(lambda: shell(container, "test -e /tmp/heartbeat")[0] == 0, SLOW_MACHINE)
    return "ready." if " ready." in log(container) else None


def after_growing(bench, container):
    """What happens to the child process whose task has used 250 MiB."""
    queue = container.labels["com.docker.compose.service"]
    bench.sender.send_task("growing.grow", (250,), queue=queue, ignore_result=True)

    def children():
        return shell(container, "cat /tmp/children")[1].split()

    child, *_ = wait_until(lambda: shell(container, "test -e /tmp/children")[0] == 0 and children(), SLOW_MACHINE)

    def later():
        bench.sender.send_task("growing.grow", (0,), queue=queue, ignore_result=True)
        if shell(container, f"test -e /proc/{child}")[0]:
            return "replaced"
        return children().count(child) > 1 and "keeps running"

    return wait_until(later, SLOW_MACHINE)


def schedule(bench, container):
    """Whether beat can save its schedule."""

    def found():
        if "Read-only file system" in log(container):
            return "Read-only file system"
        return shell(container, "test -s /var/lib/celery/schedule")[0] == 0 and "kept"

    return wait_until(found, SLOW_MACHINE)


def start_of_beat(bench, container):
    """What beat has logged of its start by the time that it has a schedule."""
    wait_until(lambda: schedule(bench, container), SLOW_MACHINE)
    return "Starting..." if "beat: Starting..." in log(container) else None


WRITE = "touch /var/tmp/x 2>/dev/null && echo written || echo refused"
TRAP = "trap 'echo SIGTERM; exit' TERM; trap 'echo SIGQUIT; exit' QUIT; echo ready; sleep infinity & wait"
STUBBORN = "trap '' TERM QUIT; echo ready; while :; do sleep 1; done"
ASLEEP = "sleep infinity"
OLD = "touch -d '1 minute ago' /tmp/heartbeat; sleep infinity"
INITIALIZATION = {"volumes": ["./psql:/usr/local/bin/psql:ro"]}
CAPABILITIES, USER = inspected("HostConfig", "CapDrop"), inspected("Config", "User")
INTERVAL, START_PERIOD = (seconds("Config", "Healthcheck", key) for key in ("Interval", "StartPeriod"))
TEST, COMMAND = inspected("Config", "Healthcheck", "Test"), inspected("Config", "Cmd")

# For each line of docker-compose.yml, and each part of a line, the observation that shows what the line is for.
LINES: dict[str, InContainer | ComposeOutput | BlocksStart] = {
    "x-service.init": InContainer("worker", "cat /proc/1/comm", expected="init"),
    "x-service.restart": InContainer("worker", "exit 1", end, restarts=True, expected="started again"),
    "x-service.read_only": InContainer("worker", WRITE, expected="refused"),
    "x-service.tmpfs": InContainer(
        "worker", "python -c 'import tempfile; print(tempfile.gettempdir())'", expected="/tmp"
    ),
    "x-service.cap_drop": InContainer("worker", "grep CapBnd /proc/1/status", expected="CapBnd: 0000000000000000"),
    "x-service.security_opt": InContainer("worker", "grep NoNewPrivs /proc/1/status", expected="NoNewPrivs: 1"),
    "x-app.<<": InContainer("worker", read=CAPABILITIES, started=False, expected="ALL"),
    "x-app.image": ComposeOutput(),
    "x-app.pull_policy": ComposeOutput(("up", "--detach", "--no-deps", "--no-build", "worker"), {"APP_IMAGE": NOWHERE}),
    "x-app.env_file": InContainer("worker", "python manage.py check", expected="no issues"),
    "x-app.environment.REDIS_URL": InContainer(
        "worker", "python -c 'from core.celery import app; print(app.conf.broker_url)'", expected="redis://redis:6379/0"
    ),
    "x-app.environment.POSTGRES_HOST": InContainer("worker", "python manage.py check", expected="no issues"),
    "x-app.depends_on.redis.condition": BlocksStart("worker", "redis"),
    "x-app.depends_on.migrate.condition": BlocksStart("worker", "migrate"),
    "redis.<<": InContainer("redis", read=CAPABILITIES, started=False, expected="ALL"),
    "redis.image": ComposeOutput(),
    "redis.command": InContainer("redis", read=COMMAND, started=False),
    "redis.command --appendonly yes": InContainer("redis", read=after_a_crash, expected="3"),
    "redis.command --maxmemory 256mb": InContainer("redis", read=when_full, expected="OOM"),
    "redis.user": InContainer("redis", read=USER, as_root=True, started=False, expected="redis"),
    "redis.mem_limit": InContainer("redis", read=memory, started=False),
    "redis.ports": InContainer("redis", read=address, started=False, expected="127.0.0.1"),
    "redis.ports 127.0.0.1:": InContainer("redis", read=address, started=False, expected="127.0.0.1"),
    "redis.volumes": InContainer("redis", read=volume, started=False, expected="redis"),
    "redis.healthcheck.test": InContainer("redis", read=TEST, started=False),
    "redis.healthcheck.test -e": InContainer(
        "redis", "redis-server --requirepass x", exit_code_in_error, probe=True, expected="exit 1"
    ),
    "redis.healthcheck.interval": InContainer("redis", ASLEEP, probes, {"healthcheck": {"test": "exit 0"}}, slow=True),
    "redis.healthcheck.start_period": InContainer(
        "redis", ASLEEP, after_three_failures, {"healthcheck": {"test": "exit 1"}}, slow=True, expected="starting"
    ),
    "db.<<": InContainer("db", read=CAPABILITIES, started=False, expected="ALL"),
    "db.image": ComposeOutput(),
    "db.user": InContainer("db", read=USER, as_root=True, started=False, expected="postgres"),
    "db.tmpfs /tmp": InContainer("db", read=memory_files, started=False, expected="/tmp"),
    "db.tmpfs /run/postgresql": InContainer("db", read=listens, expected="listening"),
    **{
        f"db.environment {name}": InContainer("db", read=variable(name), started=False)
        for name in ("POSTGRES_DB", "POSTGRES_USER", "POSTGRES_PASSWORD")
    },
    "db.volumes": InContainer("db", "cd /var/lib/postgresql; cat x 2>&1; echo kept >x", renewed=True, expected="kept"),
    "db.healthcheck.test": InContainer("db", read=TEST, started=False),
    "db.healthcheck.test --host localhost": InContainer(
        "db", read=exit_code_in_initialization, over=INITIALIZATION, probe=True, expected="exit 2"
    ),
    "db.healthcheck.test --dbname $$POSTGRES_DB": InContainer("db", read=complaint, probe=True),
    "db.healthcheck.test --username $$POSTGRES_USER": InContainer("db", read=complaint, probe=True),
    "db.healthcheck.interval": InContainer("db", read=INTERVAL, started=False),
    "db.healthcheck.start_period": InContainer("db", read=START_PERIOD, started=False),
    "migrate.<<": ComposeOutput(("config", "--images", "migrate"), {"POSTGRES_IMAGE": "postgres"}),
    "migrate.build.args.PYTHON_IMAGE": ComposeOutput(("build", "migrate"), {"PYTHON_IMAGE": NOWHERE}),
    "migrate.command": InContainer("migrate", read=COMMAND, started=False),
    "migrate.restart": InContainer("migrate", "exit 0", end, restarts=True, expected="exited"),
    "migrate.depends_on.db.condition": BlocksStart("migrate", "db"),
    "worker.<<": ComposeOutput(),
    "worker.command": InContainer("worker", read=COMMAND, started=False),
    "worker.command --loglevel INFO": InContainer("worker", read=greeting, expected="ready"),
    "worker.command --concurrency 2": InContainer("worker", read=concurrency, expected="concurrency: 2"),
    "worker.command --max-memory-per-child 200000": InContainer("worker", read=after_growing, expected="replaced"),
    "worker.mem_limit": InContainer("worker", read=memory, started=False),
    "worker.stop_signal": InContainer("worker", TRAP, stopped_by, expected="SIGQUIT"),
    "worker.stop_grace_period": InContainer("worker", STUBBORN, killed_after, slow=True, expected="30 s"),
    "worker.healthcheck.test": InContainer("worker", read=TEST, started=False),
    "worker.healthcheck.test -mmin -0.5": InContainer("worker", OLD, exit_code, probe=True, expected="exit 1"),
    "worker.healthcheck.test | grep .": InContainer("worker", OLD, exit_code, probe=True, expected="exit 1"),
    "worker.healthcheck.interval": InContainer("worker", read=INTERVAL, started=False),
    "worker.healthcheck.start_period": InContainer("worker", read=START_PERIOD, started=False),
    "beat.<<": ComposeOutput(),
    "beat.command": InContainer("beat", read=COMMAND, started=False),
    "beat.command --loglevel INFO": InContainer("beat", read=start_of_beat, expected="Starting"),
    "beat.command --schedule /var/lib/celery/schedule": InContainer("beat", read=schedule, expected="kept"),
    "beat.volumes": InContainer("beat", read=volume, started=False, expected="beat"),
    "flower.<<": ComposeOutput(),
    "flower.command": InContainer("flower", read=COMMAND, started=False),
    "flower.profiles": ComposeOutput(("config", "--services")),
    "flower.ports": InContainer("flower", read=address, started=False, expected="127.0.0.1"),
    "flower.ports 127.0.0.1:": InContainer("flower", read=address, started=False, expected="127.0.0.1"),
    "volumes.redis": ComposeOutput(),
    "volumes.db": ComposeOutput(),
    "volumes.beat": ComposeOutput(),
}
