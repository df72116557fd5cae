import hashlib
import json

from cookbook.evidence import records
from cookbook.site import machines

ADDRESS = "https://example.org/"


def test_llms_txt_lists_every_page_of_its_language_with_its_description(book):
    machines.write(book, book.site)
    english = (book.site / "en/llms.txt").read_text()
    assert "- [Greet](https://example.org/en/start/greet/index.md): A task that greets." in english
    assert "- [Home](https://example.org/en/index.md): A small book." in english
    assert "https://example.org/llms.txt" in english
    assert (
        "[Saluer](https://example.org/start/greet/index.md): Une tâche qui salue."
        in (book.site / "llms.txt").read_text()
    )
    for url in english.split("](")[1:]:
        assert (book.site / url.partition(")")[0].removeprefix(ADDRESS)).is_file()


def test_recipes_json_has_files_versions_and_proofs(book):
    machines.write(book, book.site)
    found = json.loads((book.site / "recipes.json").read_text())["recipes"]["greet"]
    assert found["pages"]["fr"]["url"] == "https://example.org/start/greet/"
    assert found["files"] == {
        path: hashlib.sha256((book.root / path).read_bytes()).hexdigest() for path in records.digests(book, "greet")
    }
    [run] = found["runs"]
    assert run["versions"]["celery"] == "5.7.0"
    assert run["proofs"][0]["sentence"]["fr"] == "Elle salue par le nom."
    assert run["proofs"][0]["test"] == "tests/recipes/test_greet.py:1"


def test_the_same_project_and_evidence_give_the_same_bytes(book):
    def written():
        machines.write(book, book.site)
        return {path: path.read_bytes() for path in book.site.rglob("*") if path.is_file()}

    first = written()
    assert len(first) > 50
    assert written() == first
