"""The pytest plugin of the cookbook: the fixtures that proofs ask for, and the evidence of what ran."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import pytest
import redis as redis_py

from cookbook.evidence import columns, environments, since
from cookbook.evidence.recorder import Recorder
from cookbook.evidence.records import Row
from cookbook.evidence.reports import notes_of
from cookbook.project import CookbookError, Project, find_project, write_whole
from cookbook.sources import proof_source, transcripts
from cookbook.stack import docker_engine
from cookbook.stack.compose import ComposeStack
from cookbook.stack.interface import Django, Stack
from cookbook.stack.local import LocalStack
from cookbook.stack.processes import FOLDER, Process, Run, run_folder

CHOICE = "COOKBOOK_STACK"
RUN = pytest.StashKey[Run]()
STARTED = pytest.StashKey[list[Stack]]()  # by a test
STACKS: dict[str, type[Stack]] = {"local": LocalStack, "compose": ComposeStack}


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of the plugin, and those that choose a column of the matrix."""
    pluginmanager.register(since)
    group = parser.getgroup("cookbook")
    group.addoption("--stack", choices=("auto", *STACKS), default="auto", help="what the proofs run on (default: auto)")
    group.addoption("--record", action="store_true", help="rewrite the transcripts with what their commands print now")
    group.addoption("--no-evidence", action="store_true", help="leave the evidence of recipes as it is")
    group.addoption("--try", type=int, choices=(1, 2), help="keep in build/failed/ what fails; 2: it failed once today")


def pytest_configure(config: pytest.Config) -> None:
    """Begin a run, unless this is a process of pytest-xdist: those take part in the run of their parent."""
    try:
        project = find_project(config.rootpath)
    except CookbookError:
        return
    if hasattr(config, "workerinput"):
        config.option.stack = os.environ[CHOICE]
        return
    if since.column(config):
        config.option.stack = "local"
    config.option.stack = os.environ[CHOICE] = docker_engine.chosen(project, config.option.stack)
    run = config.stash[RUN] = Run()
    if not config.option.basetemp:
        config.option.basetemp = str(run.folder / "pytest")
    config.pluginmanager.register(Recorder(project, config), "cookbook-recorder")


def pytest_report_header(config: pytest.Config) -> str:
    """What this run is on."""
    column = since.column(config)
    return f"stack: {config.option.stack}" + (f" ({column.name})" if column else "")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run, and with it whatever it started."""
    if run := config.stash.get(RUN, None):
        run.end()
        os.environ.pop(FOLDER, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a proof without its sentence in both languages, and begin with the longest ones."""
    project = find_project(config.rootpath)
    for item in items:
        if not isinstance(item, pytest.Function) or item.path.parent != project.proofs:
            continue
        if not proof_source.sentence(item.function.__doc__):
            where = f"{project.relative(item.path)}:{item.function.__code__.co_firstlineno}"
            raise pytest.UsageError(
                f"{where}: {item.function.__name__} needs a docstring of two paragraphs: "
                "the sentence that it proves in English, then in French"
            )
    # So that none of them runs alone at the end: the older releases that they run on may have to be installed.
    items.sort(key=lambda item: not since.is_on_several(item))


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around that of `since`, whose verdict and notes it has to see
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Send the notes of the test along with its report, and when it failed also what its programs logged."""
    report = yield
    notes = notes_of(item)
    if report.failed:
        processes = [process for stack in item.stash.get(STARTED, []) for process in stack.processes]
        notes.programs = [(" ".join(process.argv), process.log) for process in processes]
    report.notes = asdict(notes)  # type: ignore[attr-defined]  # xdist passes it on
    return report


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config) -> Project:
    """The project that the tests belong to."""
    return find_project(pytestconfig.rootpath)


@pytest.fixture
def recipe(request: pytest.FixtureRequest) -> str:
    """The recipe under proof: `test_keys.py` proves `keys`."""
    return request.path.stem.removeprefix("test_")


@pytest.fixture
def stack(request: pytest.FixtureRequest, project: Project, recipe: str) -> Iterator[Stack]:
    """A Redis of its own, and what talks to it; ended after the test with everything started on it."""
    kind = STACKS[request.config.option.stack]
    settings = f"{recipe}.settings" if (project.recipes / recipe / "settings.py").exists() else "core.settings"
    column = since.column(request.config)
    try:
        prepare_once(kind, project)
        programs = columns.programs(project, column) if column else ()
        running = kind(project, run_folder() / folder_name(request.node.nodeid), settings, *programs)
    except CookbookError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    running.recipe = recipe
    request.node.stash.setdefault(STARTED, []).append(running)
    try:
        yield running
        if running.port or column:
            server = {"server": running.server_version} if running.port else {}
            notes_of(request.node).versions = running.versions() | server
    finally:
        running.close()


def folder_name(nodeid: str) -> str:
    """The name of a test's folder in this process, one for each case: 60 characters at most, because the paths of the
    Unix sockets below it have a limit."""
    digest = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    name = re.sub(r"\W+", "-", f"{os.getpid()}-{nodeid.rpartition('::')[2]}")
    return f"{name[:51].rstrip('-')}-{digest}"


@pytest.fixture
def on_celery(request: pytest.FixtureRequest, stack: Stack, project: Project) -> Iterator[Callable[[str], LocalStack]]:
    """A stack with an older Celery, and a Redis of its own: `on_celery("5.3").worker()`. On this machine only."""
    if not isinstance(stack, LocalStack):
        pytest.skip("the environments with an older Celery are on this machine, not in the image")
    with ExitStack() as ending:

        def start(release: str) -> LocalStack:
            programs = environments.environment(project, release) / "bin"
            older = LocalStack(project, stack.folder / f"celery-{release}", stack.settings, programs)
            ending.callback(older.close)
            request.node.stash[STARTED].append(older)
            return older

        yield start


def prepare_once(kind: type[Stack], project: Project) -> None:
    """Prepare the backend for the run, in the first of its processes that asks; the others wait for it."""
    done = run_folder() / f"prepared-{kind.backend}"
    with (run_folder() / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            kind.prepare(project)
            done.touch()


@pytest.fixture
def redis(stack: Stack) -> redis_py.Redis:
    """Database 0 of the stack's server: the queues and what is unacknowledged."""
    return stack.redis(0)


@pytest.fixture
def results(stack: Stack) -> redis_py.Redis:
    """Database 1 of the stack's server: the results."""
    return stack.redis(1)


@pytest.fixture
def worker(stack: Stack) -> Callable[..., Process]:
    """Start a worker: `worker("--concurrency", "2", settings={"CELERY_TASK_ACKS_LATE": True})`."""
    return stack.worker


@pytest.fixture
def beat(stack: Stack) -> Callable[..., Process]:
    """Start a scheduler: `beat()`."""
    return stack.beat


@pytest.fixture
def django(stack: Stack) -> Django:
    """A Django process with the recipe's settings: `django("from core.tasks import ping; ping.delay().get()")`."""
    return stack.django()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[str, list[Row]], None]:
    """Keep data of this run for the page: `record("trace", rows)`, shown there by `sequence`, `timeline` or `table`."""
    return lambda name, rows: notes_of(request.node).records.append((name, rows))


@pytest.fixture
def console(
    request: pytest.FixtureRequest, project: Project, recipe: str, stack: Stack
) -> Callable[..., list[transcripts.Step]]:
    """Run a transcript of the recipe on the stack as it stands: `console("keys.console")` fails when outputs drift."""

    def check(
        name: str, settings: Mapping[str, Any] | None = None, timeout: float = transcripts.TIMEOUT
    ) -> list[transcripts.Step]:
        file, where = project.recipes / recipe / name, f"recipes/{recipe}/{name}"
        if not file.exists():
            raise CookbookError(f"{where}: no such transcript: write its commands behind '$ ', then `make record`")
        recorded = transcripts.parse(file.read_text(encoding="utf-8"), where)
        environment = stack.environment(settings)
        actual = transcripts.run(
            recorded, env=environment, cwd=stack.cwd, folder=stack.folder, where=where, timeout=timeout
        )
        drift = transcripts.differences(recorded, actual, where)
        if drift and request.config.getoption("--record"):
            text = transcripts.render(actual)
            write_whole(file, text)
            notes_of(request.node).rewritten[where] = hashlib.sha256(text.encode()).hexdigest()
        elif drift and not since.differs_as_stated(request.node, drift):
            pytest.fail("\n".join(drift), pytrace=False)
        notes_of(request.node).transcripts.append(where)
        return actual

    return check
