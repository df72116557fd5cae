"""The marks, the panels and the folded list of proofs, from evidence that is written by hand."""

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from cookbook.evidence.records import Proof
from cookbook.render import panels
from tests.cookbook.mini import edit, write, write_evidence

NAME = "test_it_greets_by_name"
WAVES = '''

def test_it_waves():
    """It waves < twice.

    Elle fait signe.
    """
'''


def soup(html):
    return BeautifulSoup(html, "html.parser")


def ended(project, outcome, reason=""):
    [proof] = write_evidence(project).tests
    write_evidence(project, tests=[replace(proof, outcome=outcome, reason=reason)])


def panel(project, language="en"):
    return soup(panels.panel(project, "greet", NAME, language, "")).div


def test_a_mark_opens_its_panel_and_says_whether_the_claim_is_proven(project):
    mark = soup(panels.mark(project, "greet", NAME, "en")).button
    assert (mark.get_text(), mark["aria-label"], mark["class"]) == ("✓", "Proof", ["proof"])
    assert mark["popovertarget"] == panel(project)["id"]
    ended(project, "skipped", "no engine")
    mark = soup(panels.mark(project, "greet", NAME, "fr")).button
    assert (mark.get_text(), mark["aria-label"], mark["class"]) == ("○", "non prouvé", ["proof", "gap"])


def test_a_panel_has_the_sentence_and_on_what_the_proof_ran_and_a_button_that_closes_it(project):
    found = panel(project, "fr")
    assert [each.get_text() for each in found("p")] == [
        "Elle salue par le nom.",
        "✓ Celery 5.7.0, Valkey 8.1.8, 1,2\u00a0s",
    ]
    close = found.button
    assert (close["popovertarget"], close["popovertargetaction"]) == (found["id"], "hide")


@pytest.mark.parametrize("outcome", ["skipped", "failed", "xfailed"])
def test_a_panel_says_what_is_missing_and_shows_no_tick_for_a_proof_that_did_not_pass(project, outcome):
    ended(project, outcome, "a < b")
    found = panel(project)
    assert ("a < b" in found.select_one(".gap").get_text()) is (outcome != "failed")
    assert "✓" not in found.get_text()


def test_a_panel_says_that_files_were_edited_since_its_run(project):
    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    facts = panel(project)("p")[1]
    assert facts.get_text("|") == "edited since the last run|✓ Celery 5.7.0, Valkey 8.1.8, 1.2\u00a0s"


def test_the_source_of_a_proof_lacks_its_docstring_and_links_to_its_line_where_files_have_an_address(project):
    page = soup(panels.source(project, "greet", NAME, "https://example.org/blob/"))
    assert page.pre.get_text().startswith(f"def {NAME}(django):\n    assert django(")
    assert page.a["href"] == "https://example.org/blob/tests/recipes/test_greet.py#L1"
    assert soup(panels.source(project, "greet", NAME, "")).a is None


def test_the_source_of_a_proof_is_shown_without_what_only_the_linter_reads(project):
    edit(project, "tests/recipes/test_greet.py", "    assert django(", "    pass  # noqa: X1\n    assert django(")
    assert "\n    pass\n" in soup(panels.source(project, "greet", NAME, "")).pre.get_text()


def test_the_folded_line_counts_proofs_and_gaps_and_unfolds_to_each_sentence(project):
    assert soup(panels.folded(project, "greet", "en")).summary.get_text() == "1 proof, Celery 5.7"
    module = project.proofs / "test_greet.py"
    write(project, "tests/recipes/test_greet.py", module.read_text() + WAVES)
    [proof] = write_evidence(project).tests
    waves = Proof("test_it_waves", "tests/recipes/test_greet.py::test_it_waves", "skipped", 0.0, "no engine")
    write_evidence(project, tests=[proof, waves])
    details = soup(panels.folded(project, "greet", "fr")).details
    assert details.summary.get_text() == "2 preuves, 1 sans preuve, Celery 5.7"
    assert [(item["id"], item.get_text()) for item in details("li")] == [
        (f"proof-{NAME}", "Elle salue par le nom.✓"),
        ("proof-test_it_waves", "Elle fait signe.○"),
    ]
    assert soup(panels.folded(project, "greet", "en")).select("li")[1].get_text() == "It waves < twice.○"


def test_without_a_run_the_folded_line_names_no_version(project):
    (project.evidence / "local/greet.json").unlink()
    page = soup(panels.folded(project, "greet", "en"))
    assert page.summary.get_text() == "1 proof, 1 not proven"
    assert not page("p")
