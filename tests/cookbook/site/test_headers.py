import pytest

from cookbook.site import headers
from cookbook.site.html_pages import read_all

PAGE = '<!doctype html>\n<meta charset="utf-8">\n<script src="a.js"></script>\n{}\n'
LEAST = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; connect-src 'self'; {}worker-src 'self'"


@pytest.fixture
def site(tmp_path):
    (tmp_path / "index.html").write_text(PAGE.format("<p>Hello"))
    return tmp_path


def add(site, *tags):
    (site / "index.html").write_text(PAGE.format("".join(tags)))


def test_the_policy_opens_what_the_pages_load_and_no_more(site):
    assert headers.write(site, read_all(site))["Content-Security-Policy"] == LEAST.format("script-src 'self'; ")
    add(site, '<link rel="stylesheet" href="a.css">', '<img src="data:image/gif;base64,R0"><form action="a/"></form>')
    assert headers.policy(site, read_all(site)) == {
        "default-src": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "img-src": "data:",
        "script-src": "'self'",
        "style-src": "'self'",
        "worker-src": "'self'",
    }


def test_what_stylesheets_load_is_in_the_policy_too(site):
    (site / "a.css").write_text("@font-face { src: url(a.woff2) } p { background: url('data:image/svg+xml,<svg/>') }")
    directives = headers.policy(site, read_all(site))
    assert directives["font-src"] == "'self'"
    assert "data:" in directives["img-src"]


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
def test_what_is_inline_is_told_with_its_place(site, tag, what):
    add(site, tag)
    (site / "other.html").write_text(PAGE.format(tag))
    assert headers.problems(read_all(site)) == [
        f"index.html:4: {what} inline (and 1 more), which no policy can tell from what an attacker writes: "
        "put it into a file below theme/assets/"
    ]


def test_data_for_scripts_is_no_script(site):
    add(site, '<script type="application/json">{}</script>')
    assert headers.problems(read_all(site)) == []


def test_each_host_finds_the_headers_in_its_own_form(site):
    given = headers.write(site, read_all(site))
    assert dict(headers.read(site)) == given
    policy = given["Content-Security-Policy"]
    assert f'Header always set Content-Security-Policy "{policy}"\n' in (site / ".htaccess").read_text()
    assert f'add_header Content-Security-Policy "{policy}" always;\n' in (site / "headers.nginx.conf").read_text()


def test_a_page_holds_its_policy_for_hosts_that_take_no_headers(site):
    headers.write(site, read_all(site))
    page = (site / "index.html").read_text()
    assert page.index("charset") < page.index("http-equiv") < page.index("<script")
    assert "script-src 'self'" in page
    assert "frame-ancestors" not in page  # a browser would complain: it counts in a header only
