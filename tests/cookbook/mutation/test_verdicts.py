import pytest

from cookbook.mutation import verdicts
from cookbook.mutation.verdicts import Verdict
from cookbook.project import CookbookError
from tests.cookbook.mini import make_project, write

TASKS = "recipes/greet/tasks.py"
ENTRY = """\
[[line]]
file = "recipes/greet/tasks.py"
text = "{text}"
change = "{change}"
en = "Why."
fr = "Pourquoi."
"""


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def verdict(line, outcome="killed", *, removes=True, text="a", change="without `a`"):
    return Verdict(TASKS, line, text, change, removes, outcome, "", 1.0)


def test_a_line_is_proven_when_each_removal_is_detected_or_each_alteration_of_a_line_without_removals():
    proven = verdicts.proven_lines(
        [
            verdict(1),
            verdict(1, "survived", removes=False),
            verdict(2),
            verdict(2, "survived"),
            verdict(3, "timeout", removes=False),
            verdict(4, removes=False),
            verdict(4, "survived", removes=False),
        ]
    )
    assert proven == {(TASKS, 1), (TASKS, 3)}


def test_planned_mutants_name_their_file_and_line(project):
    planned = verdicts.planned(project, "greet")
    assert {each.file for each in planned} == {TASKS, "recipes/greet/worker.conf"}
    [task] = [each for each in planned if each.mutant.line == 4]
    assert (task.text, task.key) == ("@shared_task", (TASKS, 4, "without `@shared_task`"))


def test_an_entry_about_one_change_explains_no_other_change_of_its_line(project):
    write(project, verdicts.UNTESTABLE, ENTRY.format(text="a", change="without `a`"))
    stated, other = verdict(1, "survived"), verdict(1, "survived", change="without `b`")
    assert verdicts.unexplained(project, [stated, other, verdict(2)]) == [other]
    assert verdicts.unneeded(project, [stated], {TASKS}) == []
    assert verdicts.unneeded(project, [other], {"another file"}) == []
    [line] = verdicts.unneeded(project, [other], {TASKS})
    assert line.startswith(f"{verdicts.UNTESTABLE}:1: no survivor on a line `a` of {TASKS}: ")


def test_an_entry_whose_change_is_none_is_an_error(project):
    write(project, verdicts.UNTESTABLE, ENTRY.format(text="a", change="a"))
    with pytest.raises(CookbookError, match=r"^tests/recipes/untestable\.toml: no change: a: give each \[\[line\]\]"):
        verdicts.untestable(project)


def test_verdicts_that_cannot_be_read_are_an_error(project):
    write(project, "tests/evidence/mutations/greet.json", '{"digest": ""}')
    with pytest.raises(CookbookError, match=r"^tests/evidence/mutations/greet\.json: .*: delete it and run"):
        verdicts.load(project, "greet")
