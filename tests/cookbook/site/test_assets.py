import pytest

from cookbook.project import CookbookError
from cookbook.site import assets

FIRST, SECOND, THIRD = (f'<script defer src="{{0}}assets/{name}.js"></script>\n' for name in ("one", "two", "three"))
LINKS = '<link rel="stylesheet" href="{0}assets/one.css">\n<link rel="stylesheet" href="{0}assets/two.css">\n'


@pytest.fixture
def site(tmp_path):
    """A site of two pages and a 404, with two stylesheets and a script."""
    files = {
        "index.html": f'<html>{LINKS.format("")}<body dir="ltr" class="home wide"><p id="top">Hello',
        "deep/er/index.html": f"<html>{LINKS.format('../../')}<body><table><tr><td>1",
        "404.html": f"<html>{LINKS.format('/base/')}<body>",
        "assets/javascripts/bundle.js": 'document.body.classList.add("md-open", "md-version"); create("mark")',
        "assets/names.js": 'button.className = "copied"',
        "assets/one.css": "",
        "assets/two.css": "",
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "assets/stylesheets").mkdir()
    return tmp_path


def joined(site, one, two=""):
    (site / "assets/one.css").write_text(one)
    (site / "assets/two.css").write_text(two)
    assets.join(site)
    return next((site / "assets/stylesheets").glob("site.*.css")).read_text()


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (".home { color: red }", ".home{color:red}"),
        ("#top > a { color: red }", ""),  # no link anywhere
        ("#top > p { color: red }", "#top > p{color:red}"),
        (".narrow { color: red }", ""),
        (".home, .narrow { color: red }", ".home{color:red}"),
        (".md-open { color: red }", ".md-open{color:red}"),  # a script may add it
        (".md-version { color: red }", ""),  # of a feature that is not enabled
        (".copied { color: red }", ".copied{color:red}"),  # of our own script
        (".classList { color: red }", ""),  # a word of Material's script, whose classes have hyphens
        ("mark { color: red }", "mark{color:red}"),  # a script may create elements
        ("[dir=ltr] p, [dir=rtl] p { color: red }", "[dir=ltr] p{color:red}"),
        ("[open] p { color: red }", "[open] p{color:red}"),
        (".home:not(.narrow) { color: red }", ".home:not(.narrow){color:red}"),
        (":is(.home, .narrow) td { color: red }", ":is(.home, .narrow) td{color:red}"),
        ("td:nth-child(2n of .x)::before { color: red }", "td:nth-child(2n of .x)::before{color:red}"),
        ("VIDEO { color: red }", ""),
        ("html, body, * { color: red }", "html,body,*{color:red}"),
        ("@media print { .home { color: red } }", "@media print{.home{color:red}}"),
        ("@media print { .narrow { color: red } }", ""),
        ("@keyframes turn { to { rotate: 1turn } }", "@keyframes turn{to { rotate: 1turn }}"),
        ("p { color: red !important; margin: 0 }", "p{color:red!important;margin:0}"),
        ("p { /* a remark */ }", ""),
        ('p::after { content: "a  ;} b" }', 'p::after{content:"a  ;} b"}'),
    ],
)
def test_a_rule_stays_if_the_pages_can_use_it(site, rule, kept):
    assert joined(site, rule) == kept


def test_a_variable_stays_as_long_as_something_uses_it(site):
    variables = ":root { --a: 1; --b: var(--c); --c: 2; --d: var(--e); --e: 3 }"
    assert joined(site, variables, "p { margin: var( --d, 0) }") == ":root{--d:var(--e);--e:3}p{margin:var( --d, 0)}"


def test_a_variable_that_a_script_reads_stays(site):
    (site / "assets/names.js").write_text('getComputedStyle(body).getPropertyValue("--a")')
    assert joined(site, ":root { --a: 1; --b: 2 }") == ":root{--a:1}"


def test_each_page_links_to_the_joined_stylesheet_and_the_others_are_removed(site):
    (site / "assets/one.css.map").touch()
    assert joined(site, "p { color: red }", "td { color: blue }") == "p{color:red}td{color:blue}"
    [file] = (site / "assets").rglob("*.css*")
    name = file.relative_to(site).as_posix()
    pages = {"index.html": name, "deep/er/index.html": f"../../{name}", "404.html": f"/base/{name}"}
    for page, href in pages.items():
        text = (site / page).read_text()
        assert text.count('stylesheet"') == 1
        assert f'href="{href}"' in text


def test_another_language_below_has_its_own_stylesheet(site):
    (site / "en").mkdir()
    (site / "en/index.html").write_text('<p class="narrow">')
    (site / "en/assets").mkdir()
    (site / "en/assets/names.js").write_text('"narrow"')
    assert joined(site, ".narrow { color: red } p { color: red }") == "p{color:red}"
    assert (site / "en/index.html").read_text() == '<p class="narrow">'


def test_a_stylesheet_of_some_pages_only_stays_as_it_is(site):
    only_one = '<link rel="stylesheet" href="assets/one.css">'
    (site / "index.html").write_text(only_one)
    assert joined(site, "p { color: red }", ".narrow { color: blue }") == ""
    assert (site / "assets/two.css").read_text() == ".narrow { color: blue }"
    assert 'href="/base/assets/two.css"' in (site / "404.html").read_text()


def test_a_syntax_error_is_reported_with_its_line(site):
    with pytest.raises(CookbookError, match=r"^one\.css:2: .*: fix the stylesheet$"):
        joined(site, "p { color: red }\n.home")


# Scripts


@pytest.fixture
def scripted(tmp_path):
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


def test_the_scripts_of_every_page_become_one_in_their_order_without_comments(scripted):
    assets.join(scripted)
    [joined] = (scripted / "assets").glob("site.*.js")
    assert joined.read_text() == 'one();;\ntwo("// no remark");\n'
    link = f'<script defer src="assets/{joined.name}"></script>\n'
    assert (scripted / "index.html").read_text() == link + THIRD.format("")
    link = f'<script defer src="../assets/{joined.name}"></script>\n'
    assert (scripted / "zoo/index.html").read_text() == '<script src="../assets/now.js"></script>\n' + link


def test_the_joined_scripts_are_removed_and_the_others_stay(scripted):
    assets.join(scripted)
    [joined] = (scripted / "assets").glob("site.*.js")
    assert sorted(file.name for file in (scripted / "assets").iterdir()) == sorted(["now.js", joined.name, "three.js"])


def test_another_language_below_keeps_its_own_scripts(scripted):
    (scripted / "en").mkdir()
    (scripted / "en/index.html").write_text(FIRST.format(""))
    assets.join(scripted)
    assert (scripted / "en/index.html").read_text() == FIRST.format("")


def test_scripts_that_some_page_lacks_stay_as_they_are(scripted):
    (scripted / "zoo/index.html").write_text("")
    assets.join(scripted)
    assert not [*(scripted / "assets").glob("site.*.js")]
    assert (scripted / "assets/one.js").exists()
