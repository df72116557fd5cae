from pathlib import Path

import pytest
from mkdocs.utils.yaml import yaml_load

from cookbook.project import CookbookError, Project
from cookbook.sources import pages
from cookbook.sources.pages import PLACEHOLDER, Call, Page

ROOT = Path(__file__).parents[3]


def read(tmp_path: Path, text: str) -> Page:
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return pages.read(path, "page.md")


def test_a_call_has_its_constant_arguments_and_its_line(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        '---\ntitle: T\n---\n\nOn {@ setting("task_acks_late") @}:\n\n'
        '{@ code(\n  "core/celery.py", "app",\n  notes={"name" "space=": "Why\\n@}",\n         "b": "`B`"},\n) @}\n'
    )
    assert list(pages.read(path).calls) == [
        Call("setting", ("task_acks_late",), {}, 5),
        Call(
            "code",
            ("core/celery.py", "app"),
            {"notes": {"namespace=": "Why\n@}", "b": "`B`"}},
            7,
            texts=((9, "Why\n@}"), (10, "`B`")),
        ),
    ]


def test_a_caption_is_text_of_the_language_too(tmp_path: Path) -> None:
    (call,) = read(tmp_path, '{@ table("keys", "idle", columns={"key": "Clé"}, caption="Au repos") @}\n').calls
    assert call.texts == ((1, "Clé"), (1, "Au repos"))


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("{@ code(path) @}", r"code\(\) has an argument that is not a constant"),
        ('{@ code(*["a"]) @}', r"code\(\) has an argument that is not a constant"),
        ('{@ code(**{"a": "b"}) @}', r"code\(\) has an argument that is not a constant"),
        ('{@ code(setting("a")) @}', r"code\(\) has an argument that is not a constant"),
        ('{@ "a".upper() @}', "this calls something that is not a macro"),
        ('{@ code("a" @}', "unexpected char '@'.*: fix the macro call"),
        ('{@- code("a") @}', "a macro call strips white space"),
        ('{@ code("a") -@}', "a macro call strips white space"),
    ],
)
def test_a_call_that_cannot_be_read_is_reported_with_its_line(tmp_path: Path, call: str, why: str) -> None:
    with pytest.raises(CookbookError, match=rf"\Apage.md:5: .*(?:{why})"):
        read(tmp_path, f"---\ntitle: T\n---\n\n{call}\n")


def test_a_page_without_a_name_is_reported_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("{@ code(path) @}")
    with pytest.raises(CookbookError, match=rf"\A{path}:1: "):
        pages.read(path)


def test_each_line_of_the_text_keeps_its_number(tmp_path: Path) -> None:
    page = read(
        tmp_path,
        "---\ntitle: T\n---\n# T\n<!-- a\n`no` -->\n`a\nb` {@ code('x',\n'y') @}\n{@# `no`\n#@}\n"
        "```mermaid\n`no`\n```\nEnd\n",
    )
    lines = page.text.splitlines()
    assert [(number, line) for number, line in enumerate(lines, 1) if line] == [
        (4, "# T"),
        (7, PLACEHOLDER),
        (8, f" {PLACEHOLDER}"),
        (15, "End"),
    ]
    assert len(lines) == len(page.source.splitlines())
    assert page.code == ((7, "a b"),)


def test_code_spans_of_the_texts_in_a_call_have_their_own_line(tmp_path: Path) -> None:
    page = read(tmp_path, 'x\n\n{@ code("a", notes={\n"k": "Le `nom` est",\n}) @}\n')
    assert page.code == ((4, "nom"),)
    assert page.texts == ((4, f"Le {PLACEHOLDER} est"),)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("``a ` b``", ["a ` b"]),
        (r"\`a\` `b`", ["b"]),
        ("an open ` here\n\nand ` there", []),
        ("`<!-- a -->`", ["<!-- a -->"]),
        ("<!-- `a` --> `b`", ["b"]),
    ],
)
def test_code_spans_are_those_of_markdown(tmp_path: Path, text: str, code: list[str]) -> None:
    assert [span for _, span in read(tmp_path, text).code] == code


def test_fences_are_found_wherever_they_are(tmp_path: Path) -> None:
    page = read(tmp_path, "```mermaid\n```\n\n- ~~~ {.python title='x'}\n  ~~~\n\n> ```\n> ```\n\n    ````py\n```\n")
    assert [(fence.info, fence.line, fence.closed) for fence in page.fences] == [
        ("mermaid", 1, True),
        ("{.python title='x'}", 4, True),
        ("", 7, True),
        ("py", 10, False),
    ]


def test_entries_of_the_front_matter_have_their_lines(tmp_path: Path) -> None:
    page = read(tmp_path, "---\ntitle: T\nother_files:\n  - a.py\n  - b.py\n---\n")
    assert pages.meta_list(page, "other_files") == ["a.py", "b.py"]
    assert pages.meta_list(page, "own_links") == []
    assert pages.meta_line(page, "other_files") == 3
    assert pages.meta_line(page, "other_files", "b.py") == 5
    assert pages.meta_line(page, "own_links") == 1


def test_front_matter_that_is_not_a_list_or_not_yaml_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CookbookError, match=r"\Apage.md:3: own_links is not a list of texts"):
        pages.meta_list(read(tmp_path, "---\ntitle: T\nown_links: a.md\n---\n"), "own_links")
    with pytest.raises(CookbookError, match=r"\Apage.md:2: own_links is not a list of texts"):
        pages.meta_list(read(tmp_path, "---\nown_links: [a.md, 1]\n---\n"), "own_links")
    with pytest.raises(CookbookError, match=r"\Apage.md:1: front matter that is not"):
        read(tmp_path, "---\ntitle: a: b\n---\n")


def test_front_matter_alone_is_read_without_the_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("---\nrecipe: keys\n---\n{@ broken( @}\n")
    assert pages.front_matter(path) == {"recipe": "keys"}


@pytest.mark.parametrize(
    ("file", "address"),
    [
        ("fr/index.md", ""),
        ("en/index.md", "en/"),
        ("fr/start/install.md", "start/install/"),
        ("en/start/index.md", "en/start/"),
    ],
)
def test_a_page_is_published_below_its_language_french_at_the_root(tmp_path: Path, file: str, address: str) -> None:
    project = Project(tmp_path)
    assert pages.address(project, project.docs / file) == address


def test_the_page_of_a_recipe_is_the_first_that_names_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "docs/en").mkdir(parents=True)
    for name, front in {"a": "title: A", "b": "recipe: keys", "c": "recipe: keys\ntitle: C"}.items():
        (tmp_path / f"docs/en/{name}.md").write_text(f"---\n{front}\n---\n")
    assert pages.of_recipes(project, "en") == {"keys": (project.docs / "en/b.md", {"recipe": "keys"})}


def test_the_title_and_the_description_have_their_lines(tmp_path: Path) -> None:
    page = read(tmp_path, "---\ndescription: D\ntitle: T\n---\n")
    assert pages.meta_prose(page) == [(3, "T"), (2, "D")]


def test_the_delimiters_are_those_of_the_site() -> None:
    with (ROOT / "mkdocs.base.yml").open(encoding="utf-8") as file:
        macros = yaml_load(file)["plugins"]["macros"]
    delimiters = {name.removeprefix("j2_"): value for name, value in macros.items() if name.endswith("_string")}
    assert delimiters == {name: getattr(pages.JINJA, name) for name in delimiters}
    assert len(delimiters) == 6
