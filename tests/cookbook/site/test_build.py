from cookbook.site import build
from tests.cookbook.mini import edit, write


def test_each_warning_of_mkdocs_is_one_line_with_its_file(project):
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
        "docs/fr/syntax.md:7: unexpected char '@' at 24: fix the macro call",
        f"mkdocs.yml:{line}: A reference to 'gone.md' is included in the 'nav' configuration, "
        "which is not found in the documentation files.",
    ]
    assert (project.root / "built/fr/en/index.html").is_file()


def test_a_failed_build_reports_the_reason_in_one_line_for_each_language(project):
    edit(project, "mkdocs.en.yml", "docs_dir: docs/en", "docs_dir: docs/de")
    (project.root / "mkdocs.yml").unlink()
    built = build.build(project, project.root / "built", {}, strict=False)
    assert not built.succeeded
    french, english = built.warnings
    assert french == "mkdocs.yml: not built: FileNotFoundError: [Errno 2] No such file or directory: 'mkdocs.yml'"
    assert english == "mkdocs.en.yml:6: Config value 'docs_dir': The path 'docs/de' isn't an existing directory."


def test_the_last_line_of_a_build_that_dies_is_reported(project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(project.root))
    write(project, "cookbook/__init__.py", "")
    write(project, "cookbook/site/__init__.py", "")
    write(project, "cookbook/site/builder.py", "raise SystemExit('torn down')\n")
    assert build.build(project, project.root / "built", {}, strict=False) == (
        False,
        [f"{config}: the build exited with status 1: torn down" for config in ("mkdocs.yml", "mkdocs.en.yml")],
    )
