"""Publishes the site: checks its sources, builds it aside, checks the rendered pages, then swaps it in as a whole."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cookbook.checks import parity, prose, vocabulary
from cookbook.evidence import columns, matrix, records
from cookbook.project import LANGUAGES, SHARED, CookbookError, Project
from cookbook.render import accounts
from cookbook.site import build, bundles, headers, html_checks, machines
from cookbook.site.build import Request
from cookbook.snapshot import Snapshot
from cookbook.sources import scaffold, snippets
from cookbook.sources.shown_lines import code_calls

EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
HERE = -100  # AT_FDCWD of fcntl.h


def publish(project: Project, site_dir: Path | None = None) -> Path:
    """Publish both languages to *site_dir* (``site/`` by default); return the folder of the site.

    Raises CookbookError for any problem of the pages, the evidence, the build or the rendered HTML, and leaves the last
    good site as it was.
    """
    target = (site_dir or project.site).resolve()
    with _only_publisher(target) as (aside, lock):
        env = {"COOKBOOK_PUBLISH": "true"}
        with build.both(project, env, strict=True, keep_open=(lock,)) as builders:
            project = _read(project)
            for builder in builders:
                builder.begin(Request(aside / builder.language, project=project, complete=True))
            _refuse(problems(project))
            machines.pictures(project)
            _refuse(build.finish(builders, aside).warnings)
            rendered = build.rendered(builders)
        site = aside / LANGUAGES[0]
        for recipe in bundles.shown_recipes(project):
            bundles.write_bundle(project, recipe, site / "bundles" / f"{recipe}.zip")
        accounts.write(project, site / accounts.JSON)
        machines.write(project, site)
        _refuse(html_checks.problems(project, site, rendered) + headers.problems(rendered))
        headers.write(site)
        swap(site, target)
    count = sum(len(project.pages(language)) for language in LANGUAGES)
    print(f"{count} pages; {html_checks.count_blocks(rendered)} blocks equal their recipe byte for byte", flush=True)
    return target


def _read(project: Project) -> Snapshot:
    """The project with what both builds need of it, read once."""
    snapshot = Snapshot(project.root)
    with suppress(CookbookError):  # `problems` reports it
        accounts.accounts(snapshot)  # reads all evidence, cells and verdicts
        _wrong_calls(snapshot)  # cuts each snippet
        for recipe in snapshot.recipe_names():
            matrix.load(snapshot, recipe, columns.columns(snapshot))
    return snapshot


def problems(project: Project, *, with_evidence: bool = True) -> list[str]:
    """Why the project cannot be published as it is, a line each, as far as can be seen without building it."""
    found = scaffold.problems(project) + parity.problems(project) + prose.problems(project)
    try:
        found += _wrong_calls(project) + _unused_regions(project) + _unproven(project) + vocabulary.of_proofs(project)
    except CookbookError as error:  # a page or a recipe that cannot be read, which may be reported already
        found += [str(error)] if str(error) not in found else []
    if with_evidence:
        for recipe in project.recipe_names():
            found += records.problems(project, recipe)
            found += matrix.problems(project, recipe, columns.columns(project))
    return found


def swap(new: Path, target: Path) -> None:
    """Move the folder *new* to *target* in one step; the former *target*, if there was one, is at *new* afterwards."""
    if not target.exists():
        new.rename(target)
        return
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
        exchanged = renameat2(HERE, os.fsencode(new), HERE, os.fsencode(target), EXCHANGE) == 0
    except AttributeError:  # not Linux, or a C library without it
        exchanged = False
    if exchanged:
        return
    old = _old(target)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    old.rename(new)


def _old(target: Path) -> Path:
    """Where the last good site is during `swap`, on systems that cannot exchange two folders."""
    return target.with_name(f".{target.name}.old")


@contextmanager
def _only_publisher(target: Path) -> Iterator[tuple[Path, int]]:
    """Yield an empty folder beside *target*, removed afterwards, and the descriptor that locks out other publishers."""
    is_replaceable = target.is_dir() and (not any(target.iterdir()) or (target / "sitemap.xml").exists())
    if target.exists() and not is_replaceable:
        raise CookbookError(f"{target}: not a site, and publishing would remove what is there: name another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(target.parent, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CookbookError(
                f"{target}: another publish is running in {target.parent}: wait until it ends"
            ) from None
        if _old(target).exists() and not target.exists():  # a publisher was killed during `swap`
            _old(target).rename(target)
        aside = target.with_name(f".{target.name}.new")
        shutil.rmtree(aside, ignore_errors=True)  # of a publisher that was killed: a running one has the lock
        aside.mkdir()
        try:
            yield aside, lock
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    finally:
        os.close(lock)


def _refuse(found: list[str]) -> None:
    if found:
        raise CookbookError("\n".join(found))


def _wrong_calls(project: Project) -> list[str]:
    """The errors that a build would report for the calls of code()."""
    found = []
    for page, call in code_calls(project):
        try:
            snippets.annotate(snippets.cut(project, *call.args), call.kwargs.get("notes") or {})
        except (CookbookError, TypeError) as error:  # TypeError: the wrong number of arguments
            found.append(f"{page}:{call.line}: {error}")
    return found


def _unused_regions(project: Project) -> list[str]:
    shown = {(call.args[0], symbol) for _, call in code_calls(project) for symbol in call.args[1:]}
    return [
        f'{snippets.from_root(path)}: no page shows the region "{name}": call code("{path}", "{name}"), or remove it'
        for path, names in sorted(snippets.regions(project).items())
        for name in sorted(names)
        if (path, name) not in shown
    ]


def _unproven(project: Project) -> list[str]:
    """Recipes without a proof module, and pages of recipes that do not exist."""
    folders = {path.name for path in project.recipes.iterdir() if path.is_dir()} - {*SHARED, "__pycache__"}
    named = folders | bundles.shown_recipes(project).keys()
    return [
        f"tests/recipes/test_{recipe}.py: missing, so nothing proves recipes/{recipe}: write it, or remove the recipe"
        for recipe in sorted(named.difference(project.recipe_names()))
    ]
