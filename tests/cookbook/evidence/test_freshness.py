"""Which recipes run again, and what the commands report about it."""

from dataclasses import replace

import pytest

import cookbook.__main__ as command_line
from cookbook.__main__ import main
from cookbook.evidence import environments, freshness, proving, records
from cookbook.stack import docker_engine
from tests.cookbook.mini import QUICK_PROOF, edit, make_project, write, write_evidence

RECIPES = ["greet", "two"]


@pytest.fixture
def project(tmp_path):
    """Two recipes: `greet` has evidence of today, `two` has none."""
    project = make_project(tmp_path)
    write(project, "tests/recipes/test_two.py", QUICK_PROOF)
    ran(project)
    return project


def ran(project, backend="local", **changes):
    """Evidence that `greet` ran here on *backend*, as things are now."""
    return write_evidence(project, backend=backend, runs_on=freshness.runs_on(project, backend), **changes)


def due(project, backend="local"):
    return freshness.due(project, backend, RECIPES)


def test_what_never_ran_is_due_and_what_ran_on_the_same_is_not(project):
    assert due(project) == ["two"]


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("recipes/greet/tasks.py", "Goodbye", "Farewell"),
        ("tests/recipes/test_greet.py", '"Hello Ada"', '"Hello Bob"'),
        ("docker-compose.yml", "redis:8", "redis:7"),
    ],
)
def test_what_was_edited_is_due(project, path, old, new):
    edit(project, path, old, new)
    assert due(project) == RECIPES


def test_what_failed_is_due(project):
    [proof] = ran(project).tests
    ran(project, tests=[replace(proof, outcome="failed")])
    assert due(project) == RECIPES


def test_another_version_of_a_package_or_of_the_server_makes_all_due(project, monkeypatch):
    versions = freshness.runs_on(project, "local")
    assert versions.keys() == {"python", "django", "celery", "kombu", "redis-py", "server"}
    with monkeypatch.context() as patched:
        patched.setattr(freshness, "installed_versions", lambda: {**versions, "celery": "5.6.0"})
        assert due(project) == RECIPES
    with monkeypatch.context() as patched:
        patched.setattr(environments, "version_of", lambda program: "redis-7.0.15")
        assert due(project) == RECIPES
    assert due(project) == ["two"]


def test_each_stack_has_evidence_of_its_own_and_compose_counts_the_images_it_would_use(project, monkeypatch):
    write_evidence(project, backend="local", runs_on=freshness.runs_on(project, "compose"))
    assert due(project, "compose") == RECIPES
    ran(project)
    ran(project, "compose")
    assert due(project, "compose") == ["two"]
    monkeypatch.setenv("REDIS_IMAGE", "valkey:9")
    assert due(project, "compose") == RECIPES
    assert due(project) == ["two"]


def test_a_record_in_an_older_format_and_a_proof_that_is_not_python_are_due(project):
    write(project, "tests/recipes/test_greet.py", "def")
    assert due(project) == RECIPES
    write(project, "tests/recipes/test_greet.py", QUICK_PROOF)
    ran(project)
    assert due(project) == ["two"]
    write(project, "evidence/local/greet.json", '{"tests": [{"line": 1}]}')
    assert due(project) == RECIPES


@pytest.fixture
def called(project, monkeypatch):
    """What the commands give to pytest, instead of running it; each of these runs passes."""
    calls = []

    def run(project, tests, *options):
        calls.append([*tests])
        return 0

    monkeypatch.setattr(proving, "run_pytest", run)
    monkeypatch.setattr(command_line, "check_style", lambda project, args: 0)
    monkeypatch.setattr(command_line, "publish_site", lambda project, args: 0)
    monkeypatch.chdir(project.root)
    return calls


def test_site_runs_what_is_due_and_reports_it(project, called, capsys):
    assert main(["site", "--stack", "local"]) == 0
    assert called == [["tests/recipes/test_two.py"]]
    assert capsys.readouterr().out.splitlines()[0] == "1 of 2 recipes fresh, running 1: two"


def test_a_record_of_the_other_stack_in_an_older_format_stops_nothing(project, called, monkeypatch):
    monkeypatch.setattr(docker_engine, "chosen", lambda project, stack: "compose")
    monkeypatch.setattr(freshness, "find_server", lambda: pytest.fail("nothing runs on this machine"))
    for recipe in RECIPES:
        ran(project, "compose", recipe=recipe, files=records.digests(project, recipe))
    write(project, "evidence/local/greet.json", '{"tests": [{"line": 1}]}')
    assert main(["site"]) == 0
    assert called == []
    assert not (project.evidence / "local/greet.json").exists()


def test_site_without_anything_due_runs_nothing(project, called, capsys):
    (project.proofs / "test_two.py").unlink()
    assert main(["site", "--stack", "local"]) == 0
    assert called == []
    assert capsys.readouterr().out.splitlines()[0] == "1 of 1 recipes fresh: nothing to run"


def test_site_can_run_all(project, called, capsys):
    assert main(["site", "--stack", "local", "--all"]) == 0
    assert called == [["tests/recipes/test_greet.py", "tests/recipes/test_two.py"]]
    assert "fresh" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "modules"),
    [(["--changed"], ["test_two.py"]), ([], ["test_greet.py", "test_two.py"])],
)
def test_test_runs_all_proofs_or_what_is_due_and_every_other_stage(project, called, options, modules):
    assert main(["test", "--stack", "local", *options]) == 0
    assert called == [
        ["tests/cookbook"],
        [f"tests/recipes/{module}" for module in modules],
        ["tests/site", "-m", "not docker"],
        ["tests/site", "-m", "docker"],
    ]
