from cookbook.stack.processes import wait_until
from tests.cookbook.mini import edit

STALE = "modifié depuis la dernière exécution"


def test_drafts_are_built_again_at_each_edit_and_survive_each_mistake(project, serve):
    edit(project, "mkdocs.en.yml", "docs_dir: docs/en", "docs_dir: docs/de")
    drafts = serve("serve")
    assert drafts.shows("", "Not built", "docs/de")

    edit(project, "mkdocs.en.yml", "docs_dir: docs/de", "docs_dir: docs/en")
    drafts.wait_for("^Built in")
    wait_until(lambda: drafts.shows("start/greet/", "Saluer", 'class="language-switch" href="../../en/start/greet/"'))
    assert drafts.shows("en/start/greet/", "Greet", 'class="language-switch" href="../../../start/greet/"')
    assert drafts.get("bundles/greet.zip")[0] == 200
    assert drafts.shows("en/start/greet/index.md", "# Greet")  # what the button "copy page" copies
    drafts.assert_each_language_has_its_own_404_page()

    edit(project, "recipes/greet/tasks.py", "Hello", "Good morning")
    edit(project, "docs/en/start/greet.md", '"part"', '"gone"')
    drafts.wait_for('^docs/en/start/greet.md:17: recipes/greet/tasks.py: no function, class or assignment "gone"')
    wait_until(lambda: drafts.shows("en/start/greet/", "Good morning", "no function, class or assignment"))

    edit(project, "mkdocs.en.yml", "docs_dir: docs/en", "docs_dir: docs/de")
    drafts.wait_for("^NOT built in")
    assert drafts.shows("en/start/greet/", "Good morning")
    assert drafts.end().startswith("serve: done in ")


def written(folder):
    """The time when each file below *folder* was written."""
    return {file.as_posix(): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def test_an_edited_page_is_built_alone_and_a_recipe_in_both_languages(project, serve, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    drafts = serve("serve")
    drafts.wait_for("^Building…")
    drafts.wait_for("^Built in")
    assert [line.split()[0] for line in drafts.lines] == ["Serving", "Building…", "Built"]
    [folder] = (tmp_path / "temporary").glob("cookbook-serve-*")

    before = written(folder).items()
    edit(project, "docs/en/start/greet.md", "It greets.", "It greets you.")
    drafts.wait_for("^Built in")
    assert drafts.shows("en/start/greet/", "It greets you.")
    assert {name.rpartition("/en-1/")[2] for name, _ in written(folder).items() - before} == {
        "start/greet/index.html",
        "search/search_index.json",
    }

    edit(project, "docs/en/start/greet.md", "It greets you.", 'It greets you.{@ proven("greet::test_gone") @}')
    drafts.wait_for("^docs/en/start/greet.md:11: tests/recipes/test_greet.py: no test 'test_gone'")
    drafts.wait_for("^Built in")
    assert drafts.shows("en/start/greet/", "no test &#x27;test_gone&#x27;")
    edit(project, "docs/en/start/greet.md", '{@ proven("greet::test_gone") @}', "")
    drafts.wait_for("^Built in")
    assert drafts.lines[-2] == "Building…"
    assert not drafts.shows("en/start/greet/", "test_gone")

    assert not drafts.shows("start/greet/", STALE)
    edit(project, "recipes/greet/tasks.py", "Hello", "Good morning")
    drafts.wait_for("^Built in")
    assert drafts.shows("start/greet/", "Good morning", STALE)
    assert drafts.shows("en/start/greet/", "Good morning", "edited since the last run")

    edit(project, "docs/en/start/greet.md", "title: Greet", "title: Say hello")
    drafts.wait_for("^Built in")
    assert drafts.shows("en/", "Say hello")  # in its navigation
    assert drafts.get("how-we-know.json")[0] == 200
