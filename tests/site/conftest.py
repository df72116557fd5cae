"""Fixtures for the published site: `python -m cookbook test` publishes it before these tests run."""

import os
import shutil

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import expect, sync_playwright
from tabs import open_tab

from cookbook.site.serve import served

# The first is the same engine without desktop windows: it needs a third of the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without these, Chromium calls its servers at startup, and waits when nothing answers.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
expect.set_options(timeout=30_000)  # milliseconds, as for everything else that Playwright waits for


@pytest.fixture(scope="session")
def site(project):
    if not (project.site / "index.html").exists():
        pytest.fail("site/: nothing is published there: run `make site` first", pytrace=False)
    return project.site


@pytest.fixture(scope="session")
def address(site):
    """The address of the site during these tests. It is served with its headers: what the policy blocks is an error."""
    with served(site) as found:
        yield found


@pytest.fixture(scope="session")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(f"no browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def tab(browser, address):
    with browser.new_context(base_url=address, permissions=["clipboard-read", "clipboard-write"]) as context:
        yield open_tab(context, address)


@pytest.fixture(scope="session")
def soup(site):
    """Parse a page of the site: `soup("start/install/", "en")`."""

    def parse(path, language="fr"):
        folder = site if language == "fr" else site / language
        return BeautifulSoup((folder / path / "index.html").read_text(encoding="utf-8"), "html.parser")

    return parse
