import pytest

from cookbook.project import CookbookError
from cookbook.site import headers
from cookbook.site.html_pages import read_all

PAGE = '<!doctype html>\n<meta charset="utf-8">\n<script src="a.js"></script>\n{}\n'


@pytest.fixture
def site(tmp_path):
    (tmp_path / "index.html").write_text(PAGE.format("<p>Hello"))
    return tmp_path


def add(site, *tags):
    (site / "index.html").write_text(PAGE.format("".join(tags)))


@pytest.mark.parametrize(
    ("tag", "what"),
    [
        ("<script>go()</script>", "<script>"),
        ("<style>p {}</style>", "<style>"),
        ('<p style="color: red">', "style="),
        ('<p onclick="go()">', "onclick="),
        ('<a href="javascript:go()">', "javascript:"),
    ],
)
def test_inline_code_is_reported_with_its_place(site, tag, what):
    add(site, tag)
    (site / "other.html").write_text(PAGE.format(tag))
    assert headers.problems(read_all(site)) == [
        f"index.html:4: {what} inline (and 1 more), which the Content-Security-Policy blocks: "
        "put it into a file below theme/assets/"
    ]


def test_data_for_scripts_is_not_reported(site):
    add(site, '<script type="application/json">{}</script>')
    assert headers.problems(read_all(site)) == []


def test_each_host_finds_the_headers_in_its_own_form(site):
    assert headers.of(site) == {}  # it may come from another program
    headers.write(site)
    assert headers.of(site) == headers.HEADERS
    assert "script-src 'self'" in (policy := headers.HEADERS["Content-Security-Policy"])
    assert f"  Content-Security-Policy: {policy}\n" in (site / "_headers").read_text()
    assert f'Header always set Content-Security-Policy "{policy}"\n' in (site / ".htaccess").read_text()
    assert f'add_header Content-Security-Policy "{policy}" always;\n' in (site / "headers.nginx.conf").read_text()


def test_a_page_contains_its_policy_for_hosts_without_headers(site):
    headers.write(site)
    page = (site / "index.html").read_text()
    assert page.index("charset") < page.index("http-equiv") < page.index("<script")
    assert "script-src 'self'" in page
    assert "frame-ancestors" not in page  # browsers log an error: it counts in a header only


def test_a_page_without_a_charset_is_refused(site):
    (site / "index.html").write_text("<p>Hello")
    with pytest.raises(CookbookError, match=r"^index\.html: no <meta charset> .*: add one$"):
        headers.write(site)
