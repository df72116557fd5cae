"""The backend `compose` on a real engine: nothing is left of a run, and only ours is ever removed."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from docker.errors import APIError, NotFound
from docker.models.networks import Network

from cookbook.evidence.plugin import prepare_once
from cookbook.project import CookbookError
from cookbook.stack import compose, docker_engine, reaper
from cookbook.stack.processes import run_folder, wait_until
from cookbook.stack.reaper import PROJECT_LABEL, remove_project
from tests.cookbook.mini import HOUSE

pytestmark = pytest.mark.skipif(not docker_engine.answers(), reason="no Docker engine answers")
IMAGE = os.environ.get("REDIS_IMAGE", "redis:8")


def labelled(name):
    """The containers, networks and volumes of a Compose project, and of every project whose name begins like that."""
    engine = docker_engine.engine()
    found = [*engine.containers.list(all=True, ignore_removed=True), *engine.networks.list(), *engine.volumes.list()]
    labels = [(each.attrs.get("Config") or each.attrs).get("Labels") or {} for each in found]
    return [label[PROJECT_LABEL] for label in labels if label.get(PROJECT_LABEL, "").startswith(name)]


def container(project):
    return docker_engine.engine().containers.create(IMAGE, labels={PROJECT_LABEL: project})


@pytest.fixture
def project():
    """This cookbook, whose docker-compose.yml these tests run."""
    return HOUSE


@pytest.fixture
def somebody_elses():
    """A container of another Compose project, which no run of ours may touch."""
    name = f"test-of-somebody-else-{os.getpid()}"
    yield container(name)
    remove_project(name)


def test_a_run_sweeps_what_a_killed_run_left_and_nothing_else(somebody_elses):
    dead = f"{docker_engine.PREFIX}0123456789ab-1"
    alive = f"{docker_engine.PREFIX}{os.environ['COOKBOOK_RUN'][:12]}-1"
    container(dead)
    ours = container(alive)
    try:
        docker_engine.sweep()
        assert labelled(dead) == []
        assert labelled(alive) == [alive]
        somebody_elses.reload()
    finally:
        ours.remove(v=True)


def test_a_network_is_removed_although_something_is_still_connected_to_it():
    name = f"{docker_engine.PREFIX}0123456789ab-connected-{os.getpid()}"
    docker_engine.engine().networks.create(name, labels={PROJECT_LABEL: name})
    connected = docker_engine.engine().containers.run(IMAGE, ["sleep", "infinity"], network=name, detach=True)
    try:
        remove_project(name)
        assert labelled(name) == []
        connected.reload()
        assert connected.status == "running"
    finally:
        connected.remove(force=True, v=True)


def test_a_network_that_the_engine_cannot_remove_is_reported(monkeypatch, capfd):
    name = f"{docker_engine.PREFIX}0123456789ab-kept-{os.getpid()}"
    network = docker_engine.engine().networks.create(name, labels={PROJECT_LABEL: name})

    def refuse(self):
        raise APIError(f"network {self.name} has active endpoints")

    with monkeypatch.context() as patched:
        patched.setattr(reaper, "COUNTED_FOR", 0.3)
        patched.setattr(Network, "remove", refuse)
        remove_project(name)
    network.remove()
    assert f"{name}: Docker cannot remove this network until it restarts" in capfd.readouterr().err


@pytest.fixture
def stack(project):
    """A stack on Compose; what a test starts on it ends with the test."""
    prepare_once(compose.ComposeStack, project)
    stack = compose.ComposeStack(project, run_folder() / f"stack-{os.urandom(4).hex()}")
    yield stack
    stack.close()


def inside(project):
    """The programs that run in the container that programs enter, without its own."""
    listed = compose.toolbox(project).top()
    commands = [row[listed["Titles"].index("CMD")] for row in listed["Processes"]]
    return [each for each in commands if "sleep infinity" not in each]


def test_the_container_of_a_program_is_what_the_service_says(stack):
    program = stack.start(["python", "-c", "input()"], env={"REDIS_URL": "redis://nowhere"})
    service, given = compose.template(stack.project).attrs, program.container.attrs
    assert given["HostConfig"]["Memory"] == 768 << 20
    changed = {key for key, value in given["HostConfig"].items() if value != service["HostConfig"].get(key)}
    assert changed == {"AutoRemove", "Binds", "RestartPolicy"}
    env = set(given["Config"]["Env"])
    assert "redis://nowhere" in {each.partition("=")[2] for each in env}
    assert {"POSTGRES_HOST=db", "POSTGRES_DB=app"} <= env & set(service["Config"]["Env"])
    for key in ("Image", "WorkingDir", "StopSignal", "StopTimeout"):
        assert given["Config"][key] == service["Config"][key]


def test_no_health_check_disturbs_what_is_counted(stack):
    program = stack.start(["python", "-c", "print('up'); input()"])
    program.wait_for("up")
    program.container.reload()
    assert "Health" not in program.container.attrs["State"]
    name, _ = compose.project_of_this_process(stack.project)
    assert "Health" not in docker_engine.engine().containers.get(f"{name}-redis-1").attrs["State"]


@pytest.mark.parametrize("way", ["start", "enter"])
def test_a_signal_reaches_the_program_in_its_container(stack, way):
    source = "import signal; signal.signal(15, lambda *_: print('heard', flush=True)); print('up', flush=True); input()"
    program = getattr(stack, way)(["python", "-c", source])
    program.wait_for("up")
    program.signal(signal.SIGTERM)
    program.wait_for("heard")
    assert program.kill() == -signal.SIGKILL


def test_a_group_that_entered_is_killed_without_its_neighbors(stack):
    family = "sleep 1234 & echo up; read line"
    programs = [stack.enter(["sh", "-c", family]) for _ in range(2)]
    for program in programs:
        program.wait_for("up")
    assert sum(each == "sleep 1234" for each in inside(stack.project)) == 2
    programs[0].kill_group()
    assert programs[0].wait() == -signal.SIGKILL
    wait_until(lambda: sum(each == "sleep 1234" for each in inside(stack.project)) == 1)
    assert programs[1].popen.poll() is None


def test_nothing_that_entered_meets_the_next_test(stack):
    django = stack.django()
    left = "import subprocess; subprocess.Popen(['sleep', '1234'], start_new_session=True).pid"
    assert django(left)
    before = compose.toolbox(stack.project)
    assert "sleep 1234" in inside(stack.project)
    stack.close()
    wait_until(lambda: not [each for each in inside(stack.project) if "init" not in each])
    before.reload()
    assert before.status == "running"


def test_what_enters_a_changed_copy_sees_the_change_and_the_container_goes_with_the_stack(stack, tmp_path):
    stack.cwd = shutil.copytree(stack.project.recipes, tmp_path / "copy")
    (stack.cwd / "changed.py").write_text("WORD = 'changed'\n")
    assert stack.django()("import changed; changed.WORD") == "changed"
    (container,) = {process.container.id for process in stack.processes}
    stack.close()
    with pytest.raises(NotFound):
        docker_engine.engine().containers.get(container)


def test_an_image_that_cannot_be_pulled_is_named_with_the_command_that_makes_images(project, monkeypatch):
    monkeypatch.setenv("PYTHON_IMAGE", "localhost:1/no-such-image:1")
    with pytest.raises(CookbookError, match=r"no-such-image.*\.ci/engine"):
        compose.ComposeStack.prepare(project)


def test_a_run_on_compose_killed_in_the_middle_leaves_nothing(project, tmp_path):
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("COOKBOOK_", "PYTEST_"))}
    # Any proof that keeps containers for a while will do; it is killed as soon as the first one is there.
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--stack=compose", "tests/recipes/test_install.py", "-p", "no:cacheprovider"],
        cwd=project.root,
        env={**ours, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def its_run():
        folders = [path for path in tmp_path.glob("cookbook-*") if (path / "compose-projects").exists()]
        return folders and (folders[0] / "compose-projects").read_text().strip()

    name = wait_until(its_run, timeout=90)
    wait_until(lambda: labelled(name), timeout=60)
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: not labelled(name) and not list(tmp_path.glob("cookbook-*")), timeout=30)
