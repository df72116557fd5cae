"""Builds both languages side by side, each in a `builder` process, and reports their warnings in one line each."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cookbook.project import CONFIGS, LANGUAGES, CookbookError, Project, language_folder
from cookbook.site.html_pages import Html
from cookbook.snapshot import Snapshot
from cookbook.sources import pages

STRICT = "--strict"
ABOUT_LINK = re.compile(r"Doc file '(?P<page>.+?)' (?P<why>contains .*)")
ABOUT_MACRO = re.compile(r"\[macros\] - ERROR .*?_File_: `(?P<page>.+?)`\s+(?P<why>.*?)\n", re.DOTALL)
ORPHANS = 'The following pages exist in the docs directory, but are not included in the "nav"'


class Built(NamedTuple):
    """The result of a build: whether it succeeded, and the warnings of MkDocs in one line each."""

    succeeded: bool
    warnings: list[str]


class Request(NamedTuple):
    """What a builder has to do: build the whole language into *folder*, or without one, build *pages* again.

    *pages* are paths below the folder of the language. *complete* adds what a published site has besides the output of
    MkDocs. *project* passes on what is known of the files; without it, the builder reads them itself.
    """

    folder: Path | None = None
    pages: Sequence[str] = ()
    complete: bool = False
    project: Snapshot | None = None


class Answer(NamedTuple):
    """What a builder did: why it failed (else empty), its warnings and errors, and the pages of a `complete` build by
    their paths."""

    failure: str
    warnings: list[str]
    rendered: dict[str, Html]


class Builder:
    """A process that builds one language as often as requested, one request at a time.

    ``rendered`` are the pages of the last build that was `complete`, by their paths below the language. *keep_open* are
    file descriptors that the process inherits.
    """

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
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cookbook.site.builder", CONFIGS[language], *([STRICT] if strict else [])],
            cwd=project.root,
            env={**os.environ, **env, "NO_MKDOCS_2_WARNING": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            pass_fds=keep_open,
        )

    def begin(self, request: Request) -> None:
        """Send *request* to the process, which works on it until `end`."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # the process died: `end` reports why
            pickle.dump(request, self.process.stdin)
            self.process.stdin.flush()

    def end(self) -> Built:
        """Wait for the last request and return its result."""
        assert self.process.stdout is not None
        config = CONFIGS[self.language]
        try:
            answer: Answer = pickle.load(self.process.stdout)  # noqa: S301  # from our own process
        except EOFError:
            self.stderr.seek(0)
            lines = self.stderr.read().decode(errors="replace").strip().splitlines() or ["no output"]
            return Built(False, [f"{config}: the build exited with status {self.process.wait()}: {lines[-1]}"])
        self.rendered = answer.rendered
        warnings = _lines(self.project, self.language, answer.warnings)
        if answer.failure and not warnings:
            warnings = [f"{config}: not built: {answer.failure}"]
        return Built(not answer.failure, warnings)

    def close(self) -> None:
        """Kill the process."""
        self.process.kill()
        self.process.communicate()
        self.stderr.close()


@contextmanager
def both(
    project: Project, env: Mapping[str, str], *, strict: bool, keep_open: tuple[int, ...] = ()
) -> Iterator[list[Builder]]:
    """Yield a builder for each language; their processes are killed afterwards."""
    with ExitStack() as stack:
        builders = [Builder(project, language, env, strict=strict, keep_open=keep_open) for language in LANGUAGES]
        for builder in builders:
            stack.callback(builder.close)
        yield builders


def finish(builders: Sequence[Builder], folder: Path) -> Built:
    """Wait for both languages, each in its own subfolder of *folder*, and move the second one into the first, which is
    then the whole site."""
    ended = [builder.end() for builder in builders]
    succeeded = all(built.succeeded for built in ended)
    if succeeded:
        site, *others = (folder / builder.language for builder in builders)
        for other in others:
            other.rename(site / other.name)
    return Built(succeeded, [warning for built in ended for warning in built.warnings])


def rendered(builders: Sequence[Builder]) -> dict[str, Html]:
    """The pages of the whole site after a `complete` build, by their paths below it."""
    found: dict[str, Html] = {}
    for builder in builders:
        folder = language_folder(builder.language)
        found |= {f"{folder}{name}": replace(page, name=f"{folder}{name}") for name, page in builder.rendered.items()}
    return dict(sorted(found.items()))


def build(project: Project, folder: Path, env: Mapping[str, str], *, strict: bool) -> Built:
    """Build both languages into *folder*: the whole site is in its ``fr/``, English in ``fr/en/``."""
    with both(project, env, strict=strict) as builders:
        for builder in builders:
            builder.begin(Request(folder / builder.language))
        return finish(builders, folder)


def _lines(project: Project, language: str, messages: Sequence[str]) -> list[str]:
    """The *messages* that MkDocs logged, in one line each, which begins with the file that it is about."""
    found = []
    for text in messages:
        why = text.partition("\n")[0]
        file = project.root / CONFIGS[language]
        if text.startswith(ORPHANS):
            orphans = re.findall(r"^ +- (.+)", text, re.MULTILINE)
            found += [f"docs/{language}/{name}: not in the nav of {file.name}: add it there" for name in orphans]
        elif re.match(r"docs/\S+: ", why):  # of our own macros, which know their place
            found.append(why)
        elif about := ABOUT_MACRO.match(text):
            found.append(_macro_error(project, project.docs / language / about["page"], about["why"]))
        else:
            if about := ABOUT_LINK.match(text):
                file, why = project.docs / language / about["page"], about["why"]
            found.append(f"{project.relative(file)}{_line_of_quote(file, why)}: {why}")
    return list(dict.fromkeys(found))


def _macro_error(project: Project, file: Path, why: str) -> str:
    """The error in the macro calls of a page; *why* is the description by mkdocs-macros, in Markdown."""
    try:
        pages.read(file, project.relative(file))
    except CookbookError as error:  # with the right line: mkdocs-macros does not count the front matter
        return str(error)
    kind, _, what = why.removeprefix("_").partition("_: ")
    return f"{project.relative(file)}{_line_of_quote(file, what)}: {kind}: {what}"


def _line_of_quote(file: Path, text: str) -> str:
    """`:12`, the first line of *file* that contains the first quotation in *text*; empty when there is none."""
    quoted = re.search(r"'([^']+)'", text)
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((f":{number}" for number, line in enumerate(lines, 1) if quoted and quoted[1] in line), "")
