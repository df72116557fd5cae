from collections import Counter
from pathlib import Path

import pytest

from cookbook import project as project_module
from cookbook.evidence import records
from cookbook.project import Project
from cookbook.site.builder import Language
from cookbook.snapshot import Snapshot, once
from tests.cookbook.mini import edit, make_project


@once
def lines(project: Project, name: str, *, start: str = "") -> list[str]:
    text = (project.root / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith(start)]


@pytest.mark.parametrize(("kind", "sees_the_edit"), [(Snapshot, False), (Project, True)])
def test_a_snapshot_keeps_what_it_read_and_a_project_reads_anew(tmp_path, kind, sees_the_edit):
    file = tmp_path / "file"
    file.write_text("old\n")
    project = kind(tmp_path)
    assert lines(project, "file") == ["old"]
    file.write_text("new\n")
    assert lines(project, "file") == (["new"] if sees_the_edit else ["old"])


def test_a_snapshot_tells_the_arguments_apart_and_another_one_sees_the_edit(tmp_path):
    (tmp_path / "file").write_text("one\ntwo\n")
    project = Snapshot(tmp_path)
    assert lines(project, "file") == ["one", "two"]
    assert lines(project, "file", start="t") == ["two"]
    (tmp_path / "file").write_text("three\n")
    assert lines(Snapshot(tmp_path), "file") == ["three"]


def test_a_build_takes_the_digest_of_each_file_once(tmp_path, monkeypatch):
    project = make_project(tmp_path)
    edit(project, "docs/fr/start/greet.md", "Elle salue.", 'Elle salue.{@ proven("greet::test_it_greets_by_name") @}')
    taken: Counter[Path] = Counter()

    def counted(path):
        taken[path] += 1
        return project_module.digest(path)

    monkeypatch.setattr(records, "digest", counted)
    monkeypatch.chdir(project.root)
    Language("mkdocs.yml", strict=True).build(tmp_path / "built", Snapshot(project.root))
    assert 'class="proof"' in (tmp_path / "built/start/greet/index.html").read_text(encoding="utf-8")
    assert len(taken) > 5
    assert set(taken.values()) == {1}
