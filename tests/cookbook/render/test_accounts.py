"""The counts of recipes, from evidence and verdicts that are written by hand."""

import json

import pytest

from cookbook.mutation import verdicts
from cookbook.mutation.verdicts import SURVIVED, Verdict
from cookbook.render import accounts
from tests.cookbook.mini import edit, make_project, write, write_evidence

TASKS = "recipes/greet/tasks.py"
ENTRIES = """\
[[line]]
file = "recipes/greet/tasks.py"
text = "@shared_task"
en = "Nothing here runs a `worker`."
fr = "Rien ici ne lance un `worker`."

[[line]]
file = "recipes/greet/tasks.py"
text = "def part(name: str) -> str:"
change = "`part` does nothing"
en = "Any farewell will do."
fr = "Tout adieu convient."
"""


@pytest.fixture
def project(tmp_path):
    """A recipe with a verdict for each of its mutants, all detected."""
    project = make_project(tmp_path)
    judge(project)
    return project


def judge(project, *survivors):
    """Save a verdict for each mutant, in which the changes with the texts *survivors* survived."""
    made = [
        Verdict(
            file=each.file,
            line=each.mutant.line,
            text=each.text,
            change=str(each.mutant.change),
            removes=each.mutant.change.removes,
            outcome=SURVIVED if str(each.mutant.change) in survivors else "killed",
            by="",
            seconds=1.0,
        )
        for each in verdicts.planned(project, "greet")
    ]
    verdicts.save(project, "greet", verdicts.digest(project, "greet"), made)


def lines(project):
    [found] = accounts.accounts(project)
    return found.testable, found.proven


def test_a_line_counts_as_proven_while_its_verdicts_are_fresh(project):
    assert lines(project) == (5, 5)
    judge(project, 'without `return f"Hello {name}"`')
    assert lines(project) == (5, 4)
    edit(project, TASKS, "Goodbye", "Farewell")
    assert lines(project) == (5, 0)


def test_a_line_of_the_compose_file_counts_as_proven_when_a_run_removed_it(project):
    page = "docs/{}/start/greet.md"
    old = '{@ code("greet/worker.conf", "memory") @}'
    new = f'{old}\n\n{{@ code("docker-compose.yml") @}}'
    for language in ("fr", "en"):
        edit(project, page.format(language), old, new)
    judge(project)
    before = lines(project)
    write_evidence(project, records={"lines": [{"line": "healthcheck:"}, {"line": "test: redis-cli…"}]})
    assert lines(project) == (before[0] + 2, before[1] + 2)


def test_survivors_are_listed_in_the_language_of_the_page(project):
    assert accounts.survivors(project, "en") == "<p>There are none.</p>"
    changes = ("without `@shared_task` (2)", 'without `return f"Hello {name}"`', "`100` is `101`")
    judge(project, *changes)
    listed = accounts.survivors(project, "fr")
    assert f"<li><code>{TASKS}:6</code> sans <code>return f&quot;Hello {{name}}&quot;</code></li>" in listed.replace(
        '"', "&quot;"
    )
    assert "<code>100</code> → <code>101</code>" in listed


def test_untestable_lines_are_listed_with_their_reason(project):
    write(project, verdicts.UNTESTABLE, ENTRIES)
    listed = accounts.survivors(project, "fr")
    assert "<code>@shared_task</code> — Rien ici ne lance un <code>worker</code>.</li>" in listed
    assert " (<code>part</code> ne fait rien) — Tout adieu convient.</li>" in listed


def test_the_note_below_a_block_is_about_the_lines_that_it_shows(project):
    write(project, verdicts.UNTESTABLE, ENTRIES)
    note = accounts.unproven(project, "en", "greet/tasks.py", "part")
    assert note.count("<p") == 1  # none for a single change: without the whole line, a proof fails
    assert "Nothing here runs a <code>worker</code>." in note
    assert accounts.unproven(project, "en", "greet/tasks.py") != ""
    assert accounts.unproven(project, "en", "greet/apps.py") == ""


def test_the_table_has_a_row_for_each_recipe_and_the_total(project):
    table = accounts.table(project, "en", lambda recipe: f"to/{recipe}/")
    assert '<td><a class="unbroken" href="to/greet/">greet</a></td>' in table
    assert '<span class="unbroken">2026-11-22</span>' in table
    assert "<td><strong>Total</strong></td>\n<td><strong>4</strong></td>" in table


def test_the_json_has_the_counts_the_survivors_and_the_untestable_lines(project, tmp_path):
    judge(project, "`100` is `101`")
    write(project, verdicts.UNTESTABLE, ENTRIES)
    accounts.write(project, tmp_path / accounts.JSON)
    data = json.loads((tmp_path / accounts.JSON).read_text())
    [recipe] = data["recipes"]
    assert (recipe["blocks"], recipe["claims"], recipe["testable"], recipe["proven"]) == (4, 1, 5, 5)
    [survivor] = data["survivors"]
    assert survivor == {
        "file": "recipes/greet/worker.conf",
        "line": 2,
        "text": "maxmemory 100mb",
        "change": "`100` is `101`",
    }
    assert [each["change"] for each in data["untestable"]] == ["", "`part` does nothing"]
