"""Both languages built at once, and what mkdocs says of it told in one line for each fault."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cookbook import pages
from cookbook.project import CookbookError, Project

CONFIGS = {"fr": "mkdocs.yml", "en": "mkdocs.en.yml"}
RECORD = re.compile(r"^(?P<level>[A-Z]+) *-  ", re.MULTILINE)  # how mkdocs begins what it logs
ABOUT_LINK = re.compile(r"Doc file '(?P<page>.+?)' (?P<why>contains .*)")
ABOUT_MACRO = re.compile(r"\[macros\] - ERROR .*?_File_: `(?P<page>.+?)`\s+(?P<why>.*?)\n", re.DOTALL)
ORPHANS = 'The following pages exist in the docs directory, but are not included in the "nav"'


class Built(NamedTuple):
    """Whether both languages were built, and what mkdocs warned of, a line each."""

    succeeded: bool
    warnings: list[str]


def build(
    project: Project, folder: Path, env: Mapping[str, str], *, strict: bool, keep_open: tuple[int, ...] = ()
) -> Built:
    """Build both languages at once into *folder*: the whole site is in its ``fr/``, English below ``fr/en/``.

    *keep_open* are file descriptors that the builds hold as long as they live.
    """
    environment = {**os.environ, **env, "NO_COLOR": "1", "NO_MKDOCS_2_WARNING": "1"}
    environment.pop("COLUMNS", None)  # without it, and without a terminal, mkdocs does not fold its lines
    running = []
    try:
        for language, config in CONFIGS.items():
            # Side by side, for the French build empties the folder that it writes to.
            argv = ["build", "--config-file", config, "--site-dir", str(folder / language)]
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "mkdocs", *argv, "--strict" if strict else "--no-strict"],
                    cwd=project.root,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    pass_fds=keep_open,
                )
            )
        outputs = [process.communicate()[0] for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    warnings = []
    for language, process, output in zip(CONFIGS, running, outputs, strict=True):
        told = _warnings(project, language, output)
        if process.returncode and not told:
            last = (output.strip() or "it said nothing").splitlines()[-1]
            told = [f"{CONFIGS[language]}: mkdocs ended with exit code {process.returncode}: {last}"]
        warnings += told
    succeeded = all(process.returncode == 0 for process in running)
    if succeeded:
        (folder / "en").rename(folder / "fr" / "en")
    return Built(succeeded, warnings)


def _warnings(project: Project, language: str, output: str) -> list[str]:
    """The warnings and errors that mkdocs logged, one line each, which begins with the file that it is about."""
    found = []
    _, *logged = RECORD.split(output)
    for level, text in zip(logged[::2], logged[1::2], strict=True):
        if level not in ("WARNING", "ERROR", "CRITICAL"):
            continue
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
