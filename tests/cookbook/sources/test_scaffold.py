import re
import subprocess
import sys

import pytest

from cookbook.project import CookbookError
from cookbook.site import publish
from cookbook.sources import scaffold
from tests.cookbook.mini import cookbook, make_project

WRITTEN = [
    "recipes/late_mail/__init__.py",
    "recipes/late_mail/apps.py",
    "recipes/late_mail/settings.py",
    "recipes/late_mail/tasks.py",
    "tests/recipes/test_late_mail.py",
    "docs/fr/start/late-mail.md",
    "docs/en/start/late-mail.md",
    "mkdocs.yml",
    "mkdocs.en.yml",
]
TO_WRITE = ["recipes/late_mail/tasks.py", "tests/recipes/test_late_mail.py", *WRITTEN[5:7]]


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def begun(project):
    scaffold.create_recipe(project, "late_mail", "start")
    return project


def test_the_command_creates_recipe_proof_pages_and_nav(project):
    said = cookbook(project, "new-recipe", "late_mail", "--section", "start")
    assert said.returncode == 0, said.stderr
    assert said.stdout.splitlines()[:-2] == WRITTEN
    for config in ("mkdocs.yml", "mkdocs.en.yml"):
        assert (project.root / config).read_text().endswith("  - start/greet.md\n  - start/late-mail.md\n")


def test_the_check_names_each_file_that_is_still_to_be_written_in_one_line(begun):
    found = [line for line in publish.problems(begun, with_evidence=False) if "still to write" in line]
    assert [line.partition(":")[0] for line in found] == TO_WRITE
    assert all(re.match(r"\S+:\d+: still to write: ✎ \w", line) for line in found)


def test_its_only_other_faults_are_that_it_is_new_and_never_ran(begun):
    others = [line for line in publish.problems(begun) if "still to write" not in line]
    assert {line.partition("`")[0].rpartition(": ")[2] or line for line in others}
    unexpected = [line for line in others if "is not yet recorded" not in line and "its proofs never ran" not in line]
    assert unexpected == []
    assert len(others) == 6  # five sections, and the run


def test_without_marks_nothing_is_left_to_write(begun):
    for name in WRITTEN:
        file = begun.root / name
        file.write_text(file.read_text().replace("✎ ", ""))
    assert scaffold.problems(begun) == []


def test_its_proof_fails_and_says_what_to_write(begun):
    said = cookbook(begun, "run", "late_mail", "--stack", "local")
    assert said.returncode == 1
    assert "✎ start a worker, send the task from django, assert what the page says" in said.stdout


def test_its_app_loads(begun):
    show = "import late_mail.tasks; from django.conf import settings; print(settings.INSTALLED_APPS[-1])"
    shell = subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", show],
        cwd=begun.recipes,
        env={"DJANGO_SECRET_KEY": "for-tests", "DJANGO_SETTINGS_MODULE": "late_mail.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.stdout.strip() == "late_mail.apps.LateMailConfig", shell.stderr


@pytest.mark.parametrize(
    ("name", "section", "why"),
    [
        ("Late-Mail", "start", "Late-Mail: invalid recipe name: use a Python module's, such as visibility_timeout"),
        ("core", "start", "core: invalid recipe name: use a Python module's, such as visibility_timeout"),
        ("greet", "start", "recipes/greet/__init__.py: already exists: choose another name, or edit that recipe"),
        ("late_mail", "nowhere", "mkdocs.yml: no section 'nowhere' in its nav: it has start"),
    ],
)
def test_an_invalid_request_is_one_line_and_writes_nothing(project, name, section, why):
    before = {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()}
    with pytest.raises(CookbookError) as failure:
        scaffold.create_recipe(project, name, section)
    assert str(failure.value) == why
    assert {path: path.read_bytes() for path in project.root.rglob("*") if path.is_file()} == before
