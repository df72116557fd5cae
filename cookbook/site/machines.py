"""Writes what programs read of the site: pages as Markdown, llms.txt, recipes.json, feeds, cards, robots.txt."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.utils.yaml import yaml_load

from cookbook.evidence import records
from cookbook.project import CONFIGS, LANGUAGES, CookbookError, Project, digest, language_folder
from cookbook.render import proofs
from cookbook.render.words import WORDS
from cookbook.site import cards, copies, feeds
from cookbook.snapshot import once
from cookbook.sources import pages

CANONICAL = re.compile(r'<link rel="canonical" href="([^"]+)"')


def write(project: Project, site: Path) -> None:
    """Add to the built *site*, French at its root and English in ``en/``, the files for programs.

    The same pages and evidence give the same bytes.
    """
    address = address_of((site / "index.html").read_text(encoding="utf-8"))
    for place, picture in pictures(project).items():
        file = site / "cards" / place / "index.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture)
    for language in LANGUAGES:
        config = _config(project, language)
        folder = site / language_folder(language)
        (folder / "llms.txt").write_text(llms(project, language, config, address), encoding="utf-8")
        feed = feeds.feed(project, language, str(config["site_name"]), address)
        (folder / "feed.xml").write_text(feed, encoding="utf-8")
    listed = json.dumps(recipes(project, address), ensure_ascii=False, indent=1)
    (site / "recipes.json").write_text(f"{listed}\n", encoding="utf-8")
    maps = "".join(f"Sitemap: {address}{folder}sitemap.xml\n" for folder in map(language_folder, LANGUAGES))
    (site / "robots.txt").write_text(f"User-agent: *\nAllow: /\n\n{maps}", encoding="utf-8")


def write_copies(folder: Path) -> None:
    """Write each page of the built language in *folder* as Markdown beside it, which its button "copy page" copies."""
    for file in folder.rglob("index.html"):
        page = file.read_text(encoding="utf-8")
        file.with_name("index.md").write_text(copies.markdown(page, address_of(page)), encoding="utf-8")


@once
def pictures(project: Project) -> dict[str, bytes]:
    """The PNG of the card of each page, by the address of the page below the site; cached in .cache/cards."""
    found = {}
    for language in LANGUAGES:
        name = str(_config(project, language)["site_name"])
        for file in project.pages(language):
            meta = pages.front_matter(file)
            recipes = [str(meta["recipe"])] if meta.get("recipe") else project.recipe_names()
            runs = [run for recipe in recipes for run in records.load(project, recipe)]
            texts = (str(meta["title"]), name, " · ".join(proofs.chips(runs)))
            found[pages.address(project, file)] = cards.cached_card(project.root / ".cache" / "cards", *texts)
    return found


def address_of(page: str) -> str:
    """The canonical address of *page*, which is HTML. Raises CookbookError when it has none."""
    found = CANONICAL.search(page)
    if not found:
        raise CookbookError("mkdocs.yml: no site_url, which links to the site need: add it")
    return found[1]


def llms(project: Project, language: str, config: dict[str, Any], address: str) -> str:
    """The llms.txt of one language (llmstxt.org): the Markdown of each page, with its description.

    *config* is the configuration of MkDocs, *address* that of the whole site.
    """
    words = WORDS[language]
    lines = [f"# {config['site_name']}", "", f"> {config['site_description']}", "", words["llms"]]
    for section, files in _contents(project, language, config["nav"]):
        lines += ["", f"## {section}", ""]
        for file in files:
            meta = pages.front_matter(file)
            link = f"{address}{pages.address(project, file)}index.md"
            lines.append(f"- [{meta['title']}]({link}): {meta['description']}")
    lines += ["", "## Optional", ""]  # the format's name for what can be skipped
    others = [other for other in LANGUAGES if other != language]
    lines += [f"- [{WORDS[other]['language']}]({address}{language_folder(other)}llms.txt)" for other in others]
    lines.append(f"- [recipes.json]({address}recipes.json): {words['recipes.json']}")
    return "\n".join(lines) + "\n"


def recipes(project: Project, address: str) -> dict[str, Any]:
    """The content of recipes.json: of each recipe that a page shows the pages, the bundle, the files with their
    SHA-256, and the runs with their proofs."""
    found: dict[str, Any] = {}
    for language in LANGUAGES:
        for recipe, (file, meta) in pages.of_recipes(project, language).items():
            url = address + pages.address(project, file)
            shown = {"title": meta["title"], "url": url, "markdown": f"{url}index.md"}
            found.setdefault(recipe, {"pages": {}})["pages"][language] = shown
    for recipe, entry in found.items():
        entry["bundle"] = f"{address}bundles/{recipe}.zip"
        entry["files"] = {path: digest(project.root / path) for path in records.digests(project, recipe)}
        tests = records.written(project, recipe)
        entry["runs"] = [
            {
                "stack": run.backend,
                "date": run.date,
                "versions": run.versions,
                "proofs": [
                    {
                        "test": f"{proof.id.partition('::')[0]}:{tests[proof.name].line}",
                        "name": proof.name,
                        "sentence": tests[proof.name].sentence,
                        "outcome": proof.outcome,
                        "reason": proof.reason,
                        "seconds": proof.seconds,
                    }
                    for proof in run.tests
                    if proof.name in tests
                ],
            }
            for run in records.load(project, recipe)
        ]
    return {"site": address, "recipes": dict(sorted(found.items()))}


def _contents(project: Project, language: str, nav: list[Any]) -> Iterator[tuple[str, list[Path]]]:
    """The title of each section of *nav* and its pages; a page outside a section is a section itself."""
    folder = project.docs / language
    for entry in nav:
        ((title, inside),) = entry.items() if isinstance(entry, dict) else [("", entry)]
        files = [folder / name for name in (inside if isinstance(inside, list) else [inside])]
        yield title or str(pages.front_matter(files[0])["title"]), files


def _config(project: Project, language: str) -> dict[str, Any]:
    with (project.root / CONFIGS[language]).open(encoding="utf-8") as file:
        return dict(yaml_load(file))
