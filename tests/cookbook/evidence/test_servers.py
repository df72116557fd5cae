import os

import pytest

from cookbook.evidence import environments, servers
from cookbook.project import CookbookError, Project


@pytest.fixture
def project(tmp_path):
    """A project that pins no server at all."""
    (tmp_path / "tests" / "environments").mkdir(parents=True)
    return Project(tmp_path)


@pytest.fixture
def on_path(tmp_path, monkeypatch):
    """Put a `redis-server` on PATH that says that it is this."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join((str(folder), "/usr/bin", "/bin")))

    def put(said):
        program = folder / "redis-server"
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        return program

    return put


def test_what_is_on_path_is_taken_for_what_it_says_that_it_is(project, on_path):
    program = on_path("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1")
    assert servers.find(project, "redis-7.0") == program
    with pytest.raises(CookbookError, match=r"^redis-8 cannot be had: no wheel is pinned for it, and no redis-8 is on"):
        servers.find(project, "redis-8")


@pytest.mark.parametrize("said", ["Redis server v=7.2.4 sha=0", "Valkey server v=7.0.15 sha=0", "v=7.0.15", ""])
def test_another_server_is_not_taken_for_it(project, on_path, said):
    on_path(said)
    with pytest.raises(CookbookError, match=r"^redis-7\.0 cannot be had"):
        servers.find(project, "redis-7.0")


def test_a_wheel_that_cannot_be_had_says_why(project, on_path):
    environments.lock_file(project, "redis-8").write_text("no-such-package-at-all==1\n")
    with pytest.raises(CookbookError, match=r"^redis-8 cannot be had: uv pip .*--require-hashes"):
        servers.find(project, "redis-8")


def test_each_pinned_wheel_carries_the_server_that_it_is_named_after(pytestconfig):
    house = Project(pytestconfig.rootpath)
    for name in servers.SERVERS:
        if environments.lock_file(house, name).exists():
            assert servers.said(servers.find(house, name)).startswith(f"{name}.")
