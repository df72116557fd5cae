"""The files of the published site for programs, and for readers who paste."""

import json
import re
from io import BytesIO
from xml.etree import ElementTree

import pytest
from PIL import Image
from playwright.sync_api import expect

from cookbook.project import LANGUAGES, find_project
from cookbook.sources import pages
from cookbook.sources.snippets import cut

PROJECT = find_project()
FILES = [file for language in LANGUAGES for file in PROJECT.pages(language)]
BLOCK = re.compile(r"^( *)```[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
SITEMAP = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9", "x": "http://www.w3.org/1999/xhtml"}


def root(site):
    [address] = re.findall(r'rel="canonical" href="([^"]+)"', (site / "index.html").read_text())
    return address


@pytest.mark.parametrize("file", FILES, ids=PROJECT.relative)
def test_a_page_has_a_copy_with_every_block_it_shows_and_a_picture(site, file):
    place = site / pages.address(PROJECT, file)
    copy = (place / "index.md").read_text(encoding="utf-8")
    blocks = {re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in BLOCK.findall(copy)}
    for call in pages.read(file).calls:
        if call.name == "code":
            assert f"{cut(PROJECT, *call.args).text}\n" in blocks, call.args
        if call.name == "transcript":
            assert (PROJECT.recipes / call.args[0]).read_text(encoding="utf-8") in blocks, call.args
    assert "{@" not in copy
    picture = site / "cards" / pages.address(PROJECT, file) / "index.png"
    assert Image.open(BytesIO(picture.read_bytes())).size == (1200, 630)


def test_the_sitemap_gives_each_page_in_both_languages(site):
    found = {}
    for name in ("sitemap.xml", "en/sitemap.xml"):
        for url in ElementTree.parse(site / name).getroot().findall("s:url", SITEMAP):
            links = url.findall("x:link", SITEMAP)
            found[url.findtext("s:loc", "", SITEMAP)] = {
                str(link.get("hreflang")): str(link.get("href")) for link in links
            }
    assert set(found) == {root(site) + pages.address(PROJECT, file) for file in FILES}
    assert all(alternates == found[alternates["en"]] for alternates in found.values())
    assert {*found} == {alternates[language] for alternates in found.values() for language in LANGUAGES}


def test_recipes_json_has_every_recipe_that_a_page_shows(site):
    found = json.loads((site / "recipes.json").read_text(encoding="utf-8"))
    assert set(found["recipes"]) == {meta for file in FILES if (meta := pages.front_matter(file).get("recipe"))}
    for recipe in found["recipes"].values():
        assert set(recipe["pages"]) == set(LANGUAGES)
        assert recipe["runs"][0]["proofs"]
        assert (site / recipe["bundle"].removeprefix(found["site"])).is_file()


def test_the_feeds_of_both_languages_have_the_same_entries(site):
    french, english = (
        [guid.text for guid in ElementTree.parse(site / name).getroot().iter("guid")]
        for name in ("feed.xml", "en/feed.xml")
    )
    assert french
    assert french == english


@pytest.mark.parametrize("path", ["start/install/", "en/redis/keys/"])
def test_copy_page_puts_its_markdown_on_the_clipboard(tab, site, path):
    tab.goto(path)
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.locator(".copy-page").click()
    expect(tab.locator(".page-actions [role=status]")).to_have_text("Copied" if path.startswith("en/") else "Copiée")
    assert tab.evaluate("navigator.clipboard.readText()") == (site / path / "index.md").read_text(encoding="utf-8")
    assert [url.rpartition("/")[2] for url in asked if "favicon" not in url] == ["index.md"]
    assert tab.wrong == []


def test_without_a_clipboard_the_markdown_is_shown(tab, address):
    tab.add_init_script("delete Navigator.prototype.clipboard")
    tab.goto("start/install/")
    tab.locator(".copy-page").click()
    tab.wait_for_url(f"{address}start/install/index.md")
