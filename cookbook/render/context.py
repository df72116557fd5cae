"""What a macro knows about its build: the project, the language, the page; and how it reports what is missing."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from mkdocs_macros.plugin import MacrosPlugin

from cookbook.project import LANGUAGES, CookbookError
from cookbook.render import proofs
from cookbook.render.fragments import inline
from cookbook.render.markdown import html_block
from cookbook.render.words import WORDS
from cookbook.snapshot import Snapshot
from cookbook.sources import pages

log = logging.getLogger("mkdocs.cookbook")


def begin(env: MacrosPlugin) -> Context:
    """Make the context of the macros that the build of *env* calls, and keep it with *env*."""
    project = getattr(env, "snapshot", None) or Snapshot(Path(str(env.project_dir)))
    context = Context(env, project, str(env.conf["theme"]["language"]))
    env.context = context  # type: ignore[attr-defined]
    return context


def context_of(env: MacrosPlugin) -> Context:
    """The context that `begin` made for *env*."""
    context: Context = env.context  # type: ignore[attr-defined]
    return context


def give(env: MacrosPlugin, project: Snapshot) -> None:
    """Have the macros of *env* read *project*, in the build that begins or in one that continues."""
    env.snapshot = project  # type: ignore[attr-defined]
    if hasattr(env, "context"):
        context_of(env).project = project


@dataclass
class Context:
    """The build that calls a macro: the project, the language, and the current page."""

    env: MacrosPlugin
    project: Snapshot
    language: str
    cited: dict[tuple[str, str], str] = field(default_factory=dict)
    """The proofs that the current page cites, as recipe and name, and the `link_to` the page of each."""

    @property
    def words(self) -> Mapping[str, str]:
        """The words of the machinery in the language of the build."""
        return WORDS[self.language]

    @property
    def page(self) -> Any:
        """The page of MkDocs that is being built."""
        return self.env.page

    def repository(self) -> str:
        """The address of the project's files, ``https://host/owner/name/blob/main/``; empty when it has none."""
        repository = self.env.conf["extra"]["repository"]
        return f"{repository['url'].rstrip('/')}/{repository['view']}" if repository["url"] else ""

    def report(self, gap: str, *, stated: bool) -> None:
        """Log a gap in the evidence. Publishing refuses it, unless a run *stated* its reason."""
        level = logging.WARNING if os.environ.get("COOKBOOK_PUBLISH") and not stated else logging.INFO
        log.log(level, "%s: %s", self.caller(), gap)

    def unrecorded(self, recipe: str, record: str, gap: str) -> str:
        """The sentence in the place of a *record* that no run made, or above a transcript that none executed.

        It is stated if the run skipped its proof with a reason.
        """
        reason = proofs.skipped(self.project, recipe, record)
        self.report(gap, stated=bool(reason))
        text = self.words["unrecorded"].format(reason=reason or self.words["not run"])
        return html_block(f'<p class="unproven">{inline(text)}</p>')

    def caller(self) -> str:
        """`docs/fr/redis/keys.md:12`: where the page calls the macro that is running.

        Jinja gives a macro no line number, so this looks for the frame of its compiled template.
        """
        file = Path(self.page.file.abs_src_path)
        where = self.project.relative(file)
        frame = sys._getframe(1)
        while frame and "__jinja_template__" not in frame.f_globals:
            frame = frame.f_back  # type: ignore[assignment]
        if not frame:
            return where
        template = frame.f_globals["__jinja_template__"]
        header = re.match(r"---\n.*?\n---\s*\n", file.read_text(encoding="utf-8-sig"), re.S)
        above = header[0].count("\n") if header else 0  # the template lacks the front matter
        return f"{where}:{template.get_corresponding_lineno(frame.f_lineno) + above}"

    def to_root(self) -> str:
        """From the page's address to the root that both languages share."""
        depth = str(self.page.url).count("/") + (self.language != LANGUAGES[0])
        return "../" * depth or "./"

    def link_to(self, recipe: str) -> str:
        """The address of the page of *recipe*, from this page; empty when it is this one."""
        if self.page.meta.get("recipe") == recipe:
            return ""
        found = pages.of_recipes(self.project, self.language)
        if recipe not in found:
            raise CookbookError(f"no page says `recipe: {recipe}` in its front matter")
        return self._address(found[recipe][0])

    def titles(self) -> dict[str, str]:
        """The title of the page of each recipe, linked from this page, in the order of the titles."""
        found = pages.of_recipes(self.project, self.language).items()
        by_title = sorted(found, key=lambda item: escape(item[1][1]["title"]).casefold())
        return {
            recipe: f'<a href="{self._address(file)}">{escape(meta["title"])}</a>' for recipe, (file, meta) in by_title
        }

    def _address(self, file: Path) -> str:
        address = file.relative_to(self.project.docs / self.language).with_suffix("").as_posix()
        return "../" * str(self.page.url).count("/") + address + "/"
