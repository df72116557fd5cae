import pytest


def blocks(page):
    """Title and copied text of each block of a page that has a title, in order."""
    for block in page.select(".highlight[data-source]"):
        if title := block.select_one(".filename"):
            yield title.get_text(), block.get("data-copy") or block.select_one("code").get_text()


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_blocks_of_the_page_saved_under_their_titles_are_a_project_that_runs(soup, stack, tmp_path, language):
    for title, text in blocks(soup("start/install", language)):
        file = tmp_path / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.rstrip("\n") + "\n")
    stack.cwd = tmp_path
    worker = stack.worker()
    assert ". core.tasks.ping" in worker.log
    assert stack.django()("from core.tasks import ping; ping.delay().get(timeout=10)") == "pong"
