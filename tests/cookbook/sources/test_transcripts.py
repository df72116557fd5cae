import os

import pytest

from cookbook.project import CookbookError
from cookbook.sources.transcripts import Step, commands, differences, mask, parse, render, run

TEXT = """\
# a remark
$ printf 'one\\ntwo\\n'
one
two
$ echo a \\
> b
a b
$ false
[exit status 1]
"""


def execute(text, tmp_path, **options):
    steps = parse(text, "t.console")
    return run(steps, env=dict(os.environ), cwd=tmp_path, folder=tmp_path, where="t.console", **options)


def test_a_transcript_reads_back_as_it_was_written():
    assert render(parse(TEXT, "t.console")) == TEXT


def test_commands_give_what_to_paste_and_nothing_else():
    assert commands(TEXT) == "printf 'one\\ntwo\\n'\necho a \\\nb\nfalse"


def test_remarks_belong_to_the_command_below_them():
    first, second = parse("$ true\nout\n# about the next\n$ false\n", "t.console")
    assert first.output == "out"
    assert second.remarks == ("# about the next",)


@pytest.mark.parametrize(("text", "line"), [("hello\n$ true\n", "t.console:1"), ("", "t.console:")])
def test_text_that_no_command_printed_is_refused(text, line):
    with pytest.raises(CookbookError, match=line):
        parse(text, "t.console")


def test_a_run_gives_the_output_and_exit_status_of_each_command(tmp_path):
    assert render(execute(TEXT, tmp_path)) == TEXT


def test_shell_variables_last_from_one_command_to_the_next(tmp_path):
    _, shown = execute('$ WORD="two words"\n$ echo $WORD\n', tmp_path)
    assert shown.output == "two words"


def test_commands_print_to_a_terminal_and_pipes_are_pipes(tmp_path):
    shown, piped = execute("$ test -t 1 && echo terminal\n$ (test -t 1 || echo pipe) | cat\n", tmp_path)
    assert (shown.output, piped.output) == ("terminal", "pipe")


def test_a_transcript_has_what_the_terminal_displays(tmp_path):
    link = r"\033]8;;https://example.org\033\\link\033]8;;\033\\"
    [shown] = execute(f"$ printf '\\033[1;31mred\\033[0m {link}\\n10 %%\\r100 %%\\n'\n", tmp_path)
    assert shown.output == "red link\n100 %"


def test_a_separator_that_does_not_end_a_line_stays_in_its_line(tmp_path):
    text = "$ echo 'a\u2028b'\na\u2028b\n"
    assert render(execute(text, tmp_path)) == text


def test_a_command_that_does_not_end_is_killed_and_named(tmp_path):
    with pytest.raises(CookbookError, match=r"t\.console:2: `sleep 60` did not end within 0\.5 s"):
        execute("$ true\n$ sleep 60\n", tmp_path, timeout=0.5)


def step(output="", status=0):
    return Step((), "cmd", output, status, 7)


def test_equal_steps_have_no_difference():
    assert differences([step("a")], [step("a")], "t.console") == []


def test_a_changed_output_is_one_line_with_both_texts():
    [line] = differences([step("OK\n1")], [step("OK\n2")], "t.console")
    assert line.startswith("t.console:7: `cmd` printed '2', recorded '1'")
    assert "make record" in line


def test_a_missing_output_is_reported():
    [line] = differences([step("a\nb")], [step("a")], "t.console")
    assert "'nothing more'" in line


def test_a_changed_exit_status_is_reported():
    [line] = differences([step("", 69)], [step("", 0)], "t.console")
    assert "exited with 0, recorded 69" in line


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("id 5b0c6d0a-6d6c-4b1f-9d3c-1f1c2a1a7f0e", "id 00000000-6d6c-4b1f-9d3c-1f1c2a1a7f0e"),
        ("2026-11-22T19:02:03.123456+00:00 done", "2027-01-01T00:00:00.000001+01:00 done"),
        ("gen12@vm", "gen345@other.example"),
        ('"pid": 123', '"pid": 45678'),
        ("score 1795373978.1234", "score 1795379999.5"),
        ("used_memory_human:1.15M", "used_memory_human:997.50K"),
        ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:41234/0"),
    ],
)
def test_volatile_tokens_are_equal_when_masked(one, other):
    assert mask(one) == mask(other)


@pytest.mark.parametrize(
    ("one", "other"), [("(integer) 1", "(integer) 2"), ("worker1@a", "worker2@a"), ("86400", "3600")]
)
def test_all_else_still_differs_when_masked(one, other):
    assert mask(one) != mask(other)
