from pathlib import Path

import pytest
from mkdocs.utils.yaml import yaml_load

from cookbook.checks import prose
from tests.cookbook.checks.example import faults

ROOT = Path(__file__).parents[3]
INLINE = {"attr_list", "pymdownx.highlight", "pymdownx.inlinehilite", "smarty", "toc", "cookbook.render.unsearched"}


def test_a_page_of_prose_and_calls_has_no_problem(tmp_path: Path) -> None:
    text = (
        "# Title\n\nA [link](page.md), `code`, *more*.\n\n"
        '- An item:\n\n    {@ code("core/tasks.py", "add", notes={\n'
        '      "add": "Why `CELERY_TASK_ACKS_LATE`",\n    }) @}\n\n'
        '!!! note "Title"\n\n    A paragraph.\n\n```mermaid\nflowchart\n  a["!"] --> b\n```\n'
    )
    assert faults(tmp_path, text) == []


def test_each_problem_has_its_file_and_line_in_the_order_of_the_page(tmp_path: Path) -> None:
    found = faults(tmp_path, "Fine!\n\n`core/nope.py`\n\n```\nx\n```\n\nFine again!")
    assert [problem.partition(":")[0] for problem in found] == ["5", "7", "9", "13"]


def test_a_page_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    assert faults(tmp_path, "Fine!\n\n{@ code(x) @}") == [
        "7: code() has an argument that is not a constant: write it out"
    ]


# Blocks


@pytest.mark.parametrize(
    "fence", ["```\nx\n```", "```python\nx\n```", "~~~ {.python}\nx\n~~~", "> ```\n> x\n> ```", "- ```sh\n  x\n  ```"]
)
def test_a_fenced_block_is_a_problem(tmp_path: Path, fence: str) -> None:
    assert faults(tmp_path, f"a\n\n{fence}\n\nb") == [
        "7: a code block typed by hand, which nothing runs: "
        "put it into a recipe and show it with code() or transcript()"
    ]


def test_a_fence_in_the_note_of_a_call_is_a_problem(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, '{@ code("a", notes={\n"k": "See\\n```\\nx\\n```\\n"}) @}')
    assert problem.startswith("7: a code block typed by hand")


@pytest.mark.parametrize("header", ["mermaid", "{.mermaid}", '{ .mermaid title="x" }'])
def test_a_diagram_is_the_one_block_to_type(tmp_path: Path, header: str) -> None:
    assert faults(tmp_path, f"```{header}\nflowchart\n```") == []


def test_a_block_that_no_line_closes_hides_nothing(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, "```mermaid\nflowchart\n\nText!")
    assert problem.startswith("5: a block without a closing line")


@pytest.mark.parametrize(
    "text",
    [
        "a\n\n    code\n\nb",
        "- item\n\n        code",
        '!!! note "T"\n    para\n\n        code',
        '=== "Tab"\n\n    para\n\n        code',
        "<div markdown>\n\n    code\n\n</div>",
        "> para\n>\n>     code",
        "a\n\n\tcode",
        'a\n\n    {@ code("core/tasks.py") @}',
        "a [^1]\n\n[^1]: note\n\n        code\n\n    para",
    ],
)
def test_an_indented_code_block_is_a_problem(tmp_path: Path, text: str) -> None:
    lines = text.splitlines()
    line = next(number for number, line in enumerate(lines, 5) if "code" in line)
    assert faults(tmp_path, text) == [
        f"{line}: four spaces outside any list, tab or note make a code block: unindent it, "
        "or put it into a recipe and show it with code() or transcript()"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "- item\n\n    para\n\n    para",
        "1. item\n\n    - inner\n\n        para of inner",
        '!!! note "T"\n\n    para\n\n    - item\n\n        para of item',
        '??? note "T"\n    para\n\n    para',
        '=== "One"\n\n    para\n\n    === "Two"\n\n        para',
        "Term\n:   meaning\n\n    para",
        "a [^1]\n\n[^1]: note\n\n    para",
        "a paragraph\n    that continues",
    ],
)
def test_indentation_that_belongs_to_a_list_a_note_or_a_tab_is_accepted(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text) == []


def test_the_second_of_two_equal_code_blocks_has_its_own_line(tmp_path: Path) -> None:
    found = faults(tmp_path, "code\n\n    code\n\nb\n\n    code")
    assert [problem.partition(":")[0] for problem in found] == ["7", "11"]


@pytest.mark.parametrize("tag", ["pre", "code"])
def test_code_in_raw_html_is_a_problem(tmp_path: Path, tag: str) -> None:
    (problem,) = faults(tmp_path, f"a\n\n<{tag} class='x'>b</{tag}>")
    assert problem.startswith(f"7: <{tag}> typed by hand: use backticks")
    assert faults(tmp_path, f"a `<{tag}>`") == []


def test_blocks_are_read_with_the_extensions_of_the_site() -> None:
    with (ROOT / "mkdocs.base.yml").open(encoding="utf-8") as file:
        extensions = yaml_load(file)["markdown_extensions"]
    assert extensions.keys() - INLINE == prose.BLOCK_EXTENSIONS.keys() - INLINE


def test_an_apostrophe_is_written_as_printed_where_no_markdown_is_read(tmp_path: Path) -> None:
    assert faults(tmp_path, "l'option", front="title: L’option", language="fr") == []
    (fault,) = faults(tmp_path, "T", front="title: L'option", language="fr")
    assert fault.startswith("2: a straight apostrophe: write ’")


# Typography


@pytest.mark.parametrize(
    "text",
    [
        "Un mot\u00a0: suite\u202f; fin\u202f? «\u00a0cite\u00a0» à 5\u00a0%.",
        "Un mot&nbsp;: &laquo;&nbsp;cite&nbsp;&raquo; et 5&#8239;%&nbsp;; fin&nbsp;?",
        "À 12:30, en 4:1.",
        '!!! note "Un titre"\n    Texte.',
        '??? note inline "Un titre"\n    Texte.',
        '=== "Un onglet"\n\n    Texte.',
        '![image](a.png "un titre") et [lien](b.md){ title="titre" }',
        "| a | b |\n| :- | -: |\n| c | d |",
        'Un <a href="x?a=1;b" title="z">lien</a>, https://x.org/?a=1;b, <https://x.org/?a>.',
        "Terme\n:   sens",
        "Note[^1].\n\n[^1]: Texte.\n\n*[API]: Texte",
        "- :material-clock: **Titre**",
        '<!-- Tu vois ! "x" ; -->\n{@# tu ! #@}',
        '`tu : "x"; y?` et {@ setting("a") @}',
        '[r]: https://x.org "titre"',
        "Le statut tué, un tuteur, le têtu, aujourd'hui, a-t-on.",
    ],
)
def test_good_french_typography_is_accepted(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text, language="fr") == []


@pytest.mark.parametrize("text", ["mot {}", "mot{}", "`code` {}", "{{@ default('a') @}}{}", "**mot** {}", "a | mot {}"])
@pytest.mark.parametrize("sign", [";", "?", "»", "%", ":"])
def test_french_signs_need_a_no_break_space_before_them(tmp_path: Path, text: str, sign: str) -> None:
    assert faults(tmp_path, text.format(sign), language="fr") == [
        f"5: missing no-break space before '{sign}': write U+00A0 (or U+202F before ; and ?) or &nbsp; there"
    ]


def test_a_line_that_begins_with_a_french_sign_is_reported(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, "mot\n; suite", language="fr")
    assert problem.startswith("6: missing no-break space before ';'")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("« cite\u00a0»", "missing no-break space after '«'"),
        ("«cite\u00a0»", "missing no-break space after '«'"),
        ('Le "mot"', "a straight quote"),
        ("Et...", "three dots"),
        ("Vraiment\u00a0!", "an exclamation mark"),
        ("Ce que tu veux", "'tu' addresses the reader as tu"),
        ("Ton projet", "'Ton' addresses the reader as tu"),
        ("Chez toi", "'toi' addresses the reader as tu"),
        ("Lance-toi", "'toi' addresses the reader as tu"),
        ("Cela t’aide", "'t’' addresses the reader as tu"),
        ('!!! note "Ton titre"\n    x', "'Ton' addresses the reader as tu"),
        ("[ton lien](a.md)", "'ton' addresses the reader as tu"),
        ("| ton | b |\n|---|---|\n| c | d |", "'ton' addresses the reader as tu"),
        ("## Ton titre { #a }", "'Ton' addresses the reader as tu"),
    ],
)
def test_a_fault_of_french_typography_is_a_problem(tmp_path: Path, text: str, fault: str) -> None:
    (problem,) = faults(tmp_path, text, language="fr")
    assert problem.startswith(f"5: {fault}")


@pytest.mark.parametrize("text", ["«\u00a0quote", "quote\u00a0»"])
def test_a_french_quote_in_english_is_a_problem(tmp_path: Path, text: str) -> None:
    (problem,) = faults(tmp_path, f"a\n\n{text}")
    assert problem.startswith("7: the French quote '")


def test_an_exclamation_mark_in_english_is_a_problem_outside_code_and_marks(tmp_path: Path) -> None:
    assert faults(tmp_path, "It works!") == ["5: an exclamation mark: end the sentence with a full stop"]
    assert faults(tmp_path, '!!! note "T"\n    `a != b` ![i](a.png)\n\n===! "Tab"\n\n    x') == []


def test_english_keeps_its_own_typography(tmp_path: Path) -> None:
    assert faults(tmp_path, 'A "quote": really? Yes; 5%...') == []


@pytest.mark.parametrize("key", ["title", "description"])
def test_the_title_and_the_description_are_prose(tmp_path: Path, key: str) -> None:
    (problem,) = faults(tmp_path, "x", front=f"{key}: Ton projet", language="fr")
    assert problem.startswith("2: 'Ton' addresses the reader as tu")
    assert faults(tmp_path, "x", front="recipe: ton-projet", language="fr") == []


def test_the_texts_in_calls_are_prose(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, '{@ code("ton", notes={"ton":\n"Le `ton` ton"}) @}', language="fr")
    assert problem.startswith("6: 'ton' addresses the reader as tu")
