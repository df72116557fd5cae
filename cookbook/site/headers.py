"""The HTTP headers of the site: a Content-Security-Policy that allows files of the site and nothing inline, and others.

The policy is constant. A page that needs more fails the build where it has inline code (`problems`) or loads from
another origin (`html_checks`), and fails the tests that open each page in a browser where a new kind of file is
blocked: then add its directive to `POLICY`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from cookbook.project import CookbookError
from cookbook.site.html_pages import Html

CSP = "Content-Security-Policy"
IN_HEADER_ONLY = "frame-ancestors 'none'"  # in a <meta>, browsers log an error
POLICY = (
    "default-src 'none'",
    "base-uri 'none'",
    IN_HEADER_ONLY,
    "connect-src 'self'",  # the search index
    "form-action 'self'",
    "img-src 'self' data:",  # the icons of Material's stylesheet are data
    "script-src 'self'",
    "style-src 'self'",
    "worker-src 'self'",  # the search
)
HEADERS = {
    CSP: "; ".join(POLICY),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
META = (
    f'<meta http-equiv="{CSP}" content="{"; ".join(each for each in POLICY if each != IN_HEADER_ONLY)}">\n'
    '<meta name="referrer" content="no-referrer">\n'
)
NETLIFY = "_headers"  # also for Cloudflare Pages
CHARSET = re.compile(r"<meta charset=[^>]*>\s*")


def problems(rendered: Mapping[str, Html]) -> list[str]:
    """A line for each kind of inline script or style of the pages *rendered*: the policy does not allow any."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, page in rendered.items():
        for line, what in page.inline:
            found[what].append(f"{name}:{line}")
    return [
        f"{first}: {what} inline{f' (and {len(others)} more)' if others else ''}, which the {CSP} blocks: "
        "put it into a file below theme/assets/"
        for what, (first, *others) in found.items()
    ]


def write(site: Path) -> None:
    """Write the headers for static hosts into *site*, each in the form that the host reads.

    `NETLIFY` is for Netlify and Cloudflare Pages, ``.htaccess`` for Apache, ``headers.nginx.conf`` to include in a
    server of nginx. For hosts without such a file, such as GitHub Pages, each page contains its policy too. Raises
    CookbookError for a page without ``<meta charset>``.
    """
    lines = "".join(f"  {name}: {value}\n" for name, value in HEADERS.items())
    (site / NETLIFY).write_text(f"/*\n{lines}", encoding="utf-8")
    lines = "".join(f'  Header always set {name} "{value}"\n' for name, value in HEADERS.items())
    (site / ".htaccess").write_text(f"<IfModule mod_headers.c>\n{lines}</IfModule>\n", encoding="utf-8")
    lines = "".join(f'add_header {name} "{value}" always;\n' for name, value in HEADERS.items())
    (site / "headers.nginx.conf").write_text(lines, encoding="utf-8")
    for file in site.rglob("*.html"):
        page, found = CHARSET.subn(lambda charset: charset[0] + META, file.read_text(encoding="utf-8"), count=1)
        if not found:
            raise CookbookError(f"{file.relative_to(site)}: no <meta charset> to put the policy after: add one")
        file.write_text(page, encoding="utf-8")


def of(site: Path) -> Mapping[str, str]:
    """The headers of the folder *site*: none when another program built it, whose pages may need more."""
    return HEADERS if (site / NETLIFY).is_file() else {}
