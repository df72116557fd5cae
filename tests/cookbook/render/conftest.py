"""Pages as mkdocs-macros renders them with the settings of the site, without a whole build."""

import logging

import pytest
from mkdocs.config import load_config
from mkdocs.structure.files import File
from mkdocs.structure.pages import Page
from mkdocs_macros.plugin import MacrosPlugin

from cookbook.render import context

CONFIGS = {"fr": "mkdocs.yml", "en": "mkdocs.en.yml"}


@pytest.fixture
def context_at(project):
    """Render a page of a language: the context of its macros, whose ``env.markdown`` is the page after them."""

    def render(path="start/greet.md", language="en"):
        config = load_config(str(project.root / CONFIGS[language]))
        macros = config.plugins["macros"]
        assert isinstance(macros, MacrosPlugin)
        macros.on_config(config)
        page = Page(None, File(path, config.docs_dir, config.site_dir, use_directory_urls=True), config)
        page.read_source(config)
        macros.on_page_markdown(page.markdown, page=page, config=config)
        return context.context_of(macros)

    return render


@pytest.fixture
def rendered(context_at, caplog):
    """Render a page: its Markdown after the macros, and the warnings that they logged."""

    def render(path="start/greet.md", language="en"):
        caplog.clear()
        markdown = context_at(path, language).env.markdown
        return markdown, [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]

    caplog.set_level(logging.INFO, "mkdocs.cookbook")
    return render
