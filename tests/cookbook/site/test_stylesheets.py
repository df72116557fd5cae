import pytest

from cookbook.project import CookbookError
from cookbook.site import stylesheets

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
    return stylesheets.join(site).read_text()


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (".home { color: red }", ".home{color:red}"),
        ("#top > a { color: red }", ""),  # no link anywhere
        ("#top > p { color: red }", "#top > p{color:red}"),
        (".narrow { color: red }", ""),
        (".home, .narrow { color: red }", ".home{color:red}"),
        (".md-open { color: red }", ".md-open{color:red}"),  # a script may give it
        (".md-version { color: red }", ""),  # of what is off
        (".copied { color: red }", ".copied{color:red}"),  # one of ours
        (".classList { color: red }", ""),  # a word of Material's, who has a hyphen in each class
        ("mark { color: red }", "mark{color:red}"),  # and may make elements
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


def test_a_variable_stays_as_long_as_something_asks_for_it(site):
    variables = ":root { --a: 1; --b: var(--c); --c: 2; --d: var(--e); --e: 3 }"
    assert joined(site, variables, "p { margin: var( --d, 0) }") == ":root{--d:var(--e);--e:3}p{margin:var( --d, 0)}"


def test_a_variable_that_a_script_reads_stays(site):
    (site / "assets/names.js").write_text('getComputedStyle(body).getPropertyValue("--a")')
    assert joined(site, ":root { --a: 1; --b: 2 }") == ":root{--a:1}"


def test_each_page_links_to_the_one_stylesheet_and_the_others_are_gone(site):
    (site / "assets/one.css.map").touch()
    assert joined(site, "p { color: red }", "td { color: blue }") == "p{color:red}td{color:blue}"
    [file] = (site / "assets").rglob("*.css*")
    name = file.relative_to(site).as_posix()
    pages = {"index.html": name, "deep/er/index.html": f"../../{name}", "404.html": f"/base/{name}"}
    for page, href in pages.items():
        text = (site / page).read_text()
        assert text.count('stylesheet"') == 1
        assert f'href="{href}"' in text


def test_another_language_within_has_a_stylesheet_of_its_own(site):
    (site / "en").mkdir()
    (site / "en/index.html").write_text('<p class="narrow">')
    (site / "en/assets").mkdir()
    (site / "en/assets/names.js").write_text('"narrow"')
    assert joined(site, ".narrow { color: red } p { color: red }") == "p{color:red}"
    assert (site / "en/index.html").read_text() == '<p class="narrow">'


def test_pages_with_different_stylesheets_are_refused(site):
    (site / "index.html").write_text(LINKS.format("").partition("\n")[0])
    with pytest.raises(CookbookError) as failure:
        stylesheets.join(site)
    assert str(failure.value) == (
        "index.html: links to assets/one.css, and 404.html to assets/one.css, assets/two.css: "
        "link to the same ones on every page"
    )


def test_a_mistake_is_told_with_its_line(site):
    with pytest.raises(CookbookError, match=r"^one\.css:2: .*: mend the stylesheet$"):
        joined(site, "p { color: red }\n.home")
