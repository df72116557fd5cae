import json
from xml.etree import ElementTree

import pytest
from mini import HOUSE, edit, make_project, write, write_evidence

from cookbook import copies, evidence, feeds, machines, pages, parity
from cookbook.snippets import cut

ADDRESS = "https://example.org/"
ROWS = [
    {"line": "CELERY_OLD = 9", "5.5": 4, "5.6": 4, "5.7": 9},
    {"line": "worker_new", "5.5": False, "5.6": True, "5.7": True},
    {"line": "LLEN <celery>", "5.5": 0, "5.6": 0, "5.7": 0},
]
TABLE = '{@ table("greet", "seen", columns={"line": "5.7", "5.7": "5.7"}, caption="C") @}'


@pytest.fixture
def project(tmp_path):
    """A cookbook whose page shows what a run compared from release to release."""
    project = make_project(tmp_path)
    for language in ("fr", "en"):
        edit(project, f"docs/{language}/start/greet.md", "- ", f"{TABLE}\n\n- ")
    write_evidence(project, records={"seen": ROWS})
    parity.record(project)
    return project


@pytest.fixture
def site(project):
    """The folders of its site, and the one page that says where it will be served."""
    for language in ("fr", "en"):
        for file in project.pages(language):
            write(project, f"site/{pages.address(project, file)}index.html", "")
    write(project, "site/index.html", f'<link rel="canonical" href="{ADDRESS}">')
    return project.site


def greet(project, language="en"):
    return copies.markdown(copies.Source(project, language, project.docs / language / "start/greet.md", ADDRESS))


def test_a_copy_holds_the_code_and_the_outputs_as_they_are(project):
    text = greet(project)
    assert f'```python title="greet/tasks.py"\n{cut(project, "greet/tasks.py", "greet").text}\n```' in text
    assert (project.recipes / "greet/hello.console").read_text() in text
    assert "- `return f` — The name." in text
    assert "    ```python" in text  # within the list, as far as its item


def test_two_blank_lines_in_code_stay_two(project):
    for language in ("fr", "en"):
        edit(
            project,
            f"docs/{language}/start/greet.md",
            '{@ code("greet/worker.conf", "memory") @}',
            '{@ code("greet/apps.py") @}',
        )
    assert (project.recipes / "greet/apps.py").read_text().rstrip() in greet(project)


def test_a_copy_stands_alone(project):
    edit(project, "docs/en/start/greet.md", "It greets.", "It greets, from [home](../index.md#top) or [here](#files).")
    text = greet(project)
    assert text.startswith("# Greet\n\n<https://example.org/en/start/greet/>\n\nVerified on ")
    assert "[home](https://example.org/en/#top) or [here](https://example.org/en/start/greet/#files)" in text
    assert "## The files\n" in text
    assert "{@" not in text
    assert "{ #" not in text


def test_a_copy_tells_what_was_proven_and_what_was_not(project):
    assert "It greets. ✓" in greet(project)
    assert "- It greets by name. `test_it_greets_by_name` — ✓ Celery 5.7.0, Valkey 8.1.8, 1.2\u00a0s" in greet(project)
    edit(project, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    assert "It greets. (edited since the last run)" in greet(project)


def test_a_recorded_table_is_a_table_of_markdown(project):
    assert "| `CELERY_OLD = 9` | 9 |\n| `worker_new` | yes |\n" in greet(project)
    write_evidence(project, records={"seen": [{**ROWS[0], "line": "a | b"}]})
    assert "| `a \\| b` | 9 |" in greet(project)


def test_llms_txt_lists_every_page_of_its_language_with_what_it_is_about(project, site):
    machines.write(project, site)
    english = (site / "en/llms.txt").read_text()
    assert "- [Greet](https://example.org/en/start/greet/index.md): A task that greets." in english
    assert "- [Home](https://example.org/en/index.md): A small book." in english
    assert "https://example.org/llms.txt" in english
    assert "[Saluer](https://example.org/start/greet/index.md): Une tâche qui salue." in (site / "llms.txt").read_text()
    for url in english.split("](")[1:]:
        assert (site / url.partition(")")[0].removeprefix(ADDRESS)).is_file()


def test_recipes_json_has_files_versions_and_proofs(project, site):
    machines.write(project, site)
    found = json.loads((site / "recipes.json").read_text())["recipes"]["greet"]
    assert found["pages"]["fr"]["url"] == "https://example.org/start/greet/"
    assert found["files"] == evidence.digests(project, "greet")
    [run] = found["runs"]
    assert run["versions"]["celery"] == "5.7.0"
    assert run["proofs"][0]["sentence"]["fr"] == "Elle salue par le nom."
    assert run["proofs"][0]["test"] == "tests/recipes/test_greet.py:1"


def test_the_same_project_and_evidence_give_the_same_bytes(project, site):
    def written():
        machines.write(project, site)
        return {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}

    first = written()
    assert len(first) > 15
    assert written() == first


def test_the_feed_tells_each_change_from_release_to_release_the_newest_first(project):
    channel = ElementTree.fromstring(feeds.feed(project, "en", "Book", ADDRESS))[0]
    items = [{each.tag: each.text for each in item} for item in channel.findall("item")]
    assert [(item["title"], item["description"]) for item in items] == [
        ("Celery 5.7: CELERY_OLD = 9", "C. Before: 4; since Celery 5.7: 9."),
        ("Celery 5.6: worker_new", "C. Before: no; since Celery 5.6: yes."),
    ]
    assert {item["link"] for item in items} == {"https://example.org/en/start/greet/#files"}
    assert {item["pubDate"] for item in items} == {"Sun, 22 Nov 2026 19:00:00 +0000"}


def test_a_record_that_does_not_compare_releases_of_celery_is_no_news(project):
    write_evidence(project, records={"seen": [{"line": "a", "5.7": "Python", "9.9": "ten"}]})
    assert feeds.changes(project, "en") == []


def test_the_house_has_news_in_both_languages():
    if not any(HOUSE.evidence.glob("*/*.json")):
        pytest.skip("no recipe has run here yet")
    french, english = (feeds.changes(HOUSE, language) for language in ("fr", "en"))
    assert [change.guid for change in french] == [change.guid for change in english]
    assert french
