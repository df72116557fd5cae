"""Both languages built side by side, each by a `builder`, and what it says of them in one line for each fault."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cookbook import pages
from cookbook.project import CookbookError, Project

CONFIGS = {"fr": "mkdocs.yml", "en": "mkdocs.en.yml"}
ABOUT_LINK = re.compile(r"Doc file '(?P<page>.+?)' (?P<why>contains .*)")
ABOUT_MACRO = re.compile(r"\[macros\] - ERROR .*?_File_: `(?P<page>.+?)`\s+(?P<why>.*?)\n", re.DOTALL)
ORPHANS = 'The following pages exist in the docs directory, but are not included in the "nav"'


class Built(NamedTuple):
    """Whether all that was asked for was built, and what mkdocs warned of, a line each."""

    succeeded: bool
    warnings: list[str]


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
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  # `close` does
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cookbook.builder", CONFIGS[language], *(["--strict"] if strict else [])],
            cwd=project.root,
            env={**os.environ, **env, "NO_MKDOCS_2_WARNING": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            pass_fds=keep_open,
        )

    def begin(self, folder: Path) -> None:
        """Have it build the whole language into *folder*."""
        self._ask({"folder": str(folder)})

    def begin_pages(self, paths: Sequence[str]) -> None:
        """Have it build the pages at *paths*, below the folder of the language, again: where they were built before."""
        self._ask({"pages": paths})

    def end(self) -> Built:
        """What became of that which began last, as soon as it ended."""
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            self.said.seek(0)
            last = (self.said.read().decode(errors="replace").strip() or "it said nothing").splitlines()[-1]
            return Built(False, [f"{CONFIGS[self.language]}: the build ended with {self.process.wait()}: {last}"])
        told = json.loads(answer)
        warnings = _lines(self.project, self.language, told["warnings"])
        if told["failure"] and not warnings:
            warnings = [f"{CONFIGS[self.language]}: not built: {told['failure']}"]
        return Built(not told["failure"], warnings)

    def close(self) -> None:
        """End the process, whatever it is at."""
        self.process.kill()
        self.process.communicate()
        self.said.close()

    def _ask(self, request: Mapping[str, object]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:  # it died: `end` says of what
            pass


@contextmanager
def building(
    project: Project, folder: Path, env: Mapping[str, str], *, strict: bool, keep_open: tuple[int, ...] = ()
) -> Iterator[list[Builder]]:
    """Both languages while they are built side by side into *folder*: see `finish`. Leaving ends what still runs.

    *keep_open* are file descriptors that the builds hold as long as they live.
    """
    builders: list[Builder] = []
    try:
        for language in CONFIGS:
            builders.append(Builder(project, language, env, strict=strict, keep_open=keep_open))
            builders[-1].begin(folder / language)
        yield builders
    finally:
        for builder in builders:
            builder.close()


def finish(builders: Sequence[Builder], folder: Path) -> Built:
    """Wait for both languages: the whole site is then in the ``fr/`` of *folder*, English below ``fr/en/``."""
    ended = [builder.end() for builder in builders]
    succeeded = all(built.succeeded for built in ended)
    if succeeded:
        (folder / "en").rename(folder / "fr" / "en")
    return Built(succeeded, [warning for built in ended for warning in built.warnings])


def build(project: Project, folder: Path, env: Mapping[str, str], *, strict: bool) -> Built:
    """Build both languages side by side into *folder*: the whole site is in its ``fr/``, English below ``fr/en/``."""
    with building(project, folder, env, strict=strict) as builders:
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
