import json
import shutil

import pytest

from cookbook.evidence import records
from cookbook.evidence.records import Evidence, Proof
from cookbook.project import CookbookError, Project


@pytest.fixture
def project(tmp_path):
    for path, text in {
        "recipes/core/celery.py": "app = 1\n",
        "recipes/manage.py": "\n",
        "recipes/requirements.txt": "celery\n",
        "recipes/one/tasks.py": "x = 1\n",
        "tests/recipes/test_one.py": "from situations import held\n\ndef test_a(): ...\n",
        "tests/recipes/situations.py": "from depths import held\n",
        "tests/recipes/depths.py": "held = 0\n",
        "tests/recipes/elsewhere.py": "held = 1\n",
    }.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Project(tmp_path)


def write(project, outcome="passed", backend="local"):
    proof = Proof("test_a", "tests/recipes/test_one.py::test_a", outcome, 0.5)
    run = Evidence("one", backend, "2026-11-22T10:00:00+00:00", {}, records.digests(project, "one"), [proof])
    return records.write(project, run)


def test_what_was_written_is_read_back(project):
    write(project)
    [run] = records.load(project, "one")
    assert [proof.seconds for proof in run.tests] == [0.5]
    assert records.problems(project, "one") == []


def test_what_programs_printed_is_kept_as_a_terminal_shows_it(project):
    text = json.loads(records.write_json(project.root / "kept.json", {"reason": "\x1b[31mred\x1b[0m"}).read_text())
    assert text == {"reason": "red"}


def test_a_recipe_that_never_ran_is_a_problem(project):
    [line] = records.problems(project, "one")
    assert line.startswith("tests/recipes/test_one.py: no evidence")
    assert "cookbook run one" in line


def test_what_another_backend_said_of_older_files_is_discarded_once_todays_ran(project):
    file = write(project)
    assert records.discard_stale(project) == []
    (project.recipes / "one/tasks.py").write_text("x = 2\n")
    assert records.discard_stale(project) == []  # nothing newer is there: publishing refuses it
    write(project, backend="compose")
    assert records.discard_stale(project) == ["evidence/local/one.json"]
    assert not file.exists()
    assert len(records.load(project, "one")) == 1


def test_what_is_no_evidence_any_more_is_discarded_and_no_other(project):
    kept = write(project)
    gone = kept.with_name("gone.json")
    gone.write_text(kept.read_text())
    past = project.evidence / "compose/one.json"
    past.parent.mkdir()
    past.write_text('{"tests": [{"line": 1}]}')
    assert records.discard_stale(project) == ["evidence/compose/one.json", "evidence/local/gone.json"]
    assert kept.exists()


def test_an_edit_of_what_its_proofs_do_not_import_is_none(project):
    write(project)
    (project.root / "tests/recipes/elsewhere.py").write_text("held = 2\n")
    assert records.problems(project, "one") == []


def test_an_older_celery_counts_for_the_proofs_that_ask_for_one(project):
    lock = project.root / "tests/environments/celery-5.2.txt"
    lock.parent.mkdir()
    lock.write_text("celery==5.2.7\n")
    write(project)
    lock.write_text("celery==5.2.6\n")
    assert records.problems(project, "one") == []
    with (project.root / "tests/recipes/test_one.py").open("a") as file:
        file.write("def test_b(on_celery): ...\n")
    write(project)
    lock.write_text("celery==5.2.5\n")
    [line] = records.problems(project, "one")
    assert line.startswith("tests/environments/celery-5.2.txt: edited since the run of")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("recipes/one/tasks.py", "# edited"),
        ("recipes/core/celery.py", "# edited"),
        ("recipes/requirements.txt", "# edited"),
        ("tests/recipes/test_one.py", "edited = 1"),
        ("tests/recipes/situations.py", "edited = 1"),
        ("tests/recipes/depths.py", "edited = 1"),
    ],
)
def test_an_edit_after_the_run_is_a_problem(project, path, text):
    write(project)
    with (project.root / path).open("a") as file:
        file.write(f"{text}\n")
    [line] = records.problems(project, "one")
    assert line.startswith(f"{path}: edited since the run of")


@pytest.mark.parametrize("name", ["test_one", "situations", "depths"])
def test_another_comment_or_layout_of_what_proves_a_recipe_is_no_edit(project, name):
    write(project)
    file = project.proofs / f"{name}.py"
    file.write_text(f'"""Reworded."""\n\n# so is this\n{file.read_text()}')
    assert records.problems(project, "one") == []


def test_what_the_folders_above_the_project_are_called_says_nothing(project, tmp_path):
    moved = Project(tmp_path / ".pycharm_projects" / "__pycache__")
    shutil.copytree(project.root / "recipes", moved.recipes)
    shutil.copytree(project.proofs, moved.proofs)
    write(moved)
    (moved.recipes / "one/tasks.py").write_text("x = 2\n")
    [line] = records.problems(moved, "one")
    assert line.startswith("recipes/one/tasks.py: edited since")


def test_a_renamed_file_is_a_problem_under_both_names(project):
    write(project)
    (project.recipes / "one/tasks.py").rename(project.recipes / "one/jobs.py")
    added, removed = records.problems(project, "one")
    assert added.startswith("recipes/one/jobs.py: added")
    assert removed.startswith("recipes/one/tasks.py: removed")


def test_a_failed_proof_is_a_problem_with_its_line(project):
    write(project, outcome="failed")
    failed, none_passed = records.problems(project, "one")
    assert failed.startswith("tests/recipes/test_one.py:3: test_a failed on local")
    assert "no proof passed" in none_passed


def test_a_recipe_with_nothing_but_skips_is_a_problem(project):
    write(project, outcome="skipped")
    [line] = records.problems(project, "one")
    assert "no proof passed" in line


def test_a_recipe_that_one_backend_skips_and_another_proves_is_none(project):
    write(project, outcome="skipped", backend="compose")
    write(project)
    assert records.problems(project, "one") == []


def test_a_file_that_is_not_evidence_is_named(project):
    file = write(project)
    file.write_text("{}")
    with pytest.raises(CookbookError, match=r"evidence/local/one\.json: not evidence"):
        records.load(project, "one")


def test_caches_and_databases_are_no_part_of_a_recipe(project):
    write(project)
    (project.recipes / "one/__pycache__").mkdir()
    (project.recipes / "one/__pycache__/tasks.pyc").write_bytes(b"x")
    (project.recipes / "one/db.sqlite3").write_bytes(b"x")
    assert records.problems(project, "one") == []
