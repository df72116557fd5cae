import hashlib
import json
import shutil
from xml.etree import ElementTree

import pytest

from cookbook.checks import parity
from cookbook.evidence import records
from cookbook.project import Project
from cookbook.site import build, copies, feeds, machines
from cookbook.sources.snippets import cut
from tests.cookbook.mini import edit, make_project, write_evidence

ADDRESS = "https://example.org/"
ROWS = [
    {"line": "CELERY_OLD = 9", "5.5": 4, "5.6": 4, "5.7": 9},
    {"line": "worker_new | x", "5.5": False, "5.6": True, "5.7": True},
    {"line": "LLEN <celery>", "5.5": 0, "5.6": 0, "5.7": 0},
]
SHOWN = """\
{@ code("greet/apps.py") @}

{@ table("greet", "seen", columns={"line": "5.6", "5.6": "5.6"}, caption="C") @}

- """


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A cookbook whose page shows what a run compared from release to release, and its site as it was built."""
    project = make_project(tmp_path_factory.mktemp("built"))
    for language in ("fr", "en"):
        edit(project, f"docs/{language}/start/greet.md", "- ", SHOWN)
    write_evidence(project, records={"seen": ROWS})
    parity.record(project)
    assert build.build(project, project.root / "built", {"COOKBOOK_PUBLISH": "true"}, strict=True) == (True, [])
    shutil.move(project.root / "built/fr", project.site)
    machines.write_copies(project.site)
    return project


@pytest.fixture
def project(built, tmp_path):
    """A copy of it, for a test to complete."""
    return Project(shutil.copytree(built.root, tmp_path / "book", symlinks=True))


@pytest.fixture
def site(project):
    return project.site


def greet(project):
    page = (project.site / "en/start/greet/index.html").read_text(encoding="utf-8")
    return copies.markdown(page, f"{ADDRESS}en/start/greet/")


def converted(html):
    return copies.markdown(f"<article><h1>T</h1>{html}</article>", f"{ADDRESS}en/a/").split("\n\n", 2)[2].rstrip("\n")


def test_a_copy_holds_the_code_and_the_outputs_as_they_are(built):
    text = greet(built)
    assert f'```python title="greet/tasks.py"\n{cut(built, "greet/tasks.py", "greet").text}\n```' in text
    assert f'```python title="greet/apps.py"\n{(built.recipes / "greet/apps.py").read_text()}```' in text
    assert f"```console\n{(built.recipes / 'greet/hello.console').read_text()}```" in text
    assert "  ```python title" in text  # within the list, as far as its item


def test_a_note_says_which_line_it_is_about(built):
    assert '1. `return f"Hello {name}"` — The name.' in greet(built)


def test_a_copy_stands_alone(built):
    text = greet(built)
    assert text.startswith("# Greet\n\n<https://example.org/en/start/greet/>\n\nVerified on ")
    assert "Celery 5.7.0 · Valkey 8.1.8" in text
    assert f"[Download the recipe]({ADDRESS}bundles/greet.zip)" in text
    assert "\n## The files\n" in text
    assert converted('<p><a href="../b/#c">see</a></p>') == f"[see]({ADDRESS}en/b/#c)"


def test_a_copy_tells_what_was_proven_and_what_was_not(built):
    text = greet(built)
    assert "It greets. ✓" in text
    assert "1. It greets by name. ✓ Celery 5.7.0, Valkey 8.1.8, 1.2\u00a0s\n\n   `test_it_greets_by_name`" in text
    assert "Hello Ada" not in text  # the source of the test stays on the page
    assert converted('<p>It greets.<span class="gap">not proven</span></p>') == "It greets. (not proven)"


def test_a_recorded_table_is_a_table_of_markdown(built):
    assert "| 5.6 | 5.6 |\n| --- | --- |\n| `CELERY_OLD = 9` | 4 |\n| `worker_new \\| x` | yes |\n" in greet(built)
    assert "\n\n*C*\n" in greet(built)


def test_a_drawing_is_its_text():
    figure = "<figure><svg><text>drawn</text></svg><figcaption>C</figcaption><details><summary>S</summary>"
    steps = "<ol><li>one <code>a`b</code></li><li>two</li></ol></details></figure>"
    assert converted(figure + steps) == "*C*\n\n1. one ``a`b``\n2. two"


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
    assert found["files"] == {
        path: hashlib.sha256((project.root / path).read_bytes()).hexdigest()
        for path in records.digests(project, "greet")
    }
    [run] = found["runs"]
    assert run["versions"]["celery"] == "5.7.0"
    assert run["proofs"][0]["sentence"]["fr"] == "Elle salue par le nom."
    assert run["proofs"][0]["test"] == "tests/recipes/test_greet.py:1"


def test_the_same_project_and_evidence_give_the_same_bytes(project, site):
    def written():
        machines.write(project, site)
        return {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}

    first = written()
    assert len(first) > 50
    assert written() == first


def test_the_feed_tells_each_change_from_release_to_release_the_newest_first(project):
    channel = ElementTree.fromstring(feeds.feed(project, "en", "Book", ADDRESS))[0]
    items = [{each.tag: each.text for each in item} for item in channel.findall("item")]
    assert [(item["title"], item["description"]) for item in items] == [
        ("Celery 5.7: CELERY_OLD = 9", "C. Before: 4; since Celery 5.7: 9."),
        ("Celery 5.6: worker_new | x", "C. Before: no; since Celery 5.6: yes."),
    ]
    assert {item["link"] for item in items} == {"https://example.org/en/start/greet/#files"}
    assert {item["pubDate"] for item in items} == {"Sun, 22 Nov 2026 19:00:00 +0000"}


def test_a_record_that_does_not_compare_releases_of_celery_is_no_news(project):
    write_evidence(project, records={"seen": [{"line": "a", "5.7": "Python", "9.9": "ten"}]})
    assert feeds.changes(project, "en") == []
