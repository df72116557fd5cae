"""The second try of proofs that failed, and the last lines of a run that failed."""

import json
import sys

import pytest

from cookbook.__main__ import main
from cookbook.evidence import columns, proving, records
from cookbook.render import accounts
from tests.cookbook.mini import QUICK_PROOF, cookbook, make_project, write

PROOF = '''
def {name}({fixtures}):
    """It greets by name.

    Elle salue par le nom.
    """
    {body}
'''
BESIDE = '("PYTEST_XDIST_WORKER" in os.environ)'
PLACE = "tests/recipes/test_greet.py"
LAST = "Nothing was published; `make serve` shows the drafts meanwhile"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def proof(body, name="test_it", fixtures=""):
    return PROOF.format(name=name, fixtures=fixtures, body=body)


def run(project, source):
    write(project, PLACE, source)
    return cookbook(project, "run", "--stack", "local")


def tries(project):
    [found] = records.load(project, "greet")
    return {each.name: (each.outcome, each.tries) for each in found.tests}


def test_proofs_that_fail_beside_others_and_pass_alone_are_listed_and_counted(project, tmp_path):
    source = QUICK_PROOF + proof(f'assert not {BESIDE}, "it is not alone"')
    source += proof(f"{BESIDE} and os._exit(1)", "test_that_ends_its_process")
    source += '\n@__import__("pytest").mark.parametrize("case", [1, 2])'
    source += proof(f"assert case == 1 or not {BESIDE}", "test_cases", "case")
    said = run(project, f"import os\n{source}")
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stderr == ""
    assert tries(project) == {
        "test_it_greets_by_name": ("passed", 1),
        "test_it": ("passed", 2),
        "test_that_ends_its_process": ("passed", 2),
        "test_cases": ("passed", 2),
    }
    [found] = records.load(project, "greet")
    assert {each.name: each.cases for each in found.tests}["test_cases"] == 2
    log = "build/failed/greet.test_it.log"
    *_, first, second, third, _ = said.stdout.splitlines()
    assert f"{PLACE}:9: passed at the second try; first: AssertionError: it is not alone ({log})" in (
        first,
        second,
        third,
    )
    assert "it is not alone" in (project.root / log).read_text()

    assert "Proofs that passed only at the second try, alone: 3." in accounts.table(project, "en", str)
    french = accounts.table(project, "fr", str).replace("\u00a0", " ")
    assert "Preuves qui n’ont réussi qu’au second essai, seules : 3." in french
    accounts.write(project, tmp_path / "how-we-know.json")
    [recipe] = json.loads((tmp_path / "how-we-know.json").read_text())["recipes"]
    assert (recipe["proofs"], recipe["second_tries"]) == (4, 3)


def test_a_proof_that_fails_twice_is_named_with_its_log_and_how_to_run_it(project):
    said = run(project, proof("redis.ping(); print('so' + ' far'); assert 1 == 2", fixtures="redis"))
    assert said.returncode == 1
    assert tries(project) == {"test_it": ("failed", 2)}
    log = "build/failed/greet.test_it.log"
    assert said.stderr.splitlines() == [
        f"{PLACE}:2: test_it failed: assert 1 == 2",
        f"    its log: {log}",
        f"    alone: {sys.executable} -m pytest --stack=local {PLACE}::test_it",
        LAST,
    ]
    text = (project.root / log).read_text()
    assert [text.count(f"{PLACE}::test_it, try {number}") for number in (1, 2)] == [1, 1]
    for part in ("assert 1 == 2", "so far", "Ready to accept connections"):
        assert part in text


def test_a_known_defect_that_is_fixed_is_not_tried_again(project):
    said = run(project, "import pytest\n\n@pytest.mark.xfail(reason='upstream')" + proof("pass"))
    assert said.returncode == 1
    assert "second try" not in said.stdout
    assert tries(project) == {"test_it": ("failed", 1)}
    assert said.stderr.splitlines()[0] == f"{PLACE}:3: test_it failed: [XPASS(strict)] upstream"


def test_a_module_that_cannot_be_read_ends_the_run_at_once(project):
    write(project, "tests/recipes/test_two.py", "import nowhere\n" + QUICK_PROOF)
    said = run(project, proof(f"open({str(project.root / 'ran')!r}, 'w')"))
    assert said.returncode == 1
    assert "second try" not in said.stdout
    assert not (project.root / "ran").exists()
    first, log, alone, last = said.stderr.splitlines()
    assert first == "tests/recipes/test_two.py: collection failed: ModuleNotFoundError: No module named 'nowhere'"
    assert log == "    its log: build/failed/two.log"
    assert alone.endswith(" -m pytest --stack=local tests/recipes/test_two.py")
    assert last == LAST


def test_when_much_fails_nothing_runs_again(project):
    said = run(project, "".join(proof("assert 1 == 2", f"test_{number}") for number in range(11)))
    assert said.returncode == 1
    assert "11 proofs failed: too many for a second try" in said.stdout.splitlines()
    assert {tried for _, tried in tries(project).values()} == {1}
    lines = said.stderr.splitlines()
    assert len(lines) == 3 * 10 + 2
    assert lines[-2:] == ["and 1 more, in build/failed/", LAST]


def test_an_edit_between_the_tries_leaves_the_evidence_alone_and_the_next_run_removes_the_logs(project):
    edited = f"open({str(project.root / 'recipes/greet/tasks.py')!r}, 'a').write('# edited')"
    said = run(project, proof(f"{edited}; assert 1 == 2"))
    assert "greet: edited since the first try: its evidence stays as it was" in said.stdout
    assert tries(project) == {"test_it": ("failed", 1)}
    assert run(project, proof("assert 1 == 1")).returncode == 0
    assert not (project.root / "build/failed/greet.test_it.log").exists()


def test_the_matrix_tries_once_and_what_failed_is_due_in_its_next_run(project, monkeypatch):
    given = []

    def run(project, tests, *options):
        given.append(options)
        return 1

    monkeypatch.setattr(proving, "run_pytest", run)
    monkeypatch.setattr(columns, "programs", lambda project, column: None)
    monkeypatch.chdir(project.root)
    assert main(["matrix", "--columns", "redis-6.2"]) == 1
    assert given == [("--stack=local", "--server=redis-6.2")]
