"""What a browser is told to refuse: the Content-Security-Policy that the built pages need, and the other headers.

No page may need more than files of the site itself. So the policy is read from the pages: each kind of file that they
load opens its directive, and what is inline is a fault of the page. Hosts take headers in their own ways: see `write`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from cookbook.project import CookbookError
from cookbook.site.html_checks import CSS_URL
from cookbook.site.html_pages import Html, Tag

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


def problems(rendered: Mapping[str, Html]) -> list[str]:
    """A line for each inline script or style of the pages *rendered*: no policy of ours allows it."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, page in rendered.items():
        for tag in page.loading:
            for what in _inline(tag):
                found[what].append(f"{name}:{tag.line}")
    why = "which no policy can tell from what an attacker writes: put it into a file below theme/assets/"
    return [
        f"{first}: {what} inline{f' (and {len(others)} more)' if others else ''}, {why}"
        for what, (first, *others) in found.items()
    ]


def policy(site: Path, rendered: Mapping[str, Html]) -> dict[str, str]:
    """The directives that the pages and stylesheets of *site* need, no more: `{"script-src": "'self'", …}`."""
    needs: dict[str, set[str]] = defaultdict(set)
    for tag in (tag for page in rendered.values() for tag in page.loading if not _is_data(tag)):
        url = next(filter(None, map(tag.attributes.get, ("src", "href", "data"))), "")
        rels = tag.words("rel") if tag.name == "link" else set()
        for directive in filter(None, [BY_TAG.get(tag.name), *map(BY_REL.get, rels)]):
            needs[directive].add(DATA if url.startswith(DATA) else SELF)
    for file in site.rglob("*.css"):
        text = file.read_text(encoding="utf-8")
        if "@font-face" in text:
            needs["font-src"].add(SELF)
        for match in CSS_URL.finditer(text):
            needs["img-src"].add(DATA if (match["url"] or "").startswith(DATA) else SELF)
    found = {directive: " ".join(sorted(sources)) for directive, sources in needs.items()}
    return FIXED | dict(sorted((BY_SCRIPTS | found).items()))


def write(site: Path, rendered: Mapping[str, Html]) -> dict[str, str]:
    """Give *site*, whose pages are *rendered*, its headers in the files that static hosts take them from; return them.

    ``_headers`` for Netlify and Cloudflare Pages, ``.htaccess`` for Apache, ``headers.nginx.conf`` to include in a
    server of nginx. For hosts that take none, as GitHub Pages and its like, each page holds its policy too.
    """
    directives = policy(site, rendered)
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


def _inline(tag: Tag) -> Iterator[str]:
    """What of *tag* is inline: all of it, an attribute, an address."""
    if (tag.name == "script" and "src" not in tag.attributes and not _is_data(tag)) or tag.name == "style":
        yield f"<{tag.name}>"
    yield from (f"{name}=" for name in tag.attributes if name == "style" or name.startswith("on"))
    if any(value.strip().lower().startswith("javascript:") for value in tag.attributes.values()):
        yield "javascript:"


def _is_data(tag: Tag) -> bool:
    return tag.name == "script" and tag.attributes.get("type", "").endswith("json")
