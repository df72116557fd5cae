"""What the search index leaves out, marked in the HTML of a page."""

import pytest
from markdown import Markdown

from cookbook.render.markdown import NOT_SEARCHED
from cookbook.render.unsearched import Unsearched

RELEASES = "| Name | 5.2 | Celery 5.3 | 5.4 |\n|---|---|---|---|\n| prefetch | no | no | yes |"


def html(text):
    return Markdown(extensions=["attr_list", "tables", Unsearched()]).convert(text)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("## What was proven { #proofs }", f'<h2 {NOT_SEARCHED} id="proofs">'),
        ('<details class="folded proofs">8 proofs</details>', f'<details {NOT_SEARCHED} class="folded proofs">'),
        ('It waits.<span class="gap" title="never ran">not proven</span>', f'<span {NOT_SEARCHED} class="gap" title='),
        (RELEASES, f"<table {NOT_SEARCHED}>"),
    ],
)
def test_proofs_gaps_and_tables_of_releases_are_marked(text, marked):
    assert marked in html(text)


@pytest.mark.parametrize(
    "text",
    [
        "## What was proven { #proven }",
        '<p class="proofs-of-concept">A recipe</p>',
        '`<p class="proofs">`',
        "| Setting | 5.2 | 5.7 |\n|---|---|---|\n| prefetch | 4 | 4 |",
        "| Setting | Value |\n|---|---|\n| prefetch | 4 |",
    ],
)
def test_everything_else_is_searched(text):
    assert NOT_SEARCHED not in html(text)


@pytest.mark.parametrize(
    "other", ["| Setting | Value |\n|---|---|\n| prefetch | 4 |", "<table><tr><td>Value</td></tr></table>"]
)
def test_only_the_table_of_releases_is_marked(other):
    page = html(f"{other}\n\n{RELEASES}")
    assert page.count(NOT_SEARCHED) == 1
    assert page.index(NOT_SEARCHED) > page.index("Value")
