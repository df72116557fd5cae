import shutil
import subprocess
import sys

import pytest

from cookbook.stack.interface import write_jq

MESSAGE = '{"body": "W10=", "headers": {"task": "à.b", "kwargs": {}, "timelimit": [null, 1.5]}, "n": 3} {"n": 4}'


def run(command, *args):
    return subprocess.run([*command, *args], input=MESSAGE, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("args", "printed"),
    [
        (["-c", ".n"], "3\n4\n"),
        (["-r", ".headers.task"], "à.b\nnull\n"),
        (["-c", ".body | values | @base64d | fromjson"], "[]\n"),
        (["-c", '{n, "the-task": .headers.task}'], '{"n":3,"the-task":"à.b"}\n{"n":4,"the-task":null}\n'),
        ([".headers.kwargs, [.n]"], "{}\n[\n  3\n]\nnull\n[\n  4\n]\n"),
    ],
)
def test_it_prints_what_jq_prints(args, printed):
    commands = [[sys.executable, "-m", "cookbook.stack.jq"], *([["jq"]] if shutil.which("jq") else [])]
    assert [run(command, *args).stdout for command in commands] == [printed] * len(commands)


def test_a_filter_that_fails_is_an_exit_code_and_a_line():
    done = run([sys.executable, "-m", "cookbook.stack.jq"], ".n.x")
    assert done.returncode == 5
    assert done.stderr.startswith("jq: error: ")
    assert len(done.stderr.splitlines()) == 1


def test_where_the_machine_has_none_the_transcripts_find_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    write_jq(tmp_path / "bin")
    assert run([str(tmp_path / "bin" / "jq")], "-c", ".n").stdout == "3\n4\n"
