import os

import pytest

from cookbook.evidence.records import Proof
from cookbook.site import build
from tests.cookbook.mini import FILES, QUICK_PROOF, edit, make_project, write, write_evidence


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def test_whatever_mkdocs_warns_of_is_one_line_with_its_file(project):
    write(project, "docs/fr/orphan.md", "# Orpheline\n")
    write(project, "docs/fr/syntax.md", "---\ntitle: Syntaxe\n---\n\n# Syntaxe\n\n{@ code( @}\n")
    write(project, "docs/fr/error.md", "# Erreur\n\n{@ nonsense() @}\n")
    edit(project, "docs/fr/index.md", "start/greet.md#files", "start/greet.md#gone")
    edit(project, "mkdocs.yml", "  - index.md\n", "  - index.md\n  - syntax.md\n  - error.md\n  - gone.md\n")
    line = (project.root / "mkdocs.yml").read_text().splitlines().index("  - gone.md") + 1
    built = build.build(project, project.root / "built", {}, strict=False)
    assert built.succeeded
    assert sorted(built.warnings) == [
        "docs/fr/error.md:3: UndefinedError: 'nonsense' is undefined",
        "docs/fr/index.md:8: contains a link 'start/greet.md#gone', "
        "but the doc 'start/greet.md' does not contain an anchor '#gone'.",
        "docs/fr/orphan.md: not in the nav of mkdocs.yml: add it there",
        "docs/fr/syntax.md:7: unexpected char '@' at 24: mend the macro call",
        f"mkdocs.yml:{line}: A reference to 'gone.md' is included in the 'nav' configuration, "
        "which is not found in the documentation files.",
    ]
    assert (project.root / "built/fr/en/index.html").is_file()


def test_a_build_that_fails_says_why_in_a_line_for_each_language(project):
    edit(project, "mkdocs.en.yml", "docs_dir: docs/en", "docs_dir: docs/de")
    (project.root / "mkdocs.yml").unlink()
    built = build.build(project, project.root / "built", {}, strict=False)
    assert not built.succeeded
    french, english = built.warnings
    assert french == "mkdocs.yml: not built: FileNotFoundError: [Errno 2] No such file or directory: 'mkdocs.yml'"
    assert english == "mkdocs.en.yml:6: Config value 'docs_dir': The path 'docs/de' isn't an existing directory."


def test_a_build_that_dies_says_its_last_words(project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(project.root))
    write(project, "cookbook/__init__.py", "")
    write(project, "cookbook/site/__init__.py", "")
    write(project, "cookbook/site/builder.py", "raise SystemExit('torn down')\n")
    assert build.build(project, project.root / "built", {}, strict=False) == (
        False,
        [f"{config}: the build ended with 1: torn down" for config in ("mkdocs.yml", "mkdocs.en.yml")],
    )


@pytest.fixture
def builder(project):
    """The process that builds English, which it did once, into ``built/``."""
    builder = build.Builder(project, "en", {})
    builder.begin(project.root / "built")
    assert builder.end() == (True, [])
    yield builder
    builder.close()


def written(folder):
    """What is in *folder*, but for the time of the build."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file() and "sitemap" not in file.name}


def test_a_page_is_built_again_by_itself_as_the_whole_language_would_be(project, builder):
    folder = project.root / "built"
    edit(project, "docs/en/start/greet.md", "It greets.", "It greets you, [from home](../index.md).")
    edit(project, "docs/en/start/greet.md", "- In a list:", "## More { #more }\n\nMuch more.\n\n- In a list:")
    edit(project, "recipes/greet/tasks.py", "Hello", "Good morning")
    for file in folder.rglob("*"):
        os.utime(file, (0, 0))
    builder.begin_pages(["start/greet.md"])
    assert builder.end() == (True, [])
    rebuilt = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file() and mtime(file)}
    assert rebuilt == {"start/greet/index.html", "search/search_index.json"}
    page = (folder / "start/greet/index.html").read_text(encoding="utf-8")
    assert "Good morning" in page
    assert 'class="gap"' in page  # its evidence is about another file
    assert "Much more." in (folder / "search/search_index.json").read_text(encoding="utf-8")

    in_steps = written(folder)
    builder.begin(folder)
    assert builder.end() == (True, [])
    assert written(folder) == in_steps


def mtime(file):
    return file.stat().st_mtime


def test_a_fault_of_a_page_built_by_itself_is_said_and_gone_when_it_is_fixed(project, builder):
    edit(project, "docs/en/start/greet.md", "It greets.", "It greets, [here](#nowhere).")
    builder.begin_pages(["start/greet.md"])
    [line] = builder.end().warnings
    assert line.startswith("docs/en/start/greet.md:11: contains a link '#nowhere', but there is no such anchor")
    edit(project, "docs/en/start/greet.md", "[here](#nowhere)", "[here](#files)")
    builder.begin_pages(["start/greet.md"])
    assert builder.end() == (True, [])


ENTERED = '''

def test_the_container_is_entered(console):
    """The container is entered.

    On entre dans le conteneur.
    """
    console("hello.console")
'''
NEVER_RAN = "docs/{}/start/greet.md:{}: recipes/greet/hello.console: no run of greet executed it"


@pytest.mark.parametrize("outcome", ["skipped", None])
def test_a_transcript_that_no_run_executed_is_refused_unless_its_proof_was_skipped_with_a_reason(project, outcome):
    write(project, "tests/recipes/test_greet.py", QUICK_PROOF + ENTERED)
    tests = write_evidence(project, transcripts={}).tests
    if outcome:
        name = "test_the_container_is_entered"
        tests = [*tests, Proof(name, f"tests/recipes/test_greet.py::{name}", outcome, 0.0, "no engine")]
        write_evidence(project, transcripts={}, tests=tests)
    built = build.build(project, project.root / "built", {"COOKBOOK_PUBLISH": "true"}, strict=False)
    line = FILES["docs/fr/start/greet.md"].split("\n").index('{@ transcript("greet/hello.console") @}') + 1
    assert built.warnings == ([] if outcome else [NEVER_RAN.format(language, line) for language in ("fr", "en")])
    assert 'class="gap"' in (project.root / "built/fr/start/greet/index.html").read_text(encoding="utf-8")
