"""What pages say about versions, from cells and runs that are written by hand."""

from dataclasses import replace

import pytest

from cookbook.checks import parity
from cookbook.evidence import matrix, records
from cookbook.evidence.columns import Column, columns
from cookbook.render import panels, versions
from cookbook.site import publish
from tests.cookbook.mini import HOUSE, make_project, write, write_evidence

PROOF = "test_it_greets_by_name"
NOT_RUN = '<span class="gap">not run</span>'
TITLES = {"greet": "Greet"}


@pytest.fixture
def project(tmp_path):
    """A recipe that ran here on Celery 5.7 and Valkey 8, with columns for 5.2 to 5.6 and for the other servers."""
    project = make_project(tmp_path)
    for lock in (HOUSE.root / "tests" / "environments").glob("*.txt"):
        write(project, f"tests/environments/{lock.name}", lock.read_text())
    write_evidence(project)
    return project


def cell(project, column, outcome="passed", reason=""):
    server = {"redis-7.0": "Redis 7.0.15"}.get(column.server, f"{column.server.replace('-', ' ').title()}.1.2")
    made = matrix.Cell(
        column=column.name,
        recipe="greet",
        date="2026-11-22",
        versions={
            "celery": f"{column.celery or '5.7'}.3",
            "server": server,
            "django": "5.2.19",
            "python": "3.11.7",
        },
        digest=matrix.digest(project, column, "greet"),
        outcomes={PROOF: outcome},
        reasons={PROOF: reason} if reason else {},
    )
    matrix.write(project, made)


def on_versions(project, language="en"):
    return versions.of_proof(project, "greet", PROOF, language)


def test_without_a_cell_the_page_says_nothing_about_other_versions(project):
    assert on_versions(project) == ""


def test_consecutive_releases_are_written_as_a_range(project):
    for column in columns(project):
        cell(project, column)
    assert on_versions(project) == "passes on Celery 5.2–5.7; Redis 6.2, 7.0, 8; Valkey 8, 9"
    assert on_versions(project, "fr").startswith("réussit sur Celery 5.2–5.7\u00a0; ")


def test_what_was_not_run_is_left_out(project):
    for release in ("5.2", "5.5", "5.6"):
        cell(project, Column(celery=release))
    assert on_versions(project) == "passes on Celery 5.2, 5.5–5.7; Valkey 8"


def test_a_stated_release_is_named_behind_the_versions(project):
    cell(project, Column(celery="5.2"), "stated", "5.3")
    cell(project, Column(celery="5.3"))
    assert on_versions(project) == "passes on Celery 5.3, 5.7; Valkey 8; from 5.3"


def test_a_version_on_which_the_proof_failed_is_left_out(project):
    cell(project, Column(celery="5.6"), "failed", "AssertionError")
    assert on_versions(project) == "passes on Celery 5.7; Valkey 8"


def test_the_panel_and_the_folded_line_name_the_versions(project):
    cell(project, Column(celery="5.6"))
    cell(project, Column(server="redis-6.2"), "failed", "AssertionError")
    assert "passes on Celery 5.6–5.7; Valkey 8" in panels.panel(project, "greet", PROOF, "en", "")
    assert versions.of_recipe(project, "greet") == ["Celery 5.6–5.7", "Valkey 8"]
    assert "<summary>1 proof, Celery 5.6–5.7</summary>" in panels.folded(project, "greet", "en")


def test_a_skip_in_the_matrix_says_where_and_why(project):
    for column in (Column(celery="5.5"), Column(celery="5.6"), Column(server="redis-6.2")):
        cell(project, column, "skipped", "no such command")
    listed = panels.panel(project, "greet", PROOF, "en", "")
    assert '<span class="gap">not proven on Celery 5.5–5.6, Redis 6.2: no such command</span>' in listed
    assert "sans preuve pour Celery 5.5–5.6" in panels.panel(project, "greet", PROOF, "fr", "")


def test_the_matrix_has_a_column_for_each_version_and_the_ordinary_run_among_them(project):
    cell(project, Column(celery="5.2"), "stated", "5.3")
    cell(project, Column(celery="5.3"), "skipped", "it cannot be arranged")
    cell(project, Column(celery="5.4"), "failed", "AssertionError")
    cell(project, Column(server="valkey-9"))
    head, [row] = versions.matrix_table(project, TITLES, "en")
    assert dict(zip(head, row, strict=True)) == {
        "Recipe": "Greet",
        "Celery 5.2, Valkey 8": "1 from 5.3",
        "Celery 5.3, Valkey 8": "1 not proven",
        "Celery 5.4, Valkey 8": "1 failed",
        "Celery 5.5, Valkey 8": NOT_RUN,
        "Celery 5.6, Valkey 8": NOT_RUN,
        "Celery 5.7, Valkey 8": "1 ✓",
        "Celery 5.7, Redis 6.2": NOT_RUN,
        "Celery 5.7, Redis 7.0": NOT_RUN,
        "Celery 5.7, Redis 8": NOT_RUN,
        "Celery 5.7, Valkey 9": "1 ✓",
    }


def test_an_ordinary_run_that_failed_or_is_stale_has_no_tick(project):
    [proof] = write_evidence(project).tests
    write_evidence(project, tests=[type(proof)(**{**vars(proof), "outcome": "failed"})])
    head, [row] = versions.matrix_table(project, TITLES, "en")
    assert row[head.index("Celery 5.7, Valkey 8")] == "1 failed"
    write_evidence(project, files={})
    head, [row] = versions.matrix_table(project, TITLES, "en")
    assert row[head.index("Celery 5.7, Valkey 8")] == NOT_RUN


def test_the_release_from_which_a_recipe_passes(project):
    def since():
        [(_, whole, later)] = versions.since_table(project, TITLES, "en")[1]
        return whole, later

    assert since() == ("5.7", "5.2–5.6: not run")
    for release in ("5.4", "5.5", "5.6"):
        cell(project, Column(celery=release))
    assert since() == ("5.4", "5.2–5.3: not run")
    cell(project, Column(celery="5.2"), "stated", "5.4")
    cell(project, Column(celery="5.3"), "stated", "5.4")
    assert since() == ("5.4", "1 of its proofs from 5.4")
    cell(project, Column(celery="5.3"), "skipped", "it cannot be arranged")
    assert since() == ("5.4", "1 of its proofs from 5.4; 1 not proven")


def test_a_proof_that_ran_on_the_newest_release_only_is_counted_unless_it_asks_for_older_ones_itself(project):
    module = project.proofs / "test_greet.py"
    for signature, expected in (("", ["5.7", "1 ran on 5.7 only"]), ("stack, on_celery", ["5.2", "—"])):
        write(
            project, "tests/recipes/test_greet.py", f"{module.read_text()}\n\ndef test_alone({signature}):\n    pass\n"
        )
        proof = write_evidence(project).tests[0]
        write_evidence(project, tests=[proof, replace(proof, name="test_alone")])
        for release in ("5.2", "5.3", "5.4", "5.5", "5.6"):
            cell(project, Column(celery=release))
        assert versions.since_table(project, TITLES, "en")[1] == [["Greet", *expected]]


def test_the_table_of_changes_lists_the_proofs_that_fail_on_older_releases_as_stated(project):
    def later():
        return versions.later_table(project, TITLES, lambda recipe, name: f"{recipe}: {name}", "en")[1]

    cell(project, Column(celery="5.2"))
    assert later() == []
    cell(project, Column(celery="5.2"), "stated", "5.4")
    cell(project, Column(celery="5.3"), "stated", "5.4")
    assert later() == [["5.4", "Greet", f"greet: {PROOF}"]]
    now = matrix.load(project, "greet", [Column(celery="5.2")])[Column(celery="5.2")]
    another = {"outcomes": {PROOF: "stated", "another": "stated"}, "reasons": {PROOF: "5.4", "another": "5.4"}}
    matrix.write(project, matrix.Cell(**{**vars(now), **another}))
    assert later() == [["5.4", "Greet", f"greet: another<br>greet: {PROOF}"]]  # a recipe is named once


def test_a_skip_on_the_newest_release_too_is_not_counted_as_a_gap_of_an_older_one(project):
    [proof] = write_evidence(project).tests
    write_evidence(project, tests=[type(proof)(**{**vars(proof), "outcome": "skipped", "reason": "no engine"})])
    for release in ("5.2", "5.3", "5.4", "5.5", "5.6"):
        cell(project, Column(celery=release), "skipped", "no engine")
    assert versions.since_table(project, TITLES, "en")[1] == [["Greet", "5.2", "—"]]


def test_the_pages_show_the_tables(project):
    for language, page in (("en", "docs/en/index.md"), ("fr", "docs/fr/index.md")):
        file = project.root / page
        captions = {"en": ("Everywhere", "Since", "Later"), "fr": ("Partout", "Depuis", "Plus tard")}[language]
        calls = "\n\n".join(
            f'{{@ {name}(caption="{text}") @}}'
            for name, text in zip(("matrix", "since", "later"), captions, strict=True)
        )
        file.write_text(f"{file.read_text(encoding='utf-8')}\n{calls}\n", encoding="utf-8")
    cell(project, Column(celery="5.6"))
    cell(project, Column(celery="5.2"), "stated", "5.6")
    assert records.problems(project, "greet") == []
    parity.record(project)
    publish.publish(project)
    home = (project.site / "en" / "index.html").read_text(encoding="utf-8")
    assert '<th scope="row"><a href="start/greet/">Greet</a></th>' in home
    assert f'<a href="start/greet/#proof-{PROOF}">The test</a>' in home
    greet = (project.site / "en" / "start" / "greet" / "index.html").read_text(encoding="utf-8")
    assert "passes on Celery 5.6–5.7; Valkey 8" in greet
