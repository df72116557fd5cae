from cookbook.evidence.records import Proof
from cookbook.mutation.changes import Change, Mutant
from cookbook.mutation.schedule import Schedule
from cookbook.mutation.verdicts import Planned, Verdict

MODULE = "tests/recipes/test_greet.py"
PLANNED = Planned("tasks.py", "a = 1", Mutant(7, Change("removed", "a = 1"), ""))


def proof(name, seconds, module=MODULE):
    return Proof(name=name, id=f"{module}::{name}", outcome="passed", seconds=seconds)


def verdict(by, *, file="tasks.py", text="b", change="without `b`", seconds=2.0):
    return Verdict(file, 3, text, change, True, "killed", f"{MODULE}::{by}", seconds)


def order(schedule, planned=PLANNED):
    return [name.partition("::")[2] for name in schedule.order(planned, {MODULE})]


SLOW, FAST = proof("slow", 9), proof("fast", 1)


def test_without_any_verdict_the_fastest_proof_goes_first_and_other_modules_do_not_run():
    assert order(Schedule([SLOW, FAST, proof("other", 0.1, "tests/recipes/test_two.py")], [])) == ["fast", "slow"]


def test_the_proof_that_failed_on_the_same_change_goes_first_wherever_its_line_is_now():
    last = verdict("slow", text="a = 1", change="without `a = 1`", seconds=200)
    assert order(Schedule([SLOW, FAST], [last])) == ["slow", "fast"]
    other = PLANNED._replace(text="a = 2")
    assert order(Schedule([SLOW, FAST], [last]), other) == ["fast", "slow"]


def test_a_verdict_puts_the_proof_that_failed_before_those_that_did_not():
    schedule = Schedule([SLOW, FAST], [])
    schedule.learn(verdict("slow"))
    assert order(schedule) == ["slow", "fast"]


def test_a_failure_in_the_same_file_counts_more_than_two_elsewhere():
    elsewhere = [verdict("fast", file="other.py"), verdict("fast", file="other.py")]
    assert order(Schedule([SLOW, FAST], [*elsewhere, verdict("slow")])) == ["slow", "fast"]
    assert order(Schedule([SLOW, FAST], [*elsewhere, verdict("slow", file="other.py")])) == ["fast", "slow"]


def test_of_proofs_that_fail_equally_often_the_one_that_fails_soonest_goes_first():
    late, soon = verdict("fast", seconds=20), verdict("slow", seconds=2)
    assert order(Schedule([SLOW, FAST], [late, soon])) == ["slow", "fast"]
