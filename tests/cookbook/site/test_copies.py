from cookbook.site import copies
from cookbook.sources.snippets import cut

ADDRESS = "https://example.org/"


def greet(project):
    page = (project.site / "en/start/greet/index.html").read_text(encoding="utf-8")
    return copies.markdown(page, f"{ADDRESS}en/start/greet/")


def converted(html):
    return copies.markdown(f"<article><h1>T</h1>{html}</article>", f"{ADDRESS}en/a/").split("\n\n", 2)[2].rstrip("\n")


def test_a_copy_contains_the_code_and_the_outputs_unchanged(built_book):
    text = greet(built_book)
    assert f'```python title="greet/tasks.py"\n{cut(built_book, "greet/tasks.py", "greet").text}\n```' in text
    assert f'```python title="greet/apps.py"\n{(built_book.recipes / "greet/apps.py").read_text()}```' in text
    assert f"```console\n{(built_book.recipes / 'greet/hello.console').read_text()}```" in text
    assert "  ```python title" in text  # indented as far as its list item


def test_a_note_says_which_line_it_is_about(built_book):
    assert '1. `return f"Hello {name}"` — The name.' in greet(built_book)


def test_a_copy_has_its_address_and_absolute_links(built_book):
    text = greet(built_book)
    assert text.startswith("# Greet\n\n<https://example.org/en/start/greet/>\n\nVerified on ")
    assert "Celery 5.7.0 · Valkey 8.1.8" in text
    assert f"[Download the recipe]({ADDRESS}bundles/greet.zip)" in text
    assert "\n## The files\n" in text
    assert converted('<p><a href="../b/#c">see</a></p>') == f"[see]({ADDRESS}en/b/#c)"


def test_a_copy_marks_what_was_proven_and_what_was_not_and_ends_with_a_link_to_the_proofs(built_book):
    text = greet(built_book)
    assert "It greets. ✓" in text
    assert text.endswith(f"\n\n[1 proof, Celery 5.7]({ADDRESS}en/start/greet/#proofs)\n")
    assert "It greets by name." not in text  # the panel stays on the page
    gap = '<span class="tick"><button class="proof gap" aria-label="not proven">○</button></span>'
    panel = '<section class="proofs"><div class="claim" popover><p>Sentence</p></div></section>'
    assert converted(f"<p>It greets.{gap}</p>{panel}") == "It greets. (not proven)"


def test_a_recorded_table_is_a_table_of_markdown(built_book):
    assert "| 5.6 | 5.6 |\n| --- | --- |\n| `CELERY_OLD = 9` | 4 |\n| `worker_new \\| x` | yes |\n" in greet(built_book)
    assert "\n\n*C*\n" in greet(built_book)


def test_a_drawing_becomes_its_text():
    figure = "<figure><svg><text>drawn</text></svg><figcaption>C</figcaption><details><summary>S</summary>"
    steps = "<ol><li>one <code>a`b</code></li><li>two</li></ol></details></figure>"
    assert converted(figure + steps) == "*C*\n\n1. one ``a`b``\n2. two"
