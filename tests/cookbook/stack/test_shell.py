"""The Django process of a stack: what a line of source answers."""

import json

import pytest

from cookbook.stack import shell


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("a = 2\na + 1", {"value": 3}),
        ("a = 2", {"value": None}),
        ("seen = []\nseen.append(1) or len(seen)", {"value": 1}),
        ("", {"value": None}),
        ("{}['x']", {"error": "KeyError", "message": "'x'"}),
    ],
)
def test_the_answer_is_the_value_of_the_last_expression_or_the_exception(source, answer):
    assert shell.run(source, {}) == answer


def test_a_name_of_one_line_is_known_in_the_next():
    namespace: dict[str, object] = {}
    shell.run("import math", namespace)
    assert shell.run("math.floor(2.5)", namespace) == {"value": 2}


def test_an_answer_is_one_line_behind_the_mark_whatever_its_value(capsys):
    shell.send({"value": {1, 2}, "text": "two\nlines"})
    line = capsys.readouterr().out
    assert line.startswith(shell.RECORD)
    assert line.count("\n") == 1
    assert json.loads(line[1:])["text"] == "two\nlines"
