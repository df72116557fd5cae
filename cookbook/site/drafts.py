"""Serves both languages at one address while they are written: builds again what an edit changes, and shows it."""

from __future__ import annotations

import html
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

from mkdocs.livereload import LiveReloadServer

from cookbook.project import CONFIGS, LANGUAGES, CookbookError, Project, language_folder
from cookbook.render import accounts
from cookbook.site import bundles, copies, edits, machines
from cookbook.site.build import Builder, Built, Request
from cookbook.site.edits import Pages
from cookbook.site.serve import HOST, free_port, not_found
from cookbook.snapshot import Snapshot

MACHINERY = Path(__file__).parents[1]
FAILED = '<!doctype html><meta charset="utf-8"><title>Not built</title><h1>Not built</h1><pre>{}</pre>'


def serve_while_writing(project: Project, port: int | None = None) -> None:
    """Serve both languages until Ctrl-C; edits of pages, recipes, proofs and the machinery are built as they come."""
    folder = Path(tempfile.mkdtemp(prefix="cookbook-serve-"))
    try:
        server = Drafts(project, folder, free_port(port))
        for path in server.watched():
            server.watch(str(path))
        try:
            server.serve()  # type: ignore[no-untyped-call]
        except KeyboardInterrupt:
            print()
        finally:
            server.shutdown()
            server.end_builders()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Drafts(LiveReloadServer):
    """MkDocs' own server, for a link to the folder of the first language, in which the others are links too."""

    def __init__(self, project: Project, folder: Path, port: int) -> None:
        self.site = folder / "site"
        super().__init__(self.rebuild, HOST, port, str(self.site))
        self.project = project
        self.folder = folder
        self.numbers = count()
        self.states: dict[Path, tuple[int, int]] = {}
        self.front_matters: dict[Path, dict[str, Any]] = {}
        self.builders: dict[str, Builder] = {}  # those whose last build succeeded
        self.built: dict[str, Path] = {}  # where the last good pages of each language are
        self._want_rebuild = True  # LiveReloadServer's: begin with a build, for which requests wait
        self._visible_epoch -= 1

    def watched(self) -> list[Path]:
        """The folders and files whose edits lead to a build."""
        project = self.project
        project.evidence.mkdir(exist_ok=True)  # to notice the first run of a recipe too
        folders = [project.docs, project.recipes, project.proofs, project.evidence, project.root / "theme"]
        configs = [project.root / name for name in ("mkdocs.base.yml", *CONFIGS.values())]
        return [*folders, *configs, MACHINERY]

    def rebuild(self) -> None:
        """Build what was edited and print the warnings; where it fails, the last good pages stay."""
        print("Building…", flush=True)
        start = time.monotonic()
        ended = self._build(self._due())
        warnings = [warning for built in ended for warning in built.warnings]
        for warning in warnings:
            print(warning)
        succeeded = all(built.succeeded for built in ended)
        self._show("\n".join(warnings))
        print(f"{'Built' if succeeded else 'NOT built'} in {time.monotonic() - start:.1f} s", flush=True)

    def end_builders(self) -> None:
        """Kill the processes that build."""
        while self.builders:
            self.builders.popitem()[1].close()

    def _due(self) -> dict[str, Pages]:
        """What to build in each language after the edits since the last call."""
        before, self.states = self.states, edits.states(self.watched())
        edited = {file for file, _ in before.items() ^ self.states.items()}
        if any(file.is_relative_to(MACHINERY) for file in edited):  # the builders run the code from before
            self.end_builders()
            due: dict[str, Pages] = dict.fromkeys(LANGUAGES)
        else:
            due = edits.due(self.project, edited, self.front_matters)
        self.front_matters = edits.front_matters(self.project)
        return due

    def _build(self, due: dict[str, Pages]) -> list[Built]:
        """Build what is *due* in both languages side by side; after a failed build, build the whole language."""
        env = {f"SITE_URL{_suffix(language)}": self.url + language_folder(language) for language in LANGUAGES}
        requests: dict[str, Request] = {}
        for language in LANGUAGES:
            paths = due[language] if language in self.builders else None
            if language not in self.builders:
                self.builders[language] = Builder(self.project, language, env)
            if paths is None:
                requests[language] = Request(self.folder / f"{language}-{next(self.numbers)}")
            elif paths:
                requests[language] = Request(pages=sorted(paths))
        for language, request in requests.items():
            self.builders[language].begin(request)
        ended = {language: self.builders[language].end() for language in requests}
        for language, built in ended.items():
            if not built.succeeded:
                self.builders.pop(language).close()
            else:
                self.built[language] = requests[language].folder or self.built[language]
        return [*ended.values()]

    def _show(self, warnings: str) -> None:
        """Serve the last good pages of both languages; without them, a page with the *warnings*."""
        root = self.folder / "failed"
        if self.built.keys() == {*LANGUAGES}:
            root = self.built[LANGUAGES[0]]
            for language in LANGUAGES[1:]:
                _link(root / language, self.built[language])
        else:
            for page in (root / language_folder(language) / "index.html" for language in LANGUAGES):
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(FAILED.format(html.escape(warnings)), encoding="utf-8")
        _link(self.site, root)
        for folder in self.folder.iterdir():
            if folder not in (self.site, root, *self.built.values()):
                shutil.rmtree(folder, ignore_errors=True)

    def server_activate(self) -> None:
        """Listen, and say where."""
        super().server_activate()
        addresses = " and ".join(self.url + language_folder(language) for language in LANGUAGES)
        print(f"Serving {addresses} until Ctrl-C; edits are shown at once", flush=True)

    def _serve_request(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes] | None:
        """Answer what MkDocs does not: it calls its error handler without the address."""
        answer: Iterable[bytes] | None = super()._serve_request(environ, start_response)
        if answer is None:
            path = str(environ["PATH_INFO"])
            status, kind, body = HTTPStatus.NOT_FOUND, "text/html", not_found(self.site, path)
            if made := self._made(path):
                status, (kind, body) = HTTPStatus.OK, made
            charset = "; charset=utf-8" if kind.startswith("text/") else ""
            start_response(f"{status.value} {status.phrase}", [("Content-Type", kind + charset)])
            answer = [body]
        return answer

    def _made(self, path: str) -> tuple[str, bytes] | None:
        """The media type and the bytes of *path*, if it is one of the published site's files that MkDocs does not
        build."""
        file = Path(self.site, path.lstrip("/"))
        page = file.with_name("index.html")
        if file.name == "index.md" and ".." not in file.parts and page.is_file():
            text = page.read_text(encoding="utf-8")
            return "text/markdown", copies.markdown(text, machines.address_of(text)).encode()
        project = Snapshot(self.project.root)
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder, "made")
            if path == f"/{accounts.JSON}":
                accounts.write(project, target)
                return "application/json", target.read_bytes()
            if file.suffix == ".zip" and file.stem in bundles.shown_recipes(project):
                with suppress(CookbookError):  # the recipe never ran, so no page offers its bundle
                    bundles.write_bundle(project, file.stem, target)
                    return "application/zip", target.read_bytes()
        return None


def _suffix(language: str) -> str:
    """The end of the variable SITE_URL of *language* in mkdocs.yml or mkdocs.en.yml."""
    return "" if language == LANGUAGES[0] else f"_{language.upper()}"


def _link(link: Path, folder: Path) -> None:
    """Make *link* a link to *folder*, without a moment in which there is none."""
    aside = link.with_name(f".{link.name}")
    aside.symlink_to(folder)
    aside.replace(link)
