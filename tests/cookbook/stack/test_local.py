"""The backend `local`: its server, and the starts of its programs."""

import socket

import pytest

from cookbook.stack import local as module
from cookbook.stack import warm
from cookbook.stack.interface import free_port


def test_a_port_that_another_program_took_is_replaced(local, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ports = iter([taken, free_port()])
        monkeypatch.setattr(module, "free_port", lambda: next(ports))
        local.start_redis()
        assert local.port not in (0, taken)
        assert local.redis().ping()


def test_a_server_whose_port_was_taken_while_it_was_stopped_gets_another_one(local):
    local.start_redis()
    port = local.port
    local.processes[-1].stop()
    with socket.create_server(("127.0.0.1", port)):
        local.start_redis()
        assert local.port not in (0, port)
        assert local.redis().ping()


def test_an_option_that_the_server_refuses_is_an_error_with_its_log(local):
    with pytest.raises(TimeoutError, match=r"(?i)bad directive"):
        local.start_redis(no_such_option="1")


@pytest.mark.parametrize("crash", [False, True])
def test_a_restarted_server_has_its_port_its_options_and_its_file(local, crash):
    local.start_redis(appendonly="yes", appendfsync="always")
    port = local.port
    local.redis().set("key", "value")
    local.restart_redis(crash=crash)
    assert local.port == port
    assert local.redis().config_get("appendfsync") == {"appendfsync": "always"}
    assert local.redis().get("key") == "value"


def test_a_client_belongs_to_the_program_that_connected(local):
    source = "import redis, sys; client = redis.Redis(port=int(sys.argv[1])); client.ping(); print('there'); input()"
    local.start_redis()
    one, other = (local.start(["python", "-c", source, str(local.port)]) for _ in range(2))
    for program in (one, other):
        program.wait_for("there")
    owners = [[local.owns(each, client["addr"]) for each in (one, other)] for client in local.redis().client_list()]
    assert sorted(owners) == [[False, False], [False, True], [True, False]]


def test_the_versions_of_an_environment_are_those_of_this_one(local):
    assert module.versions_of(local._programs) == module.installed_versions()


def test_the_first_celery_of_a_recipe_in_a_run_starts_cold(local):
    local.recipe = "warm"
    first, second = (local.start(["celery", "--version"]) for _ in range(2))
    assert [isinstance(each.popen, warm.Fork) for each in (first, second)] == [False, True]
    assert (first.wait(), second.wait()) == (0, 0)
    assert first.lines == second.lines
