import pytest
from bs4 import BeautifulSoup

from cookbook.render.fragments import chip_list, gap, inline, recorded_table, value_text


def test_a_sentence_keeps_its_code_as_code_and_its_signs_as_text():
    assert inline("It's `a < b` & more") == "It’s <code>a &lt; b</code> &amp; more"


def test_marks_and_chips_escape_their_text():
    assert gap("a < b") == '<span class="gap">a &lt; b</span>'
    assert (
        chip_list(["Celery 5.7", "<b>"]) == '<span class="chip">Celery 5.7</span>\n<span class="chip">&lt;b&gt;</span>'
    )


@pytest.mark.parametrize(
    ("value", "english", "french"),
    [(True, "yes", "oui"), (False, "no", "non"), (None, "—", "—"), (0.5, "0.5", "0.5"), (3, "3", "3")],
)
def test_a_recorded_value_is_written_as_the_language_does(value, english, french):
    assert (value_text(value, "en"), value_text(value, "fr")) == (english, french)


def test_the_headings_of_a_table_are_text_and_its_cells_html():
    table = BeautifulSoup(recorded_table(["<a>", "b"], [["<i>1</i>", "2"]], "c < d"), "html.parser")
    assert [cell.get_text() for cell in table.select("thead th")] == ["<a>", "b"]
    assert [cell.decode_contents() for cell in table.select("tbody td")] == ["<i>1</i>", "2"]
    assert [caption.get_text() for caption in table.select("caption")] == ["c < d"]


def test_the_first_cell_of_a_named_row_is_its_heading():
    table = BeautifulSoup(recorded_table(["a", "b"], [["1", "2"]], named=True), "html.parser")
    assert [(cell.name, cell.get("scope")) for cell in table.select("tbody tr > *")] == [("th", "row"), ("td", None)]
