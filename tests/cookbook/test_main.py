"""The command line: what each command prints and returns, and that a fault leaves the published site as it was."""

import re
from dataclasses import replace

import pytest

from cookbook.__main__ import main
from cookbook.checks import parity
from cookbook.evidence import proving
from cookbook.stack import docker_engine
from tests.cookbook.mini import QUICK_PROOF, cookbook, edit, make_project, write, write_evidence

COMMANDS = (
    "run",
    "record",
    "matrix",
    "mutate",
    "check",
    "parity",
    "publish",
    "site",
    "serve",
    "soak",
    "style",
    "test",
    "new-recipe",
)
GREET = "docs/{}/start/greet.md"
RUN = "run `python -m cookbook run greet`"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


# Faults, each with its one line


def unknown_symbol(project):
    edit(project, "recipes/greet/tasks.py", "def part", "def leave")
    write_evidence(project)
    fault = 'recipes/greet/tasks.py: no function, class or assignment "part": the file has'
    return [f"{GREET.format('fr')}:17: {fault}", f"{GREET.format('en')}:17: {fault}"]


def renamed_file(project):
    (project.recipes / "greet/worker.conf").rename(project.recipes / "greet/redis.conf")
    write_evidence(project)
    fault = "recipes/greet/worker.conf: no such file (did you mean greet/redis.conf?): correct the path in the call"
    return [
        f"{GREET.format('fr')}:19: {fault}",
        f"{GREET.format('en')}:19: {fault}",
        'recipes/greet/redis.conf: no page shows the region "memory": call code("greet/redis.conf", "memory")',
    ]


def recipe_edited_after_its_run(project):
    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    return ["recipes/greet/tasks.py: edited since the run of 2026-11-22T19:00:00+00:00: " + RUN]


def deleted_evidence(project):
    (project.evidence / "local/greet.json").unlink()
    return ["tests/recipes/test_greet.py: no evidence: its proofs never ran here: " + RUN]


def failing_proof(project):
    [proof] = write_evidence(project).tests
    write_evidence(project, tests=[replace(proof, outcome="failed")])
    edit(project, "tests/recipes/test_greet.py", "def test_it", "# a comment added since\ndef test_it")
    return [
        "tests/recipes/test_greet.py:2: test_it_greets_by_name failed on local",
        "tests/recipes/test_greet.py: no proof passed on local",
    ]


def fence_typed_by_hand(project):
    for language in ("fr", "en"):
        edit(project, GREET.format(language), "{@ transcript", "```bash\ncelery worker\n```\n\n{@ transcript")
    parity.record(project)
    fault = (
        "a code block typed by hand, which nothing runs: put it into a recipe and show it with code() or transcript()"
    )
    return [f"{GREET.format(language)}:21: {fault}" for language in ("fr", "en")]


def english_section_left_behind(project):
    edit(project, GREET.format("fr"), "Elle salue.", "Elle salue bien.")
    return [f"{GREET.format('fr')}:9: section 'files' changed in French only: bring docs/en/start/greet.md in line"]


def page_in_one_language(project):
    (project.docs / "en/start/greet.md").unlink()
    return [f"{GREET.format('fr')}:1: this page is in French only: write docs/en/start/greet.md"]


def unknown_setting_name(project):
    for language, greeting in (("fr", "Elle salue."), ("en", "It greets.")):
        edit(project, GREET.format(language), greeting, f"{greeting[:-1]} `CELERY_TASK_ACK_LATE`.")
    parity.record(project)
    fault = "unknown Celery"
    return [f"{GREET.format(language)}:11: {fault}" for language in ("fr", "en")]


def dead_link(project):
    for language, greeting in (("fr", "Elle salue."), ("en", "It greets.")):
        edit(project, GREET.format(language), greeting, f"[{greeting[:-1]}](../redis/keys.md).")
    parity.record(project)
    fault = "contains a link '../redis/keys.md', but the target 'redis/keys.md' is not found"
    return [f"{GREET.format(language)}:11: {fault}" for language in ("fr", "en")]


@pytest.mark.parametrize(
    "broken",
    [
        unknown_symbol,
        renamed_file,
        recipe_edited_after_its_run,
        deleted_evidence,
        failing_proof,
        fence_typed_by_hand,
        english_section_left_behind,
        page_in_one_language,
        unknown_setting_name,
        dead_link,
    ],
)
def test_each_fault_is_one_line_and_leaves_the_last_good_site(project, broken):
    pages = [write(project, f"site/{name}", "the last good one") for name in ("index.html", "sitemap.xml")]
    before = [page.stat().st_mtime_ns for page in pages]
    expected = broken(project)
    done = cookbook(project, "publish")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, expected, strict=True)] == expected
    assert re.fullmatch(r"publish: FAILED in \d+\.\d s\n", done.stdout)
    assert [page.stat().st_mtime_ns for page in pages] == before
    assert [page.read_text() for page in pages] == ["the last good one"] * 2
    assert sorted(path.name for path in project.site.iterdir()) == ["index.html", "sitemap.xml"]


# Commands


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    first = capsys.readouterr().out.partition("\n")[0]
    assert first.startswith(f"usage: python -m cookbook {command} ")


def test_no_command_or_an_unknown_one_is_a_usage_error(project, monkeypatch, capsys):
    monkeypatch.chdir(project.root)
    for words in ([], ["bake"], ["run", "gret"], ["check", "--fast"], ["parity", "--record", "--accept", "x"]):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 2
    assert "no recipe 'gret': there are greet" in capsys.readouterr().err


def test_outside_a_cookbook_the_error_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}: no mkdocs.base.yml here or above: run this inside the cookbook's folder"
    ]


def test_check_passes_from_any_folder_of_the_project_and_prints_its_duration(project, monkeypatch, capsys):
    monkeypatch.chdir(project.recipes / "greet")
    assert main(["check"]) == 0
    assert re.fullmatch(r"check: done in \d+\.\d s\n", capsys.readouterr().out)


def test_check_can_leave_the_evidence_out(project, monkeypatch, capsys):
    monkeypatch.chdir(project.root)
    (project.evidence / "local/greet.json").unlink()
    assert main(["check"]) == 1
    assert main(["check", "--no-evidence"]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_parity_reports_records_and_accepts(project, monkeypatch, capsys):
    monkeypatch.chdir(project.root)
    edit(project, GREET.format("fr"), "Elle salue.", "Elle salue bien.")
    assert main(["parity"]) == 1
    assert main(["parity", "--record"]) == 1
    assert main(["parity", "--accept", f"{GREET.format('fr')}#files"]) == 0
    assert main(["parity"]) == 0
    edit(project, GREET.format("fr"), "Elle salue bien.", "Elle salue mieux.")
    edit(project, GREET.format("en"), "It greets.", "It greets better.")
    capsys.readouterr()
    assert main(["parity", "--record"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "recorded start/greet.md#files"


def test_a_run_leaves_evidence_and_a_failed_one_says_so(project):
    write(project, "tests/recipes/test_greet.py", QUICK_PROOF)
    done = cookbook(project, "run", "--stack", "local")
    assert done.returncode == 0, done.stdout
    assert "[1/1] greet: " in done.stdout
    assert '"outcome": "passed"' in (project.evidence / "local/greet.json").read_text()

    edit(project, "tests/recipes/test_greet.py", '"Hello Ada"', '"Hello"')
    done = cookbook(project, "run", "greet", "--stack", "local")
    assert done.returncode == 1
    assert '"outcome": "failed"' in (project.evidence / "local/greet.json").read_text()


def test_a_run_without_a_single_proof_failed(project):
    write(project, "tests/recipes/test_greet.py", "")
    assert cookbook(project, "run", "--stack", "local").returncode == 1


def test_a_stack_that_does_not_exist_is_a_usage_error(capsys):
    for command in ("run", "record", "site", "mutate", "test"):
        with pytest.raises(SystemExit) as end:
            main([command, "--stack", "cloud"])
        assert end.value.code == 2
        assert "invalid choice: 'cloud'" in capsys.readouterr().err


def test_site_runs_on_this_machine_what_compose_cannot_prove(project, monkeypatch, capsys):
    (project.evidence / "local/greet.json").unlink()
    ran = []

    def run(project, tests, *options):
        [backend] = [each.removeprefix("--stack=") for each in options if each.startswith("--stack=")]
        ran.append(backend)
        outcome = "skipped" if backend == "compose" else "passed"
        [proof] = write_evidence(project, backend=backend).tests
        write_evidence(project, backend=backend, tests=[replace(proof, outcome=outcome, reason="not in the image")])
        return 0

    monkeypatch.setattr(docker_engine, "chosen", lambda project, stack: "compose")
    monkeypatch.setattr(proving, "run_pytest", run)
    monkeypatch.chdir(project.root)
    assert main(["site"]) == 0
    assert ran == ["compose", "local"]
    assert "greet: nothing to prove on compose: run on this machine" in capsys.readouterr().out
    assert (project.site / "index.html").is_file()
