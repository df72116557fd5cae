"""The built site, as a reader gets it: `python -m cookbook test` publishes before these tests run."""

import os
import shutil

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Error, expect, sync_playwright

from cookbook.serve import served

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Without these Chromium calls home at its start, and waits where nothing answers.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
expect.set_options(timeout=30_000)  # milliseconds, as for everything else that Playwright waits for


@pytest.fixture(scope="session")
def site(project):
    if not (project.site / "index.html").exists():
        pytest.fail("site/: nothing is published there: run `make site` first", pytrace=False)
    return project.site


@pytest.fixture(scope="session")
def address(site):
    """Where the site is served for these tests, with its headers: what its policy refuses shows as an error."""
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
    """A page of the browser that notes what went wrong on it: errors of scripts, and requests to anyone else."""
    context = browser.new_context(base_url=address, permissions=["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    opened.wrong = []
    opened.on("pageerror", lambda error: opened.wrong.append(str(error)))
    opened.on("console", lambda message: opened.wrong.append(message.text) if message.type == "error" else None)
    foreign = opened.wrong.append
    opened.on("request", lambda request: request.url.startswith((address, "data:")) or foreign(request.url))
    go = opened.goto

    def goto(path):
        # Chromium drops what it is loading whenever a network comes or goes, as those of your own Docker do.
        for _ in range(10):
            opened.wrong.clear()
            try:
                go(path)
            except Error as error:
                opened.wrong.append(error.message)
            opened.wait_for_load_state("networkidle")
            if not any("ERR_NETWORK_CHANGED" in each for each in opened.wrong):
                return

    opened.goto = goto
    yield opened
    context.close()


@pytest.fixture(scope="session")
def soup(site):
    """Parse a page of the site: `soup("start/install/", "en")`."""

    def parse(path, language="fr"):
        folder = site if language == "fr" else site / language
        return BeautifulSoup((folder / path / "index.html").read_text(encoding="utf-8"), "html.parser")

    return parse
