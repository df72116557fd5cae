"""Which known name a message suggests for an unknown one."""

import pytest

from cookbook.suggest import did_you_mean, did_you_mean_file, most_similar_first


@pytest.mark.parametrize(
    ("name", "suggestion"), [("task_ack_late", " (did you mean task_acks_late?)"), ("eta", ""), ("", "")]
)
def test_only_a_similar_name_is_suggested(name, suggestion):
    assert did_you_mean(name, {"task_acks_late", "result_expires"}) == suggestion


@pytest.mark.parametrize(
    ("path", "paths", "suggested"),
    [
        ("keys/task.py", ["keys/tasks.py", "results/tasks.py"], "keys/tasks.py"),
        ("tasks.py", ["recipes/keys/tasks.py"], "recipes/keys/tasks.py"),
        ("keys/old.conf", ["keys/new.conf", "results/old.py"], "keys/new.conf"),
        ("keys/tasks.conf", ["keys/settings.py"], ""),
        ("gone/a.py", ["kept/quite_another.py"], ""),
    ],
    ids=["similar name", "end of a path", "renamed in its folder", "another suffix", "nothing similar"],
)
def test_a_file_is_suggested_by_name_or_for_its_place(path, paths, suggested):
    assert did_you_mean_file(path, paths) == (f" (did you mean {suggested}?)" if suggested else "")


def test_all_names_are_listed_the_most_similar_first():
    assert most_similar_first("delays", ["apply", "delay", "zz"])[0] == "delay"
    assert sorted(most_similar_first("delays", ["apply", "delay", "zz"])) == ["apply", "delay", "zz"]
    assert most_similar_first("delays", []) == []
