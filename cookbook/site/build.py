"""Both languages built side by side, each by a `builder`, and what it says of them in one line for each fault."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cookbook.project import CONFIGS, LANGUAGES, CookbookError, Project
from cookbook.site.html_pages import Html
from cookbook.snapshot import Snapshot
from cookbook.sources import pages

STRICT = "--strict"
ABOUT_LINK = re.compile(r"Doc file '(?P<page>.+?)' (?P<why>contains .*)")
ABOUT_MACRO = re.compile(r"\[macros\] - ERROR .*?_File_: `(?P<page>.+?)`\s+(?P<why>.*?)\n", re.DOTALL)
ORPHANS = 'The following pages exist in the docs directory, but are not included in the "nav"'


class Built(NamedTuple):
    """Whether all that was asked for was built, and what mkdocs warned of, a line each."""

    succeeded: bool
    warnings: list[str]


class Request(NamedTuple):
    """What a builder is to do: the whole language into *folder*, `complete` or not, else only *pages* once more."""

    folder: Path | None = None
    complete: bool = False
    pages: Sequence[str] = ()
    project: Snapshot | None = None
    """With what is known of it; without, the builder reads the project in its working folder as it is."""


class Answer(NamedTuple):
    """Why it was not done, empty when it was; what was logged as warning or error; the pages, if they are complete."""

    failure: str
    warnings: list[str]
    rendered: dict[str, Html]


class Builder:
    """A process that builds one language as often as it is asked to, one thing after the other."""

    def __init__(
        self,
        project: Project,
        language: str,
        env: Mapping[str, str],
        *,
        strict: bool = False,
        keep_open: tuple[int, ...] = (),
    ) -> None:
        self.project = project
        self.language = language
        self.rendered: dict[str, Html] = {}
        """The pages of the last build that was `complete`, by their paths below the site."""
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  # `close` does
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cookbook.site.builder", CONFIGS[language], *([STRICT] if strict else [])],
            cwd=project.root,
            env={**os.environ, **env, "NO_MKDOCS_2_WARNING": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            pass_fds=keep_open,
        )

    def begin(self, folder: Path, project: Snapshot | None = None, *, complete: bool = False) -> None:
        """Have it build the whole language into *folder*, and make it *complete* as it is published.

        It takes over what *project* knows; without one it reads the files by itself.
        """
        self._ask(Request(folder=folder, complete=complete, project=project))

    def begin_pages(self, paths: Sequence[str]) -> None:
        """Have it build the pages at *paths*, below the folder of the language, again: where they were built before."""
        self._ask(Request(pages=paths))

    def end(self) -> Built:
        """What became of that which began last, as soon as it ended."""
        assert self.process.stdout is not None
        try:
            answer: Answer = pickle.load(self.process.stdout)  # noqa: S301  # from a process of ours
        except EOFError:
            self.said.seek(0)
            last = (self.said.read().decode(errors="replace").strip() or "it said nothing").splitlines()[-1]
            return Built(False, [f"{CONFIGS[self.language]}: the build ended with {self.process.wait()}: {last}"])
        self.rendered = answer.rendered
        warnings = _lines(self.project, self.language, answer.warnings)
        if answer.failure and not warnings:
            warnings = [f"{CONFIGS[self.language]}: not built: {answer.failure}"]
        return Built(not answer.failure, warnings)

    def close(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.communicate()
        self.said.close()

    def _ask(self, request: Request) -> None:
        assert self.process.stdin is not None
        try:
            pickle.dump(request, self.process.stdin)
            self.process.stdin.flush()
        except BrokenPipeError:  # it died: `end` says of what
            pass


@contextmanager
def both(
    project: Project, env: Mapping[str, str], *, strict: bool, keep_open: tuple[int, ...] = ()
) -> Iterator[list[Builder]]:
    """A builder for each language, ended afterwards whatever it is at.

    *keep_open* are file descriptors that the builders hold as long as they live.
    """
    builders: list[Builder] = []
    try:
        for language in CONFIGS:
            builders += [Builder(project, language, env, strict=strict, keep_open=keep_open)]
        yield builders
    finally:
        for builder in builders:
            builder.close()


def finish(builders: Sequence[Builder], folder: Path) -> Built:
    """Wait for both languages, each begun in its folder of *folder*; the whole site is then in the ``fr/`` of it,
    English below ``fr/en/``."""
    ended = [builder.end() for builder in builders]
    succeeded = all(built.succeeded for built in ended)
    if succeeded:
        (folder / "en").rename(folder / "fr" / "en")
    return Built(succeeded, [warning for built in ended for warning in built.warnings])


def rendered(builders: Sequence[Builder]) -> dict[str, Html]:
    """The pages of the whole site, as `complete` left them, by their paths below it."""
    found: dict[str, Html] = {}
    for builder in builders:
        folder = "" if builder.language == LANGUAGES[0] else f"{builder.language}/"
        found |= {f"{folder}{name}": replace(page, name=f"{folder}{name}") for name, page in builder.rendered.items()}
    return dict(sorted(found.items()))


def build(project: Project, folder: Path, env: Mapping[str, str], *, strict: bool) -> Built:
    """Build both languages side by side into *folder*: the whole site is in its ``fr/``, English below ``fr/en/``."""
    with both(project, env, strict=strict) as builders:
        for builder in builders:
            builder.begin(folder / builder.language)
        return finish(builders, folder)


def _lines(project: Project, language: str, messages: Sequence[str]) -> list[str]:
    """The warnings and errors that mkdocs logged, one line each, which begins with the file that it is about."""
    found = []
    for text in messages:
        why = text.partition("\n")[0]
        file = project.root / CONFIGS[language]
        if text.startswith(ORPHANS):
            orphans = re.findall(r"^ +- (.+)", text, re.MULTILINE)
            found += [f"docs/{language}/{name}: not in the nav of {file.name}: add it there" for name in orphans]
        elif re.match(r"docs/\S+: ", why):  # one of our own macros, which know where they are
            found.append(why)
        elif about := ABOUT_MACRO.match(text):
            found.append(_macro_error(project, project.docs / language / about["page"], about["why"]))
        else:
            if about := ABOUT_LINK.match(text):
                file, why = project.docs / language / about["page"], about["why"]
            found.append(f"{project.relative(file)}{_line_of_what_is_quoted(file, why)}: {why}")
    return list(dict.fromkeys(found))


def _macro_error(project: Project, file: Path, why: str) -> str:
    """What is wrong with the macro calls of a page; *why* is mkdocs-macros' word, in Markdown, for what happened."""
    try:
        pages.read(file, project.relative(file))
    except CookbookError as error:  # which knows the line, front matter included
        return str(error)
    kind, _, what = why.removeprefix("_").partition("_: ")
    return f"{project.relative(file)}{_line_of_what_is_quoted(file, what)}: {kind}: {what}"


def _line_of_what_is_quoted(file: Path, text: str) -> str:
    """`:12`, the first line of *file* that holds what *text* quotes first; empty when none does."""
    quoted = re.search(r"'([^']+)'", text)
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((f":{number}" for number, line in enumerate(lines, 1) if quoted and quoted[1] in line), "")
