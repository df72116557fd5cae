"""Runs Lighthouse on the published site, and on the same text built by Sphinx: `python -m tests.site.measure`.

Prints a table for the heaviest and the median recipe page: for each builder the four marks on a phone and on a desktop,
the median of several runs. It needs Node and npm; Lighthouse and Sphinx are installed once, below .cache/.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup

from cookbook.project import CookbookError, find_project
from cookbook.site.serve import served
from cookbook.sources import pages

LIGHTHOUSE = "lighthouse@12"
SPHINX = ("sphinx", "sphinx_celery", "furo", "myst-parser", "markdownify")
BUILDERS = {"ours": "", "sphinx_celery": "sphinx_celery", "Furo": "furo"}
FLAGS = "--headless=new --no-sandbox --disable-gpu --disable-quic --disable-background-networking --disable-sync"
MARKS = ("performance", "accessibility", "best-practices", "seo")
HEAD = f"{'page':30} {'builder':14} {'phone':16} {'FCP':>6} {'block':>7} {'KB':>5}   desktop"
CONF = """\
import sphinx_celery
project = "Celery"
extensions = ["myst_parser"]
html_theme = "{theme}"
html_theme_path = [sphinx_celery.get_html_theme_path()] if html_theme == "sphinx_celery" else []
"""
TO_MARKDOWN = "import sys, markdownify; print(markdownify.markdownify(sys.stdin.read(), heading_style='ATX'))"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.site.measure", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each page on a phone (default: 5); the median counts")
    runs = parser.parse_args().runs
    project = find_project()
    cache = project.root / ".cache/measure"
    lighthouse, python = install(cache)
    shutil.rmtree(cache / "sphinx", ignore_errors=True)
    print(HEAD, flush=True)
    for path in heaviest_and_median(project):
        for builder, theme in BUILDERS.items():
            folder = build(project.site, path, cache / "sphinx" / theme, theme, python) if theme else project.site
            with served(folder) as address:
                url = f"{address}{'' if theme else path}"
                phone = [ask(lighthouse, url) for _ in range(runs)]
                desktop = ask(lighthouse, url, "--preset=desktop")
            print(row(path, builder, phone, desktop), flush=True)
    return 0


def install(cache: Path) -> tuple[Path, Path]:
    """Lighthouse's program and a Python that has Sphinx, both below *cache*."""
    program, python = cache / "node_modules/.bin/lighthouse", cache / "venv/bin/python"
    if not program.exists():
        if not shutil.which("npm"):
            raise CookbookError("npm: not on PATH, and Lighthouse comes from it: install Node.js 20 or later")
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", cache, LIGHTHOUSE], check=True)
    if not python.exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "--quiet", cache / "venv"], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *SPHINX], check=True)
    return program, python


def heaviest_and_median(project) -> list[str]:
    """The addresses of two French recipe pages, by the size of their HTML."""
    docs = project.docs / "fr"
    recipes = [file for file in project.pages("fr") if pages.front_matter(file).get("recipe")]
    addresses = [f"{file.relative_to(docs).with_suffix('').as_posix()}/" for file in recipes]
    addresses.sort(key=lambda path: (project.site / path / "index.html").stat().st_size)
    return [addresses[-1], addresses[len(addresses) // 2]]


def build(site: Path, path: str, folder: Path, theme: str, python: Path) -> Path:
    """The text of the page at *path* built by Sphinx with *theme*: the folder of its HTML, of which it is the index."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    article = BeautifulSoup((site / path / "index.html").read_text(encoding="utf-8"), "html.parser").article
    assert article
    for drawing in article.select("svg, a.headerlink"):
        drawing.decompose()
    markdown = subprocess.run(
        [python, "-c", TO_MARKDOWN], input=str(article), capture_output=True, text=True, check=True
    )
    (folder / "index.md").write_text(re.sub(r"\]\(#[^)]*\)", "](#)", markdown.stdout), encoding="utf-8")
    (folder / "conf.py").write_text(CONF.format(theme=theme), encoding="utf-8")
    subprocess.run([python, "-m", "sphinx", "-q", "-Q", "-b", "html", folder, folder / "html"], check=True)
    return folder / "html"


def ask(lighthouse: Path, url: str, *options: str) -> Any:
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    argv = [
        str(lighthouse),
        url,
        "--quiet",
        "--output=json",
        "--output-path=stdout",
        f"--chrome-flags={FLAGS}",
        *options,
    ]
    env = {**os.environ, "CHROME_PATH": chromium}
    for _ in range(3):  # sometimes it loses its trace, and recommends another run
        said = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if said.returncode == 0:
            return json.loads(said.stdout)
    raise CookbookError(f"{url}: Lighthouse failed: {(said.stderr.strip().splitlines() or ['no output'])[-1]}")


def row(path: str, builder: str, phone: list[Any], desktop: Any) -> str:
    def median(name: str) -> float:
        return statistics.median(float(report["audits"][name]["numericValue"]) for report in phone)

    def marks(reports: list[Any]) -> str:
        scores = (statistics.median(report["categories"][mark]["score"] or 0 for report in reports) for mark in MARKS)
        return " ".join(f"{score * 100:3.0f}" for score in scores)

    seconds, blocked = median("first-contentful-paint") / 1000, median("total-blocking-time")
    size = median("total-byte-weight") / 1000
    figures = f"{marks(phone)}  {seconds:5.2f}s {blocked:5.0f}ms {size:5.1f}   {marks([desktop])}"
    return f"{path:30} {builder:14} {figures}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CookbookError as error:
        sys.exit(str(error))
