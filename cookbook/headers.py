"""What a browser is told to refuse: the Content-Security-Policy that the built pages need, and the other headers.

No page may need more than files of the site itself. So the policy is read from the pages: each kind of file that they
load opens its directive, and what is inline is a fault of the page. Hosts take headers in their own ways: see `write`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from cookbook.html_checks import CSS_URL
from cookbook.project import CookbookError

SELF, DATA, NONE = "'self'", "data:", "'none'"
OTHERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
POLICY = "Content-Security-Policy"
FIXED = {"default-src": NONE, "base-uri": NONE, "frame-ancestors": NONE}
HEADER_ONLY = ("frame-ancestors",)  # browsers refuse it in a page, aloud
BY_SCRIPTS = {"connect-src": SELF, "worker-src": SELF}  # the search: its index, and the worker that searches it
BY_TAG = {
    **dict.fromkeys(("audio", "source", "track", "video"), "media-src"),
    **dict.fromkeys(("embed", "object"), "object-src"),
    "form": "form-action",
    "iframe": "frame-src",
    "img": "img-src",
    "script": "script-src",
}
BY_REL = {"icon": "img-src", "manifest": "manifest-src", "preload": "", "stylesheet": "style-src"}
NETLIFY = "_headers"  # and Cloudflare Pages
APACHE = ".htaccess"
NGINX = "headers.nginx.conf"


class _Page(HTMLParser):
    """What one page loads, by directive, and what of it is inline, with its line."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: dict[str, set[str]] = defaultdict(set)
        self.inline: list[tuple[int, str]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        line, _ = self.getpos()
        is_data = tag == "script" and given.get("type", "").endswith("json")
        if (tag == "script" and "src" not in given and not is_data) or tag == "style":
            self.inline.append((line, f"<{tag}>"))
        self.inline += [(line, f"{name}=") for name in given if name == "style" or name.startswith("on")]
        if any(value.strip().lower().startswith("javascript:") for value in given.values()):
            self.inline.append((line, "javascript:"))
        rels = given.get("rel", "").split() if tag == "link" else []
        for directive in filter(None, [BY_TAG.get(tag), *(BY_REL.get(rel) for rel in rels)]):
            if not is_data:
                url = given.get("src") or given.get("href") or given.get("data") or ""
                self.loads[directive].add(DATA if url.startswith(DATA) else SELF)


def problems(site: Path) -> list[str]:
    """A line for each inline script or style of the pages of *site*: no policy of ours allows it."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in sorted(site.rglob("*.html")):
        for line, what in _read(file).inline:
            found[what].append(f"{file.relative_to(site).as_posix()}:{line}")
    why = "which no policy can tell from what an attacker writes: put it into a file below theme/assets/"
    return [
        f"{first}: {what} inline{f' (and {len(others)} more)' if others else ''}, {why}"
        for what, (first, *others) in found.items()
    ]


def policy(site: Path) -> dict[str, str]:
    """The directives that the pages and stylesheets of *site* need, no more: `{"script-src": "'self'", …}`."""
    needs: dict[str, set[str]] = defaultdict(set)
    for file in site.rglob("*.html"):
        for directive, sources in _read(file).loads.items():
            needs[directive] |= sources
    for file in site.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        if "@font-face" in text:
            needs["font-src"].add(SELF)
        for match in CSS_URL.finditer(text):
            needs["img-src"].add(DATA if (match["url"] or "").startswith(DATA) else SELF)
    found = {directive: " ".join(sorted(sources)) for directive, sources in needs.items()}
    return FIXED | dict(sorted((BY_SCRIPTS | found).items()))


def write(site: Path) -> dict[str, str]:
    """Give *site* its headers, in the files that static hosts take them from, and return them.

    ``_headers`` for Netlify and Cloudflare Pages, ``.htaccess`` for Apache, ``headers.nginx.conf`` to include in a
    server of nginx. For hosts that take none, as GitHub Pages and its like, each page holds its policy too.
    """
    directives = policy(site)
    headers = {POLICY: _written(directives), **OTHERS}
    lines = "".join(f"  {name}: {value}\n" for name, value in headers.items())
    (site / NETLIFY).write_text(f"/*\n{lines}", encoding="utf-8")
    lines = "".join(f'  Header always set {name} "{value}"\n' for name, value in headers.items())
    (site / APACHE).write_text(f"<IfModule mod_headers.c>\n{lines}</IfModule>\n", encoding="utf-8")
    lines = "".join(f'add_header {name} "{value}" always;\n' for name, value in headers.items())
    (site / NGINX).write_text(lines, encoding="utf-8")

    within = {name: value for name, value in directives.items() if name not in HEADER_ONLY}
    tags = f'<meta http-equiv="{POLICY}" content="{_written(within)}">\n<meta name="referrer" content="no-referrer">\n'
    for file in site.rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        charset = re.search(r"<meta charset=[^>]*>\s*", page)
        if not charset:
            raise CookbookError(f"{file.relative_to(site)}: no <meta charset> to put the policy after: give it one")
        file.write_text(page[: charset.end()] + tags + page[charset.end() :], encoding="utf-8")
    return headers


def read(site: Path) -> Iterator[tuple[str, str]]:
    """Name and value of each header that `write` gave *site*; none when it gave none."""
    file = site / NETLIFY
    for line in file.read_text(encoding="utf-8").splitlines()[1:] if file.is_file() else []:
        name, _, value = line.strip().partition(": ")
        yield name, value


def _written(directives: dict[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


def _read(file: Path) -> _Page:
    page = _Page()
    page.feed(file.read_text(encoding="utf-8"))
    return page
