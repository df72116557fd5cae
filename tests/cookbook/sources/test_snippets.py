from pathlib import Path

import pytest
from pygments.lexers import get_lexer_by_name

from cookbook.project import CookbookError, Project
from cookbook.sources.snippets import annotate, cut, regions
from tests.cookbook.sources.example import refused, write


def test_the_path_of_a_snippet_is_below_recipes_however_it_was_written(project: Project, tmp_path: Path) -> None:
    for path in ("first/../first/./tasks.py", str(tmp_path / "recipes" / "first" / "tasks.py")):
        assert cut(project, path, "LOW").path == "first/tasks.py"


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("core/celery.py", "core/celery.py"),
        ("core/settings.py", "core/settings.py"),
        ("core/settings/base.py", "core/settings/base.py"),
        ("second/settings.py", "core/settings/base.py"),
        ("second/deep/settings.py", "second/deep/settings.py"),
        ("manage.py", "manage.py"),
        ("settings.py", "settings.py"),
    ],
)
def test_the_title_is_the_path_in_the_readers_project(project: Project, tmp_path: Path, path: str, title: str) -> None:
    write(tmp_path, path, "LOW = 0\n")
    assert cut(project, path).title == title


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("a.py", "python"),
        ("a.console", "console"),
        ("redis.conf", "bash"),
        ("users.acl", "bash"),
        ("nginx.conf", "nginx"),
        (".env", "bash"),
        (".env.example", "bash"),
        ("django.env", "bash"),
        ("run.sh", "bash"),
        ("compose.yml", "yaml"),
        ("a.yaml", "yaml"),
        ("pyproject.toml", "toml"),
        ("a.ini", "ini"),
        ("a.json", "json"),
        ("a.service", "systemd"),
        ("Dockerfile", "docker"),
        ("Dockerfile.dev", "docker"),
        ("Makefile", "make"),
        ("requirements.txt", "text"),
        ("LICENSE", "text"),
    ],
)
def test_the_language_is_a_lexer_of_pygments(project: Project, tmp_path: Path, name: str, language: str) -> None:
    write(tmp_path, f"second/{name}", "a = 1\n")
    assert cut(project, f"second/{name}").language == language
    get_lexer_by_name(language)


@pytest.mark.parametrize("path", ["../pyproject.toml", "first/../../a.py", "/etc/hosts", ".."])
def test_a_path_outside_of_recipes_is_refused(project: Project, path: str) -> None:
    assert refused(cut, project, path) == f"{path}: outside recipes/: name a file by its path below recipes/"


@pytest.mark.parametrize("path", ["first/task.py", "second/tasks.py", "recipes/first/tasks.py"])
def test_a_missing_file_names_the_one_that_was_meant(project: Project, path: str) -> None:
    meant = "(did you mean first/tasks.py?): correct the path in the call"
    assert refused(cut, project, path) == f"recipes/{path}: no such file {meant}"


@pytest.mark.parametrize("path", ["first", "first/nothing.conf", "alone.toml"])
def test_a_missing_file_that_resembles_none_names_none(project: Project, path: str) -> None:
    assert refused(cut, project, path) == f"recipes/{path}: no such file: correct the path in the call"


def test_a_renamed_file_is_known_by_its_symbols(tmp_path: Path, project: Project) -> None:
    for path, text in {
        "first/jobs.py": "def send():\n    pass\n",
        "first/tasks_of_old.py": "def resend():\n    pass\n",
        "second/task.py": "def send():\n    pass\n",
    }.items():
        write(tmp_path, path, text)
    (tmp_path / "recipes" / "first" / "tasks.py").unlink()
    assert "(did you mean first/jobs.py?)" in refused(cut, project, "first/tasks.py", "send")
    assert "(did you mean first/tasks_of_old.py?)" in refused(cut, project, "first/tasks.py")


@pytest.mark.parametrize("path", ["first/__init__.py", "first/.env"])
@pytest.mark.parametrize("text", ["", "\n  \n"])
def test_an_empty_file_is_refused(project: Project, tmp_path: Path, path: str, text: str) -> None:
    write(tmp_path, path, text)
    assert refused(cut, project, path) == f"recipes/{path}: the file is empty: there is nothing to show"


def test_a_binary_file_is_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "recipes" / "dump.rdb").write_bytes(b"REDIS\xff")
    assert refused(cut, project, "dump.rdb") == "recipes/dump.rdb: not a text in UTF-8: it cannot be shown"


# Notes ---------------------------------------------------------------------------------------------------------------


def test_notes_are_numbered_in_the_order_of_lines(project: Project) -> None:
    snippet = cut(project, "first/tasks.py", "ROOT", "LOW")
    text, notes = annotate(snippet, {"HIGH": "Last.", "import Path": "First.", "/srv": "Second."})
    assert notes == ["First.", "Second.", "Last."]
    assert text.split("\n")[2:] == [
        "from pathlib import Path  # (1)!",
        "",
        'ROOT = Path("/srv")  # (2)!',
        "",
        "LOW, HIGH = 0, 9  # (3)!",
    ]


def test_without_notes_any_snippet_stays_as_it_is(project: Project, tmp_path: Path) -> None:
    write(tmp_path, "first/a.json", "{}\n")
    assert annotate(cut(project, "first/a.json"), {}) == ("{}", [])


COMMENTS = {
    "a.py": ("x = 1", "#"),
    "a.yml": ("x: 1", "#"),
    "a.sh": ("celery -A core worker \\", "#"),
    "redis.conf": ("maxmemory 100mb", "#"),
    "users.acl": ("user worker on >secret ~* +@all", "#"),
    ".env": ("REDIS_URL=redis://redis:6379", "#"),
    "a.toml": ("x = 1", "#"),
    "a.ini": ("x = 1", "#"),
    "Dockerfile": ("ENV x=1", "#"),
    "Makefile": ("x = 1", "#"),
    "nginx.conf": ("listen 80;", "#"),
    "a.js": ("x()", "//"),
    "a.lua": ("x = 1", "--"),
    "a.sql": ("SELECT 1;", "--"),
}


@pytest.mark.parametrize(("name", "line", "leader"), [(name, *rest) for name, rest in COMMENTS.items()])
def test_a_marker_is_a_comment_of_the_language(
    project: Project, tmp_path: Path, name: str, line: str, leader: str
) -> None:
    write(tmp_path, f"second/{name}", f"{line}\n")
    assert annotate(cut(project, f"second/{name}"), {line: "Why."}) == (f"{line}  {leader} (1)!", ["Why."])


@pytest.mark.parametrize(("name", "language"), [("a.json", "json"), ("requirements.txt", "text")])
def test_a_language_without_comments_takes_no_notes(project: Project, tmp_path: Path, name: str, language: str) -> None:
    write(tmp_path, name, '{"a": 1}\n')
    line = refused(annotate, cut(project, name), {"a": "Why."})
    assert line == f"recipes/{name}: no comment can end a line of {language}: put the notes into the page's text"


def test_a_note_for_no_line_is_refused(project: Project) -> None:
    line = refused(annotate, cut(project, "first/compose.yml", "redis"), {"memcached": "Why."})
    assert line == (
        "recipes/first/compose.yml: a note is for 'memcached', which is in no line of the snippet: correct its key"
    )


def test_a_note_for_several_lines_is_refused(project: Project) -> None:
    line = refused(annotate, cut(project, "first/compose.yml"), {"redis": "Why."})
    assert line == "recipes/first/compose.yml: a note is for 'redis', which is in lines 2, 3: make its key longer"


def test_a_text_twice_on_one_line_is_one_line(project: Project) -> None:
    text, _ = annotate(cut(project, "first/tasks.py", "RETRIES"), {"R": "Why."})
    assert text.endswith("RETRIES: int = 3  # (1)!")


def test_two_notes_for_one_line_are_refused(project: Project) -> None:
    line = refused(annotate, cut(project, "first/tasks.py", "LOW"), {"LOW": "Why.", "HIGH": "How."})
    assert line == "recipes/first/tasks.py: two notes are for line 3 (LOW, HIGH = 0, 9): make them one"


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("a.py", "x = 1  # Why.\n", "x"),
        ("a.py", "# Why.\n", "Why"),
        ("a.py", 'x = """\ny\n"""\n', "y"),
        ("a.yml", "x: |\n  y\n", "y"),
        ("Dockerfile.dev", "FROM redis\nRUN a \\\n    b\n", "RUN"),
    ],
)
def test_a_line_that_can_carry_no_marker_is_refused(
    project: Project, tmp_path: Path, name: str, text: str, key: str
) -> None:
    write(tmp_path, name, text)
    line = refused(annotate, cut(project, name), {key: "Why."})
    assert line.startswith(f"recipes/{name}: line ")
    assert line.endswith("ends in a comment or inside a string, so it cannot have a note: choose another line")


def test_the_files_of_the_stack_are_shown_from_the_root(tmp_path: Path) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "docker-compose.yml").write_text("# region: redis\nredis:\n  image: redis\n# endregion: redis\n")
    project = Project(tmp_path)
    assert cut(project, "docker-compose.yml", "redis").text == "redis:\n  image: redis"
    assert regions(project) == {"docker-compose.yml": {"redis"}}
    with pytest.raises(CookbookError, match=r'^docker-compose\.yml: .*"worker"'):
        cut(project, "docker-compose.yml", "worker")
