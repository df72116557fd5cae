"""What counts as code in a module of proofs, and what a page shows of it."""

import pytest

from cookbook.evidence import records
from cookbook.project import CookbookError
from cookbook.render import panels, proofs
from cookbook.site import machines
from cookbook.sources import proof_source
from tests.cookbook.mini import edit, make_project, write

MODULE = '''\
import pytest

LIMIT = 3  # seconds


@pytest.fixture
def older(on_celery):
    """A worker of last year."""
    return on_celery("5.6")


@pytest.mark.skip(reason="no engine")
def test_it(older, *, limit: int = LIMIT):
    """It works.

    Cela
    marche.
    """
    for each in [1, 2]:
        assert each < limit, f"{each!r:>{limit}} is é"


def test_too():
    """Only English."""
'''
GREET = "tests/recipes/test_greet.py"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def code(project, text):
    return proof_source.code(project, write(project, "tests/recipes/test_one.py", text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("It works.", "It does."),
        ("    Cela\n    marche.", "    Oui."),
        ("# seconds", "# at most"),
        ("def test_it(older, *, limit: int = LIMIT):", "def test_it(\n    older,\n    *,\n    limit: int = LIMIT,\n):"),
        ('"5.6"', "'5.6'"),
        ('    """A worker of last year."""\n', ""),
        ("LIMIT = 3", 'LIMIT = 3\n"""How long it may take."""\n'),
    ],
)
def test_words_and_layout_are_not_code(project, old, new):
    assert MODULE.count(old) == 1
    assert code(project, MODULE.replace(old, new)) == code(project, MODULE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("no engine", "no docker"),
        ("LIMIT = 3", "LIMIT = 4"),
        ("each < limit", "each <= limit"),
        ("[1, 2]", "[]"),
        ("!r:>", "!s:>"),
        ("is é", "is è"),
        ('on_celery("5.6")', "None"),
        ("@pytest.fixture\n", ""),
    ],
)
def test_anything_else_is_code(project, old, new):
    assert MODULE.count(old) == 1
    assert code(project, MODULE.replace(old, new)) != code(project, MODULE)


def test_the_same_code_is_the_same_text_on_each_python(project):
    # Evidence in git was made on one version of Python, and is read on others.
    text = 'async def f(a, /, *b) -> None:\n    """D."""\n    return f"é{a!r}" "\\ud83d", None, u"x"\n'
    assert code(project, text) == (
        "Module(body=[AsyncFunctionDef(name='f', args=arguments(posonlyargs=[arg(arg='a')], vararg=arg(arg='b')), "
        "body=[Return(value=Tuple(elts=[JoinedStr(values=[Constant(value='\\xe9'), FormattedValue(value=Name(id='a'), "
        "conversion=114), Constant(value='\\ud83d')]), Constant(), Constant(value='x')]))], returns=Constant())])"
    )


def test_a_test_has_its_line_its_sentence_and_its_fixtures(project):
    module = write(project, "tests/recipes/test_one.py", MODULE)
    found = proof_source.tests(project, module)
    assert [*found] == ["test_it", "test_too"]
    assert found["test_it"].line == MODULE.splitlines().index('@pytest.mark.skip(reason="no engine")') + 1
    assert found["test_it"].sentence == {"en": "It works.", "fr": "Cela marche."}
    assert found["test_it"].fixtures == {"older", "on_celery"}
    assert found["test_too"].sentence == {}
    assert records.on_several(project, "one") == {"test_it"}


def test_a_module_that_is_not_python_is_named_with_its_line(project):
    module = write(project, "tests/recipes/test_one.py", "def test_it():\n    assert (\n")
    with pytest.raises(CookbookError, match=r"^tests/recipes/test_one\.py:2: not Python \('\(' was never closed\): "):
        proof_source.tests(project, module)


def test_a_page_shows_the_current_sentence_and_line_beside_an_older_run(project):
    edit(project, GREET, "def test_it", "# a comment added since\ndef test_it")
    edit(project, GREET, "It greets by name.", "It calls you by your name.")
    edit(project, GREET, "Elle salue par le nom.", "Elle appelle par le nom.")
    assert records.problems(project, "greet") == []
    name = "test_it_greets_by_name"
    assert "It calls you by your name." in panels.panel(project, "greet", name, "en", "")
    shown = panels.source(project, "greet", name, "https://example.org/blob/main/")
    assert f"https://example.org/blob/main/{GREET}#L2" in shown
    assert proofs.status(project, "greet", name).sentence["fr"] == "Elle appelle par le nom."
    [run] = machines.recipes(project, "https://example.org/")["recipes"]["greet"]["runs"]
    assert run["proofs"][0]["test"] == f"{GREET}:2"
    assert run["proofs"][0]["sentence"]["en"] == "It calls you by your name."
