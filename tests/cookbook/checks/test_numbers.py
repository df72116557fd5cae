import pytest

from cookbook.checks import numbers, prose
from cookbook.sources import pages
from tests.cookbook.mini import edit, make_project, write

EN, FR = "docs/en/start/greet.md", "docs/fr/start/greet.md"
MARK = '{@ proven("greet::test_it_greets_by_name") @}'


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def faults(project, text, page=EN):
    """The problems of *page* with *text* in the place of its first sentence."""
    edit(project, page, {EN: "It greets.", FR: "Elle salue."}[page] + MARK, text)
    return [problem.partition(": cite")[0] for problem in prose.problems(project)]


@pytest.mark.parametrize(
    "text",
    [
        "It greets 42 times.",
        "It greets forty-two times.",
        "It keeps 42 names. It greets." + MARK,
        "- It greets 42 times.\n- It greets." + MARK,
        "| Times | Names |\n| --- | --- |\n| 42 | Ada |\n\n" + MARK,
    ],
)
def test_an_unsupported_number_is_reported(project, text):
    [fault] = faults(project, text)
    assert fault in [f"{EN}:{line}: {word}: unsupported number" for line in (11, 13) for word in ("42", "forty-two")]


@pytest.mark.parametrize(
    "proof",
    [
        'assert 42 * "a"',
        "assert LIMIT\n\n\nLIMIT = 42",
        "assert helper()\n\n\ndef helper():\n    return 42",
        "assert BESIDE\n\n\nfrom beside import BESIDE",
    ],
)
def test_a_number_of_the_proof_that_its_paragraph_cites_is_supported(project, proof):
    write(project, "tests/recipes/beside.py", "BESIDE = 42\n")
    edit(project, "tests/recipes/test_greet.py", 'assert django("from greet.tasks', f'{proof}\n\n\nunused = ("')
    assert faults(project, f"It greets 42 times,\nand forty-two more.{MARK}") == []


def test_a_number_of_the_proven_sentence_is_supported_in_either_language(project):
    edit(project, "tests/recipes/test_greet.py", "It greets by name.", "It greets eighty names.")
    assert faults(project, f"It greets 80 names.{MARK}") == []
    assert faults(project, f"Elle salue quatre-vingts noms.{MARK}", FR) == []


@pytest.mark.parametrize("text", ["At most 100 MB.", "At most a hundred MB.", "It takes 100."])
def test_a_number_of_the_code_of_the_page_is_supported(project, text):
    assert faults(project, text) == []


@pytest.mark.parametrize(
    "text", ["One of two names.", "See celery#10597.", "`LIMIT = 7` and so 7.", "Since Celery 5.7."]
)
def test_articles_issues_quoted_code_and_versions_are_accepted(project, text):
    assert faults(project, text) == []


def test_a_version_that_the_project_does_not_run_is_unsupported(project):
    assert faults(project, "Since Celery 9.9.") == [f"{EN}:11: 9.9: unsupported number"]


def test_notes_and_headings_draw_on_the_whole_page(project):
    edit(project, EN, "The name.", "The name, 100 times.")
    edit(project, EN, "## The files {", "## The 100 files {")
    assert prose.problems(project) == []
    edit(project, EN, "The name, 100 times.", "The name, 101 times.")
    assert [problem.partition(": cite")[0] for problem in prose.problems(project)] == [
        f"{EN}:13: 101: unsupported number"
    ]


@pytest.mark.parametrize(
    ("language", "text", "values"),
    [
        ("en", "twenty-five, two hundred, 1,000 and 7.5 s", [1000, 7.5, 25, 200]),
        ("fr", "vingt et un, deux cents, dix-sept, 1\u00a0000 et 7,5 s", [1000, 7.5, 21, 200, 17]),
        ("fr", "quatre-vingt-dix-sept, quatre-vingts et soixante-douze", [97, 80, 72]),
        ("en", "three and four, one hundred and five", [3, 4, 105]),
        ("fr", "trois et quatre, cent cinq", [3, 4, 105]),
        ("fr", "mille deux cents, un million", [1200, 1000000]),
        ("en", "thousands of tasks, the third of eight, and one", [8]),
        ("en", "5.6.3 and 5.7, one or two", ["5.6.3", "5.7"]),
        ("fr", "Celery 5.7.0 s’arrête, 5.6 s'arrête en 1,5 s", ["5.7.0", "5.6", 1.5]),
        ("en", "1. first\n2. second, 3", [3]),
    ],
)  # fmt: skip
def test_numbers_are_read_as_each_language_writes_them(language, text, values):
    assert [number.value for number in numbers.numbers_in(text, language)] == values


def test_claims_numbers_and_defaults_of_a_page_are_counted(project):
    edit(project, EN, "It greets." + MARK, f'Of 100, {{@ default("result_expires") @}} s.{MARK}')
    assert numbers.count(pages.read(project.root / EN), "en") == (1, 1, 1)
