"""The bytes that a first visit to a recipe page transfers."""

import re

import pytest
from test_reader import RECIPES

LIMIT = 80_000  # bytes of every file that a first visit requests, compressed, with headers
SEARCH_WORKER = re.compile(r"/[^/]*search[^/]*\.js$")


def by_weight(site):
    return sorted(RECIPES, key=lambda path: (site / path / "index.html").stat().st_size)


def test_the_heaviest_and_the_median_recipe_page_are_light_in_both_languages(tab, site):
    session = tab.context.new_cdp_session(tab)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    received = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    weights = {}
    pages = by_weight(site)
    for path in (pages[-1], pages[len(pages) // 2]):
        for address in (path, f"en/{path}"):
            received.clear()
            tab.goto(address)
            tab.wait_for_load_state("networkidle")
            weights[address] = sum(received)
    assert {address: weight for address, weight in weights.items() if weight > LIMIT} == {}
    assert min(weights.values()) > LIMIT / 4  # otherwise they were not counted


def test_the_search_index_and_its_worker_are_fetched_only_when_the_reader_searches(tab):
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto("start/first-task/")
    tab.wait_for_load_state("networkidle")
    assert [url for url in asked if "search" in url.replace("lazy-search", "")] == []
    with tab.expect_request("**/search_index.json"), tab.expect_request(SEARCH_WORKER):
        tab.locator("input.md-search__input").focus()


@pytest.mark.parametrize("language", ["", "en/"])
def test_the_error_that_is_pasted_on_the_home_page_is_searched(tab, language):
    tab.goto(language)
    error = 'Traceback (most recent call last):\n  File "x.py", line 1\nkombu.exceptions.OperationalError: unacked\n'
    tab.locator(".paste textarea").fill(error)
    tab.locator(".paste button").click()
    tab.locator(".md-search-result__item").first.wait_for()
    assert tab.locator(".md-search__input").input_value() == " ".join(error.split())
    assert tab.wrong == []


def test_without_scripts_the_home_page_keeps_its_three_ways_and_shows_no_box_that_does_nothing(browser, address):
    with browser.new_context(base_url=address, java_script_enabled=False, color_scheme="dark") as context:
        page = context.new_page()
        page.goto("")
        assert page.locator(".ways p:last-child a:visible").count() == 3
        assert not page.locator(".paste").is_visible()
        assert not page.locator(".md-search").is_visible()
