import pytest

from cookbook.site import scripts

FIRST, SECOND, THIRD = (f'<script defer src="{{0}}assets/{name}.js"></script>\n' for name in ("one", "two", "three"))


@pytest.fixture
def site(tmp_path):
    """A site whose two pages have two scripts in common; one has a third between them."""
    pages = {
        "index.html": (FIRST + THIRD + SECOND).format(""),
        "zoo/index.html": '<script src="../assets/now.js"></script>\n' + (FIRST + SECOND).format("../"),
        "assets/one.js": "// A remark.\none();\n  // Another.\n",
        "assets/two.js": 'two("// no remark");\n//# sourceMappingURL=two.js.map\n',
        "assets/two.js.map": "{}",
        "assets/three.js": "three();\n",
        "assets/now.js": "now();\n",
    }
    for name, text in pages.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_every_page_runs_is_one_script_in_their_order_without_remarks(site):
    joined = scripts.join(site)
    assert joined
    assert joined.read_text() == 'one();;\ntwo("// no remark");\n'
    link = f'<script defer src="assets/{joined.name}"></script>\n'
    assert (site / "index.html").read_text() == link + THIRD.format("")
    link = f'<script defer src="../assets/{joined.name}"></script>\n'
    assert (site / "zoo/index.html").read_text() == '<script src="../assets/now.js"></script>\n' + link


def test_what_was_joined_is_gone_and_the_rest_is_there(site):
    joined = scripts.join(site)
    assert joined
    assert sorted(file.name for file in (site / "assets").iterdir()) == sorted(["now.js", joined.name, "three.js"])


def test_another_language_within_keeps_its_own(site):
    (site / "en").mkdir()
    (site / "en/index.html").write_text(FIRST.format(""))
    scripts.join(site)
    assert (site / "en/index.html").read_text() == FIRST.format("")


def test_a_site_without_scripts_stays_as_it_is(site):
    (site / "zoo/index.html").write_text("")
    assert scripts.join(site) is None
    assert (site / "assets/one.js").exists()
