"""Both languages under one address while they are written: what an edit changes is built again and shown at once."""

from __future__ import annotations

import html
import shutil
import tempfile
import time
from collections.abc import Iterable
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

from mkdocs.livereload import LiveReloadServer

from cookbook.project import CONFIGS, LANGUAGES, CookbookError, Project
from cookbook.render import accounts
from cookbook.site import bundles, copies, edits, machines
from cookbook.site.build import Builder, Built
from cookbook.site.edits import Pages
from cookbook.site.serve import HOST, free_port, not_found
from cookbook.snapshot import Snapshot

MACHINERY = Path(__file__).parents[1]
FAILED = '<!doctype html><meta charset="utf-8"><title>Not built</title><h1>Not built</h1><pre>{}</pre>'


def serve_while_writing(project: Project, port: int | None = None) -> None:
    """Serve both languages until Ctrl-C; what a page, a recipe, a proof or the machinery changes is built again."""
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
    """mkdocs's own server, on a link to the French folder, in which ``en`` is one to the English folder."""

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
        self._want_rebuild = True  # the first build, which those who ask for a page meanwhile wait for
        self._visible_epoch -= 1

    def watched(self) -> list[Path]:
        """The folders and files whose edits count."""
        project = self.project
        project.evidence.mkdir(exist_ok=True)  # so that the first run of a recipe is seen too
        folders = [project.docs, project.recipes, project.proofs, project.evidence, project.root / "theme"]
        configs = [project.root / name for name in ("mkdocs.base.yml", *CONFIGS.values())]
        return [*folders, *configs, MACHINERY]

    def rebuild(self) -> None:
        """Build what was edited, say what is wrong with it, and go on serving the last good pages where it fails."""
        print("Building…", flush=True)
        start = time.monotonic()
        ended = self._build(self._due())
        for warning in (warning for built in ended for warning in built.warnings):
            print(warning)
        succeeded = all(built.succeeded for built in ended)
        self._show("\n".join(warning for built in ended for warning in built.warnings))
        print(f"{'Built' if succeeded else 'NOT built'} in {time.monotonic() - start:.1f} s", flush=True)

    def end_builders(self) -> None:
        while self.builders:
            self.builders.popitem()[1].close()

    def _due(self) -> dict[str, Pages]:
        """What is to be built again in each language since this was asked last."""
        before, self.states = self.states, edits.states(self.watched())
        edited = {file for file, _ in before.items() ^ self.states.items()}
        if any(file.is_relative_to(MACHINERY) for file in edited):  # the builders have the machinery of before
            self.end_builders()
            due: dict[str, Pages] = dict.fromkeys(LANGUAGES)
        else:
            due = edits.due(self.project, edited, self.front_matters)
        self.front_matters = edits.front_matters(self.project)
        return due

    def _build(self, due: dict[str, Pages]) -> list[Built]:
        """Build what is *due* in both languages side by side; what a failed build left half done is built whole."""
        env = {"SITE_URL": self.url, "SITE_URL_EN": f"{self.url}en/"}
        folders: dict[str, Path] = {}
        begun = []
        for language in LANGUAGES:
            paths = due[language] if language in self.builders else None
            if language not in self.builders:
                self.builders[language] = Builder(self.project, language, env)
            if paths is None:
                folders[language] = self.folder / f"{language}-{next(self.numbers)}"
                self.builders[language].begin(folders[language])
            elif paths:
                self.builders[language].begin_pages(sorted(paths))
            if paths != set():
                begun.append(language)
        ended = {language: self.builders[language].end() for language in begun}
        for language, built in ended.items():
            if not built.succeeded:
                self.builders.pop(language).close()
            elif language in folders:
                self.built[language] = folders[language]
        return [*ended.values()]

    def _show(self, why_not: str) -> None:
        """Serve the last good pages of both languages; without any, a page that says *why_not*."""
        root = self.folder / "failed"
        if self.built.keys() == {*LANGUAGES}:
            root = self.built["fr"]
            _link(root / "en", self.built["en"])
        else:
            for page in (root / "index.html", root / "en/index.html"):
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(FAILED.format(html.escape(why_not)), encoding="utf-8")
        _link(self.site, root)
        for folder in self.folder.iterdir():
            if folder not in (self.site, root, *self.built.values()):
                shutil.rmtree(folder, ignore_errors=True)

    def server_activate(self) -> None:
        super().server_activate()
        print(f"Serving {self.url} and {self.url}en/ until Ctrl-C; edits are shown at once", flush=True)

    def _serve_request(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes] | None:
        """mkdocs asks its error handler for a page without saying for which address: answer here instead."""
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
        """The media type and the bytes of what the published site has at *path* beside what mkdocs builds."""
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
                try:
                    bundles.write_bundle(project, file.stem, target)
                except CookbookError:  # it never ran, so no page offers its bundle
                    return None
                return "application/zip", target.read_bytes()
        return None


def _link(link: Path, folder: Path) -> None:
    """Have *link* lead to *folder*, from one moment to the next."""
    aside = link.with_name(f".{link.name}")
    aside.symlink_to(folder)
    aside.replace(link)
