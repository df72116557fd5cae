"""The backend `compose` on a real engine: nothing is left of a run, and only ours is ever removed."""

import os
import signal
import subprocess
import sys

import pytest

from cookbook.project import CookbookError
from cookbook.stack import compose
from cookbook.stack.processes import wait_until
from cookbook.stack.reaper import PROJECT_LABEL, remove_project

pytestmark = pytest.mark.skipif(not compose.answers(), reason="no Docker engine answers")
IMAGE = os.environ.get("REDIS_IMAGE", "redis:8")


def labelled(name):
    """The containers, networks and volumes of a Compose project, and of every project whose name begins like that."""
    engine = compose.engine()
    found = [*engine.containers.list(all=True, ignore_removed=True), *engine.networks.list(), *engine.volumes.list()]
    labels = [(each.attrs.get("Config") or each.attrs).get("Labels") or {} for each in found]
    return [label[PROJECT_LABEL] for label in labels if label.get(PROJECT_LABEL, "").startswith(name)]


def container(project):
    return compose.engine().containers.create(IMAGE, labels={PROJECT_LABEL: project})


@pytest.fixture
def somebody_elses():
    """A container of another Compose project, which no run of ours may touch."""
    name = f"test-of-somebody-else-{os.getpid()}"
    yield container(name)
    remove_project(name)


def test_a_run_sweeps_what_a_killed_run_left_and_nothing_else(somebody_elses):
    dead = f"{compose.PREFIX}0123456789ab-1"
    alive = f"{compose.PREFIX}{os.environ['COOKBOOK_RUN'][:12]}-1"
    container(dead)
    ours = container(alive)
    try:
        compose.sweep()
        assert labelled(dead) == []
        assert labelled(alive) == [alive]
        somebody_elses.reload()
    finally:
        ours.remove(v=True)


def test_what_a_container_still_holds_is_removed_once_that_lets_go():
    name = f"{compose.PREFIX}0123456789ab-2"
    compose.engine().networks.create(name, labels={PROJECT_LABEL: name})
    holder = compose.engine().containers.run(IMAGE, ["sleep", "3"], network=name, detach=True)
    try:
        remove_project(name)
        assert labelled(name) == []
        holder.reload()
        assert holder.status == "exited"
    finally:
        holder.remove(force=True, v=True)


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
