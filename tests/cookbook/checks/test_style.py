"""What the style check reports of the tools that it runs."""

import sys
from pathlib import Path

import pytest

from cookbook.checks import style
from cookbook.project import Project


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("print('all is well')", []),
        ("import sys; print('a.py:1: E501'); sys.exit(1)", ["a.py:1: E501"]),
        ("import sys; sys.exit('on stderr')", ["on stderr"]),
        ("import sys; sys.exit(7)", [f"{Path(sys.executable).name}: exit status 7"]),
    ],
    ids=["passes", "prints", "prints to stderr", "prints nothing"],
)
def test_only_what_a_failing_tool_prints_is_a_problem(tmp_path, monkeypatch, source, found):
    monkeypatch.setattr(style, "TOOLS", ((Path(sys.executable).name, "-c", source),))
    assert style.problems(Project(tmp_path)) == found


def test_tools_run_in_the_folder_of_the_project(tmp_path, monkeypatch):
    source = "import os, sys; sys.exit(os.getcwd())"
    monkeypatch.setattr(style, "TOOLS", ((Path(sys.executable).name, "-c", source),))
    assert style.problems(Project(tmp_path)) == [str(tmp_path)]
