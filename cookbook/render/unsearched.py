"""A Markdown extension that keeps proofs, gaps and tables of versions out of the search index."""

from __future__ import annotations

import re

from markdown import Markdown
from markdown.extensions import Extension
from markdown.postprocessors import Postprocessor

from cookbook.render.markdown import NOT_SEARCHED

NAMES = {"proofs", "verified", "gap", "unproven"}
"""Classes and ids. On a heading, its whole section is left out."""
TAG = re.compile(r"<\w+(?=[^<>]*\s(?:class|id)=\"(?P<names>[^\"]*)\")")
TABLE = re.compile(r"<table(?P<head>(?:(?!</?table).)*?</thead>)", re.DOTALL)
RELEASE = re.compile(r"<th[^>]*>\s*(?:Celery )?\d+\.\d+\s*</th>")
SEVERAL = 3  # columns: a table with fewer releases compares something else
AFTER_RAW_HTML = 0  # priority: macros write HTML, which the postprocessor "raw_html" (30) puts onto the page


class _Unsearched(Postprocessor):  # type: ignore[misc]  # Markdown has no types
    def run(self, text: str) -> str:
        return TABLE.sub(_without_releases, TAG.sub(_without_names, text))


def _without_names(tag: re.Match[str]) -> str:
    return f"{tag[0]} {NOT_SEARCHED}" if NAMES & {*tag["names"].split()} else tag[0]


def _without_releases(table: re.Match[str]) -> str:
    releases = RELEASE.findall(table["head"])
    return f"<table {NOT_SEARCHED}{table['head']}" if len(releases) >= SEVERAL else table[0]


class Unsearched(Extension):  # type: ignore[misc]
    """Leaves out the elements whose class or id is in `NAMES`, and the tables with a column for each release."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  # called by Markdown
        """Add the step that marks them."""
        md.postprocessors.register(_Unsearched(md), "unsearched", AFTER_RAW_HTML)


makeExtension = Unsearched  # noqa: N816  # called by Markdown
