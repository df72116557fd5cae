from pathlib import Path

import pytest

from cookbook.sources import markup, pages
from cookbook.sources.markup import Heading
from cookbook.sources.pages import PLACEHOLDER, Page


def read(tmp_path: Path, text: str) -> Page:
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return pages.read(path, "page.md")


def test_headings_outside_code_have_level_id_and_line(tmp_path: Path) -> None:
    page = read(
        tmp_path,
        '# T\n\n## A { #a }\n\n### B {: .x #b-c } ##\n\n```mermaid\n# no\n```\n\n=== "Tab"\n\n    ## In { #in }\n\n'
        "Under\n-----\n\nTop\n===\n\n| a |\n|---|\n| b |\n",
    )
    assert list(markup.headings(page)) == [
        Heading(1, None, 1),
        Heading(2, "a", 3),
        Heading(3, "b-c", 5),
        Heading(2, "in", 13),
        Heading(2, None, 15),
        Heading(1, None, 18),
    ]


def test_links_of_every_form_are_found(tmp_path: Path) -> None:
    page = read(
        tmp_path,
        '[a](b.md#c "T") [`x`](d.md)\n![i](i_(1).png)\n[![i](j.png)](e.md)\n<https://x.org/>\n[r]: https://r.org "T"\n'
        '<a class="b" href="f.md">f</a>\n`[no](no.md)`\n',
    )
    assert list(markup.links(page)) == [
        (1, "b.md#c"),
        (1, "d.md"),
        (2, "i_(1).png"),
        (3, "j.png"),
        (3, "e.md"),
        (4, "https://x.org/"),
        (5, "https://r.org"),
        (6, "f.md"),
    ]


def test_sections_begin_at_level_two_and_contain_deeper_ones(tmp_path: Path) -> None:
    page = read(
        tmp_path, "---\ntitle: T\ndescription: D\n---\n\nIntro\n\n## A { #a }\na  b\n### B { #b }\nc\n## C { #c }\n"
    )
    assert markup.sections(page) == {
        "": (1, "T D Intro"),
        "a": (8, "## A { #a } a b ### B { #b } c"),
        "c": (12, "## C { #c }"),
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A [link](b.md) and **more** { .x }", "A [link] and **more** "),
        ('See [r].\n[r]: https://r.org "T"', "See [r].\n"),
        ("![alt](i.png) at https://x.org/?a", f"[alt] at {PLACEHOLDER}"),
        ('!!! note "A title"\n    Text', "A title\n    Text"),
        ("a <b title='x'>b</b> :material-clock: &nbsp;c", f"a b {PLACEHOLDER} \u00a0c"),
        ("[^1]: A note", " A note"),
        ("| a |\n|---|\n| b |", "| a |\n\n| b |"),
    ],
)
def test_words_are_what_the_reader_sees_line_by_line(text: str, words: str) -> None:
    assert markup.words_only(text) == words
