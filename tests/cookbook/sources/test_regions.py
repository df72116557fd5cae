from pathlib import Path

import pytest

from cookbook.project import Project
from cookbook.sources.snippets import cut, regions
from tests.cookbook.sources.example import refused, write

YAML = {
    "a region is dedented": (["redis"], "redis:\n  image: redis:8"),
    "markers of a region inside are not shown": (["worker"], "worker:\n  command: celery -A core worker"),
    "neighbours keep their distance": (
        ["worker", "redis"],
        "redis:\n  image: redis:8\n\nworker:\n  command: celery -A core worker",
    ),
    "a region inside another adds nothing": (["worker", "command"], "worker:\n  command: celery -A core worker"),
    "a blank line replaces what is left out": (
        ["redis", "command"],
        "redis:\n  image: redis:8\n\n  command: celery -A core worker",
    ),
    "a region can be all of a part": (
        ["services"],
        "services:\n  redis:\n    image: redis:8\n\n  worker:\n    command: celery -A core worker",
    ),
    "the whole file is shown without markers": (
        [],
        "services:\n  redis:\n    image: redis:8\n\n  worker:\n    command: celery -A core worker\n\nvolumes:\n  data:",
    ),
}


@pytest.mark.parametrize(("names", "text"), YAML.values(), ids=YAML.keys())
def test_other_files_are_cut_by_region(project: Project, names: list[str], text: str) -> None:
    assert cut(project, "first/compose.yml", *names).text == text


@pytest.mark.parametrize("marker", ["# {}", "// {}", "; {}", "-- {}", "<!-- {} -->", "#{}", "  #  {}  "])
def test_markers_are_comments_of_many_languages(project: Project, tmp_path: Path, marker: str) -> None:
    begin, end = (marker.format(f"{kind}: one-1") for kind in ("region", "endregion"))
    write(tmp_path, "first/a.txt", f"a\n{begin}\nb\n{end}\nc\n")
    assert cut(project, "first/a.txt", "one-1").text == "b"
    assert cut(project, "first/a.txt").text == "a\nb\nc"


BROKEN = {
    "not closed": ("a\n# region: one\nb\n", ':2: region "one" is not closed: add "endregion: one" below'),
    "not open": ("a\n# endregion: one\n", ':2: region "one" ends but is not open: add "region: one" above'),
    "twice": (
        "# region: one\nb\n# endregion: one\n# region: one\nc\n# endregion: one\n",
        ':4: region "one" is already on line 1: rename one',
    ),
    "in itself": ("# region: one\n# region: one\n", ':2: region "one" is already on line 1: rename one'),
    "empty": ("# region: one\n\n# endregion: one\n", ':3: region "one" is empty: remove its markers'),
    "of markers only": (
        "# region: one\n# region: two\n# endregion: one\nb\n# endregion: two\n",
        ':3: region "one" is empty: remove its markers',
    ),
    "without a name": ("# region:\n", ':1: invalid region name "": use letters, digits, - and _'),
    "of two words": ("# region: a b\n", ':1: invalid region name "a b": use letters, digits, - and _'),
}


@pytest.mark.parametrize(("text", "fault"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_regions_are_refused(project: Project, tmp_path: Path, text: str, fault: str) -> None:
    write(tmp_path, "first/redis.conf", text)
    assert refused(cut, project, "first/redis.conf") == f"recipes/first/redis.conf{fault}"
    assert refused(regions, project) == f"recipes/first/redis.conf{fault}"


def test_an_unknown_region_names_the_regions_that_exist(project: Project) -> None:
    line = refused(cut, project, "first/compose.yml", "work")
    assert line.startswith('recipes/first/compose.yml: no region "work": the file has "worker", ')
    assert line.count('"') == 2 * 6


def test_all_regions_are_listed_by_file(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "second/redis.conf", "# region: memory\nmaxmemory 1gb\n# endregion: memory\n")
    write(tmp_path, "second/__pycache__/a.txt", "# region: stale\n")
    (tmp_path / "recipes" / "db.sqlite3").write_bytes(b"\xff\xfe\x00")
    assert regions(project) == {
        "first/compose.yml": {"services", "redis", "worker", "command", "volume"},
        "second/redis.conf": {"memory"},
    }
