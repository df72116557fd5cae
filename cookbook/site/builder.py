"""The program that builds one language with MkDocs: all of its pages, then single pages again as they are edited.

What we use of the internals of MkDocs' build is here. `build` starts this program and sends it requests.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from mkdocs.commands import build
from mkdocs.config import load_config
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.plugins import BasePlugin
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation
from mkdocs_macros.plugin import MacrosPlugin

from cookbook.project import CookbookError
from cookbook.render import context
from cookbook.site import assets, html_pages, machines
from cookbook.site.build import STRICT, Answer, Request
from cookbook.site.html_pages import Html
from cookbook.snapshot import Snapshot


class _Kept(BasePlugin):  # type: ignore[type-arg,no-untyped-call]  # it has no options
    """Keeps what MkDocs creates for a whole build and needs again to build one of its pages."""

    files: Files
    nav: Navigation
    env: Any

    def on_nav(self, nav: Navigation, *, config: MkDocsConfig, files: Files) -> None:
        self.nav = nav

    def on_env(self, env: Any, *, config: MkDocsConfig, files: Files) -> None:
        self.env, self.files = env, files
        env.trim_blocks = env.lstrip_blocks = True  # the blanks around the theme's tags are 3 % of a page


class Language:
    """The language of *config_file*, and its last build."""

    def __init__(self, config_file: str, *, strict: bool) -> None:
        self.config_file = config_file
        self.strict = strict

    def build(self, folder: Path, project: Snapshot) -> None:
        """Empty *folder* and build every page into it. Raises what MkDocs raises, including SystemExit."""
        with Path(self.config_file).open("rb") as file:  # by name, MkDocs would report absolute paths
            self.config = load_config(file, site_dir=str(folder), strict=self.strict)
        self.kept = _Kept()
        self.config.plugins["cookbook"] = self.kept
        self._pass_on(project)
        self.config.plugins.on_startup(command="build", dirty=False)
        build.build(self.config)

    def build_pages(self, paths: Sequence[str], project: Snapshot) -> None:
        """Build the pages at *paths*, below the folder of the language, again, and the search index.

        Their front matter must be that of the last build: other pages show it, for example in their navigation.
        """
        config, kept = self.config, self.kept
        self._pass_on(project)
        search: Any = config.plugins["material/search"]
        entries = search.search_index.entries
        pages = [file.page for path in paths if (file := kept.files.get_file_from_path(path)) and file.page]
        for page in pages:
            build._populate_page(page, config, kept.files)
        listed = kept.files.documentation_pages()
        for page in pages:
            search.search_index.entries = []
            build._build_page(page, config, listed, kept.nav, kept.env)
            entries = _replaced(entries, page.url, search.search_index.entries)
        search.search_index.entries = entries
        for file in listed:
            assert file.page is not None
            file.page.validate_anchor_links(files=kept.files, log_level=config.validation.links.anchors)
        config.plugins.on_post_build(config=config)

    def _pass_on(self, project: Snapshot) -> None:
        macros = self.config.plugins["macros"]
        assert isinstance(macros, MacrosPlugin)
        context.give(macros, project)


def complete(folder: Path) -> dict[str, Html]:
    """Add to the built pages in *folder* what a published site has besides the output of MkDocs; return the pages."""
    machines.write_copies(folder)
    assets.join(folder)
    return html_pages.read_all(folder)


def main(argv: Sequence[str], requests: BinaryIO, answers: BinaryIO) -> None:
    """Write an `Answer` to *answers* for each `Request` in *requests*, until they end; both are pickled."""
    language = Language(argv[0], strict=STRICT in argv)
    logged = _Logged(logging.WARNING)
    logger = logging.getLogger("mkdocs")
    logger.setLevel(logging.INFO)
    logger.addHandler(logged)
    while True:
        try:
            request: Request = pickle.load(requests)  # noqa: S301  # from the process that started this one
        except EOFError:
            return
        logged.messages = []
        pickle.dump(_answer(language, request, logged.messages), answers)
        answers.flush()


def _answer(language: Language, request: Request, warnings: list[str]) -> Answer:
    project = request.project or Snapshot(Path.cwd())
    try:
        if request.folder:
            language.build(request.folder, project)
            return Answer("", warnings, complete(request.folder) if request.complete else {})
        language.build_pages(request.pages, project)
    except CookbookError as error:
        return Answer(str(error), warnings, {})
    except (Exception, SystemExit) as error:  # MkDocs' Abort is a SystemExit
        return Answer(f"{type(error).__name__}: {error}", warnings, {})
    return Answer("", warnings, {})


class _Logged(logging.Handler):
    """Collects the messages that are logged."""

    messages: list[str]

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _replaced(entries: list[dict[str, Any]], url: str, new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The search *entries* with those of the page at *url* replaced by *new*, in the same place."""
    own = [at for at, entry in enumerate(entries) if entry["location"].partition("#")[0] == url]
    start = own[0] if own else len(entries)
    return [*entries[:start], *new, *(entry for at, entry in enumerate(entries) if at >= start and at not in own)]


if __name__ == "__main__":
    gc.set_threshold(200_000)  # a build keeps most of what it allocates: frequent collections find little
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # keeps what libraries print out of the answers
        main(sys.argv[1:], sys.stdin.buffer, out)
