from pathlib import Path

import pytest

from cookbook.checks import parity
from cookbook.evidence import records
from cookbook.mutation import verdicts
from cookbook.project import Project, write_whole


def evidence_file(project, text):
    return records.write_json(project.root / "evidence.json", text)


def verdicts_file(project, text):
    verdicts.save(project, "keys", text, [])
    return project.root / "tests/evidence/mutations/keys.json"


def parity_lock(project, text):
    for language in ("fr", "en"):
        write_whole(project.docs / language / "page.md", f"# {text}\n")
    parity.record(project)
    return project.root / parity.LOCK


@pytest.mark.parametrize("writer", [evidence_file, verdicts_file, parity_lock])
def test_two_writers_of_one_file_at_once_both_end_well(tmp_path, monkeypatch, writer):
    project, replace = Project(tmp_path), Path.replace
    nested: list[Path] = []

    def meanwhile(aside, target):
        if target.suffix != ".md" and not nested:
            nested.append(target)
            writer(project, "second")
        return replace(aside, target)

    monkeypatch.setattr(Path, "replace", meanwhile)
    file = writer(project, "first")
    assert nested == [file]
    at_once = file.read_bytes()
    assert sorted(path for path in file.parent.iterdir() if path.is_file()) == [file]
    assert writer(project, "first").read_bytes() == at_once


def test_a_write_that_fails_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path):
    file = tmp_path / "kept.json"
    write_whole(file, "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(file, "half \ud800")
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]
