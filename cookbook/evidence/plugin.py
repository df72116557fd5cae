"""The pytest plugin of the cookbook: the fixtures that proofs ask for, and the evidence of what ran."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import pytest
import redis as redis_py

from cookbook.evidence import environments, records, since
from cookbook.evidence.recorder import Recorder
from cookbook.project import CookbookError, Project, find_project, write_whole
from cookbook.sources import proof_source, transcripts
from cookbook.stack import compose
from cookbook.stack.compose import ComposeStack
from cookbook.stack.interface import Django, Stack
from cookbook.stack.local import LocalStack
from cookbook.stack.processes import FOLDER, Process, Run, run_folder

CHOICE = "COOKBOOK_STACK"
RUN = pytest.StashKey[Run]()
STARTED = pytest.StashKey[list[Stack]]()  # by a test
STACKS: dict[str, type[Stack]] = {"local": LocalStack, "compose": ComposeStack}


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.register(since)
    group = parser.getgroup("cookbook")
    group.addoption("--stack", choices=("auto", *STACKS), default="auto", help="what the proofs run on (default: auto)")
    group.addoption("--record", action="store_true", help="rewrite the transcripts with what their commands print now")
    group.addoption("--no-evidence", action="store_true", help="leave the evidence of recipes as it is")
    group.addoption("--try", type=int, choices=(1, 2), help="keep in build/failed/ what fails; 2: it failed once today")


def pytest_configure(config: pytest.Config) -> None:
    try:
        project = find_project(config.rootpath)
    except CookbookError:
        return
    if hasattr(config, "workerinput"):  # a process of xdist: the run is its parent's, and so is the choice of the stack
        config.option.stack = os.environ[CHOICE]
        return
    if since.column(config):
        config.option.stack = "local"
    config.option.stack = os.environ[CHOICE] = compose.chosen(project, config.option.stack)
    run = config.stash[RUN] = Run()
    if not config.option.basetemp:
        config.option.basetemp = str(run.folder / "pytest")
    config.pluginmanager.register(Recorder(project, config), "cookbook-recorder")


def pytest_report_header(config: pytest.Config) -> str | None:
    if column := since.column(config):
        return f"stack: local ({column.name or column.server})"
    if config.option.stack == "local":
        return "stack: local (a server and workers as child processes)"
    return f"stack: {config.option.stack}"


def pytest_unconfigure(config: pytest.Config) -> None:
    if run := config.stash.get(RUN, None):
        run.end()
        os.environ.pop(FOLDER, None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A proof without both sentences is no proof."""
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
    # The longest go first, so that none is left to run alone: those that run older releases, which may have to be made.
    items.sort(key=lambda item: records.ON_CELERY not in getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep with the report of a failed test what its programs logged."""
    report = yield
    if report.failed:
        processes = [process for stack in item.stash.get(STARTED, []) for process in stack.processes]
        report.programs = [  # type: ignore[attr-defined]  # xdist passes it on
            (" ".join(process.argv), process.log) for process in processes
        ]
    return report


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config) -> Project:
    return find_project(pytestconfig.rootpath)


@pytest.fixture
def recipe(request: pytest.FixtureRequest) -> str:
    """The recipe under proof: `test_keys.py` proves `keys`."""
    return request.path.stem.removeprefix("test_")


@pytest.fixture
def stack(request: pytest.FixtureRequest, project: Project, recipe: str) -> Iterator[Stack]:
    """A Redis of its own, and what talks to it; ended after the test with everything started on it."""
    own = (project.recipes / recipe / "settings.py").exists()
    folder = run_folder() / folder_name(request.node.nodeid)
    kind = STACKS[request.config.option.stack]
    settings = f"{recipe}.settings" if own else "core.settings"
    column = since.column(request.config)
    try:
        prepare_once(kind, project)
        running = kind(project, folder, settings, **since.programs(project, column))
        running.recipe = recipe
    except CookbookError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    request.node.stash.setdefault(STARTED, []).append(running)
    try:
        yield running
        if running.port or column:
            server = {"server": running.server_version} if running.port else {}
            request.node.user_properties.append(("versions", {**running.versions(), **server}))
    finally:
        running.close()


def folder_name(nodeid: str) -> str:
    """The name of a test's folder in this process, one for each case: 60 characters at most, as the paths of the Unix
    sockets below it have a limit."""
    digest = hashlib.sha256(nodeid.encode()).hexdigest()[:8]
    name = re.sub(r"\W+", "-", f"{os.getpid()}-{nodeid.rpartition('::')[2]}")
    return f"{name[:51].rstrip('-')}-{digest}"


@pytest.fixture
def on_celery(request: pytest.FixtureRequest, stack: Stack, project: Project) -> Iterator[Callable[[str], LocalStack]]:
    """A stack with an older Celery, and a Redis of its own: `on_celery("5.3").worker()`. On this machine only."""
    if not isinstance(stack, LocalStack):
        pytest.skip("the environments with an older Celery are on this machine, not in the image")
    made: list[LocalStack] = []

    def start(release: str) -> LocalStack:
        programs = environments.environment(project, release) / "bin"
        made.append(LocalStack(project, stack.folder / f"celery-{release}", stack.settings, programs))
        request.node.stash[STARTED].append(made[-1])
        return made[-1]

    try:
        yield start
    finally:
        for older in made:
            older.close()


def prepare_once(kind: type[Stack], project: Project) -> None:
    """Prepare the backend for the run, in whichever of its processes comes first; the others wait for it."""
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
    return stack.beat


@pytest.fixture
def django(stack: Stack) -> Django:
    """A Django process with the recipe's settings: `django("from core.tasks import ping; ping.delay().get()")`."""
    return stack.django()


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[[str, object], None]:
    """Keep data of this run for the page: `record("trace", rows)`, drawn there by `sequence`, `table` or a plot."""

    def keep(name: str, data: object) -> None:
        request.node.user_properties.append(("record", {name: data}))

    return keep


@pytest.fixture
def console(
    request: pytest.FixtureRequest, project: Project, recipe: str, stack: Stack
) -> Callable[..., list[transcripts.Step]]:
    """Run a transcript of the recipe on the stack as it stands: `console("keys.console")` fails when outputs drift."""

    def check(
        name: str, settings: Mapping[str, Any] | None = None, timeout: float = transcripts.TIMEOUT
    ) -> list[transcripts.Step]:
        file = project.recipes / recipe / name
        where = project.relative(file.parent) + f"/{name}"
        if not file.exists():
            raise CookbookError(f"{where}: no such transcript: write its commands behind '$ ', then `make record`")
        recorded = transcripts.parse(file.read_text(encoding="utf-8"), where)
        actual = transcripts.run(
            recorded,
            env=stack.environment(settings),
            cwd=stack.cwd,
            folder=stack.folder,
            where=where,
            timeout=timeout,
        )
        if request.config.getoption("--record"):
            if transcripts.differences(recorded, actual, where):
                text = transcripts.render(actual)
                write_whole(file, text)
                request.node.user_properties.append(("rewritten", {where: hashlib.sha256(text.encode()).hexdigest()}))
        elif (drift := transcripts.differences(recorded, actual, where)) and not since.differs_as_stated(
            request.node, drift
        ):
            pytest.fail("\n".join(drift), pytrace=False)
        request.node.user_properties.append(("transcript", f"recipes/{recipe}/{name}"))
        return actual

    return check
