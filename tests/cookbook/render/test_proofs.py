"""What pages show of proofs, from evidence that is written by hand."""

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from cookbook.project import CookbookError
from cookbook.render import proofs
from tests.cookbook.mini import edit, make_project, write, write_evidence

NAME = "test_it_greets_by_name"
MODULE = "tests/recipes/test_greet.py"
MAKES = '''
def test_makes(record, console):
    """It makes outputs of "mentioned".

    Elle produit.
    """
    record("rows", ["mentioned"])
    console("hello.console", settings={"a": 1})
    print("printed")
'''


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def ended(project, outcome, reason=""):
    [proof] = write_evidence(project).tests
    write_evidence(project, tests=[replace(proof, outcome=outcome, reason=reason)])
    return proofs.status(project, "greet", NAME)


def test_a_proof_that_passed_has_no_gap(project):
    assert proofs.status(project, "greet", NAME).gap == {}


@pytest.mark.parametrize(("outcome", "is_stated"), [("skipped", True), ("xfailed", True), ("failed", False)])
def test_a_skip_or_known_defect_is_a_stated_gap_and_a_failure_is_not(project, outcome, is_stated):
    status = ended(project, outcome, "no engine")
    assert status.is_stated is is_stated
    assert set(status.gap) == {"fr", "en"}
    assert ("no engine" in status.gap["fr"]) is is_stated


def test_what_is_skipped_on_one_stack_and_passed_on_another_is_proven(project):
    [proof] = write_evidence(project).tests
    write_evidence(project, backend="compose", tests=[replace(proof, outcome="skipped", reason="why")])
    assert proofs.status(project, "greet", NAME).gap == {}


def test_an_edit_after_the_run_and_a_missing_run_are_gaps_that_no_run_stated(project):
    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    status = proofs.status(project, "greet", NAME)
    assert (status.gap["en"], status.is_stated) == ("edited since the last run", False)
    write_evidence(project, tests=[])
    status = proofs.status(project, "greet", NAME)
    assert (status.gap["en"], status.is_stated) == ("not run", False)


def test_an_unknown_recipe_or_test_is_an_error_that_names_it(project):
    with pytest.raises(CookbookError, match=r"^tests/recipes/test_nobody\.py: no such proofs"):
        proofs.status(project, "nobody", NAME)
    with pytest.raises(CookbookError, match=r"^tests/recipes/test_greet\.py: no test 'test_other'"):
        proofs.status(project, "greet", "test_other")


def test_a_skipped_proof_accounts_for_what_it_would_make_and_for_no_other_text_in_its_source(project):
    write(project, MODULE, MAKES)
    [proof] = write_evidence(project).tests
    skip = replace(proof, name="test_makes", outcome="skipped", reason="why")
    write_evidence(project, tests=[skip])
    for made, reason in {"rows": "why", "hello.console": "why", "mentioned": "", "printed": "", "a": ""}.items():
        assert proofs.skipped(project, "greet", made) == reason
    write_evidence(project, tests=[replace(skip, outcome="failed")])
    assert proofs.skipped(project, "greet", "rows") == ""


def test_a_transcript_ran_only_as_long_as_its_bytes_are_those_of_the_run(project):
    path = "recipes/greet/hello.console"
    assert proofs.ran(project, "greet", path)
    edit(project, path, "Ada", "Bob")
    assert not proofs.ran(project, "greet", path)


def test_the_line_under_the_title_says_when_the_page_was_verified_or_that_it_was_not(project):
    verified = proofs.verified(project, "greet", "en", "../")
    assert (
        '<time datetime="2026-11-22T19:00:00+00:00">Verified on November 22, 2026</time><span class="chip">' in verified
    )
    assert 'href="../bundles/greet.zip"' in verified
    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    assert '<span class="gap">edited since the last run</span>' in proofs.verified(project, "greet", "en", "../")
    (project.evidence / "local/greet.json").unlink()
    assert proofs.verified(project, "greet", "en", "") == '<p class="verified"><span class="gap">not run</span></p>'


def test_one_banner_says_how_many_proofs_were_skipped_and_why(project):
    assert "not-run" not in proofs.verified(project, "greet", "en", "")
    ended(project, "failed")
    assert "not-run" not in proofs.verified(project, "greet", "en", "")
    ended(project, "skipped", "no `engine`")
    [banner] = BeautifulSoup(proofs.verified(project, "greet", "fr", ""), "html.parser").select("p.not-run")
    assert banner.get_text().startswith("Preuves non exécutées ici\u00a0: 1 sur 1 (no engine).")
    assert [code.get_text() for code in banner("code")] == ["engine"]


def test_a_proof_that_passed_on_both_stacks_counts_once(project):
    for stack in ("local", "compose"):
        write_evidence(project, backend=stack)
    assert "<strong>1 proofs in 1 recipes</strong>" in proofs.tally(project, "en")


def test_without_a_run_the_tally_says_so(project):
    (project.evidence / "local/greet.json").unlink()
    assert proofs.tally(project, "en") == '<p class="verified"><span class="gap">not run</span></p>'
