"""Blocks on their way to the page, through the very Jinja and Markdown settings that mkdocs.yml gives the site."""

from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from jinja2 import Environment, StrictUndefined, TemplateRuntimeError
from markdown import Markdown
from mkdocs.config import load_config

from cookbook.render.markdown import attribute, fenced, html_block, typeset

ROOT = Path(__file__).parents[3]
PLACES = {
    "at the top": ("{call}", "body"),
    "in a list": ("1. Item:\n\n    {call}\n\n2. Next", "ol > li"),
    "in a nested list": ("- One\n\n    - Two:\n\n        {call}", "ul ul > li"),
    "in an admonition": ('!!! note "Title"\n\n    Text.\n\n    {call}\n', "div.admonition"),
    "in details": ('??? note "Title"\n\n    {call}\n', "details"),
    "in a tab": ('=== "One"\n\n    {call}\n\n=== "Two"\n\n    Text.', "div.tabbed-block"),
    "in a list in an admonition": ("!!! note\n\n    - Item:\n\n        {call}\n", "div.admonition li"),
}
TEXTS = {
    "plain": "def f():\n\n    return 1",
    "Jinja": "{{ x }} {% if y %} {# z #} {@ code('a') @} {@% raw %@} {@# c #@}",
    "fences": "```python\nx\n```\n````\ny\n````",
    "shell": 'echo "$HOME" ${#a[@]} $(date) `id` \\\n  *.py',
    "HTML": '<p class="a">&amp; <b>x</b></p>\n<!-- c -->\n<script>1 < 2</script>',
    "Markdown": "# h\n\n- a\n- b\n\n    c\n\n[x]: y\n**z** _z_ | a | b |",
    "tabs": "all:\n\tmake\n\t\tx",
    "blanks": "a\n\n\n\nb",
    "deep": "        x\n    y\nz",
}


@pytest.fixture(scope="module")
def site():
    return load_config(str(ROOT / "mkdocs.yml"))


@pytest.fixture
def render(site):
    """What a page becomes: first Jinja, set up as mkdocs-macros does it, then Markdown."""
    settings = site.plugins["macros"].config
    options = {key.removeprefix("j2_"): value for key, value in settings.items() if key.startswith("j2_") and value}
    environment = Environment(undefined=StrictUndefined, **options)

    def rendered(page, **macros):
        environment.globals.update(macros)
        markdown = Markdown(extensions=site.markdown_extensions, extension_configs=site.mdx_configs)
        html = markdown.convert(environment.from_string(page).render())
        return BeautifulSoup(f"<body>{html}</body>", "html.parser")

    return rendered


def block(text, header=".text"):
    return lambda *arguments, **options: fenced(text, header)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", TEXTS)
def test_a_block_reaches_the_page_byte_for_byte(render, place, kind):
    page, selector = PLACES[place]
    soup = render(page.format(call='{@ code("x") @}'), code=block(TEXTS[kind]))
    (code,) = soup.select(f"{selector} > .highlight code")
    assert code.get_text() == TEXTS[kind] + "\n"


def test_a_call_may_span_lines(render):
    page = '- Item:\n\n    {@ code("x",\n      notes={\n        "a": "b)",\n      },\n    ) @}\n\n- Next'
    soup = render(page, code=block("one\n\ntwo"))
    assert soup.select_one("li > .highlight code").get_text() == "one\n\ntwo\n"
    assert len(soup.find_all("li")) == 2


def test_the_notes_below_a_block_stay_in_its_list_item(render):
    soup = render("- Item:\n\n    {@ code() @}\n", code=lambda: fenced("x  # (1)!", ".python") + "\n\n1. Why")
    assert soup.select_one("ul > li > .highlight + ol > li").get_text() == "Why"


@pytest.mark.parametrize("page", ["Text {@ m() @}.", "| a | b |\n|---|---|\n| {@ m() @} | {@ m() @} |", "- {@ m() @}"])
def test_what_is_one_line_can_stand_anywhere(render, page):
    soup = render(page, m=lambda: f'<a title="{attribute("x")}">✓</a>')
    assert [link.get_text() for link in soup.find_all("a")] == ["✓"] * page.count("m()")


@pytest.mark.parametrize(
    "page",
    [
        "Text: {@ code() @}",
        "{@ code() @} text",
        "- {@ code() @}",
        "| {@ code() @} |",
        "{@ 'x' @} {@ code() @}",
    ],
)
def test_a_block_that_shares_its_line_is_refused(render, page):
    with pytest.raises(TemplateRuntimeError, match="put the call on its own line"):
        render(page, code=block("x"))


def test_the_whole_of_an_expression_is_indented(render):
    soup = render("- Item:\n\n    {@ a if b else c @}\n", a=fenced("x\ny", ".text"), b=True, c="no")
    assert soup.select_one("li > .highlight code").get_text() == "x\ny\n"


def test_a_block_carries_its_source_and_its_title(render):
    for language in ("python", "console"):
        header = f'.{language} title="core/celery.py" data-source="core/celery.py:app,other"'
        div = render("{@ code() @}", code=block("$ x", header)).select_one("div.highlight")
        assert div["class"] == [f"language-{language}", "highlight"]
        assert div["data-source"] == "core/celery.py:app,other"
        assert div.select_one("span.filename").get_text() == "core/celery.py"


def test_copying_a_transcript_gives_its_commands(render):
    text = "# A remark.\n$ echo \"a & 'b'\" |\n> cat\na & 'b'\n# Server\n> no command\n$ false\n[exit status 1]"
    div = render("{@ transcript() @}", transcript=block(text, ".console")).select_one("div.highlight")
    assert div["data-copy"] == "echo \"a & 'b'\" |\ncat\nfalse"


def test_copying_an_annotated_block_gives_its_code(render):
    text = "a = 1  # (1)!\nb = f(1)!r  # other\nc = 2  # (12)!"
    div = render("{@ code() @}", code=block(text, ".python")).select_one("div.highlight")
    assert div["data-copy"] == "a = 1\nb = f(1)!r  # other\nc = 2"


def test_other_blocks_are_copied_as_they_are_seen(render):
    assert "data-copy" not in render("{@ code() @}", code=block("a = 1", ".python")).select_one("div.highlight").attrs


def test_a_transcript_tells_what_is_typed_from_what_is_answered(render):
    text = (
        "# A remark.\n$ echo a \\\n> b\n# Server\nused_memory_peak_perc:99.80%\n> quoted\n"
        "# The next one fails.\n$ false\n[exit status 1]"
    )
    code = render("{@ transcript() @}", transcript=block(text, ".console")).select_one("code")
    assert code.get_text() == text + "\n"
    kinds = {kind: "".join(span.get_text() for span in code.select(f".{kind}")) for kind in ("gp", "go", "gr", "c")}
    assert kinds == {
        "gp": "$ > $ ",
        "go": "# Serverused_memory_peak_perc:99.80%> quoted",
        "gr": "[exit status 1]",
        "c": "# A remark.# The next one fails.",
    }


@pytest.mark.parametrize("place", PLACES)
def test_html_stays_html_wherever_it_is_called(render, place):
    page, selector = PLACES[place]
    html = '<figure class="d"><svg><text>a *b* _c_ `d`</text>\n\n    <text>[e](f)</text></svg>\n\n</figure>'
    soup = render(page.format(call="{@ table() @}"), table=lambda: html_block(html))
    (figure,) = soup.select(f"{selector} > figure")
    assert figure == BeautifulSoup(html, "html.parser").figure
    assert not soup.select("figure :is(em, p, a, code)")


def test_an_attribute_keeps_every_sign(render):
    text = 'a "b" `c` [d](e) <f> *g* __h__ | \\* & {i} ~ ! # 日本'
    soup = render("| x |\n|---|\n| {@ m() @} |", m=lambda: f'<b title="{attribute(text)}">✓</b>')
    assert soup.select_one("td > b")["title"] == text
    assert soup.select_one("td").get_text() == "✓"


def test_apostrophes_and_french_spaces_are_those_of_print_outside_code():
    assert typeset("l'option d'`f('x') : y` n'y est pas; workers' own") == (
        "l’option d’`f('x') : y` n’y est pas; workers’ own"
    )
    assert typeset("« Oui » : `a ; b` ; 5 % ?") == ("«\u00a0Oui\u00a0»\u00a0: `a ; b`\u00a0; 5\u00a0%\u00a0?")
