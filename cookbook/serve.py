"""Both languages under one address: while writing, rebuilt at each edit; and the published site, as it is."""

from __future__ import annotations

import contextlib
import gzip
import html
import http.server
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mkdocs.livereload import LiveReloadServer

from cookbook import accounts, bundles, headers, machines
from cookbook.build import CONFIGS, build
from cookbook.project import CookbookError, Project
from cookbook.publish import swap

HOST = "127.0.0.1"
USUAL_PORT = 8000
COMPRESSED = ("application/javascript", "application/json", "application/xml", "image/svg+xml")  # and all of text/
FAILED = '<!doctype html><meta charset="utf-8"><title>Not built</title><h1>Not built</h1><pre>{}</pre>'


def serve_while_writing(project: Project, port: int | None = None) -> None:
    """Serve both languages until Ctrl-C, built again when a page, a recipe, a proof or the machinery changes."""
    port = _free_port(port)
    folder = Path(tempfile.mkdtemp(prefix="cookbook-serve-"))
    try:
        server = _TwoLanguages(project, folder, port)
        server.rebuild()
        for path in _watched(project):
            server.watch(str(path))
        try:
            server.serve()  # type: ignore[no-untyped-call]
        except KeyboardInterrupt:
            print()
        finally:
            server.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def serve_site(site: Path, port: int | None = None) -> None:
    """Serve the published *site* until Ctrl-C."""
    with SiteServer(site, _free_port(port)) as server:
        print(f"Serving it on {server.url} until Ctrl-C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """The address at which a thread serves the published *site*, meanwhile."""
    with SiteServer(site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.url
        finally:
            server.shutdown()


def not_found(site: Path, path: str) -> bytes:
    """The page of *site* that says, in the language of the address *path*, that nothing is there."""
    page = site / ("en/404.html" if path.startswith("/en/") else "404.html")
    return page.read_bytes() if page.is_file() else b"404 Not Found"


class _TwoLanguages(LiveReloadServer):
    """mkdocs's own server, on one folder that holds both languages."""

    def __init__(self, project: Project, folder: Path, port: int) -> None:
        self.site, self.aside = folder / "site", folder / "aside"
        super().__init__(self.rebuild, HOST, port, str(self.site))
        self.project = project
        self.has_good_pages = False

    def rebuild(self) -> None:
        """Build aside, then serve that; when the build fails, say why and go on serving the last good pages."""
        start = time.monotonic()
        env = {"SITE_URL": self.url, "SITE_URL_EN": f"{self.url}en/"}
        built = build(self.project, self.aside, env, strict=False)
        for warning in built.warnings:
            print(warning)
        print(f"{'Built' if built.succeeded else 'NOT built'} in {time.monotonic() - start:.1f} s", flush=True)
        if built.succeeded:
            self.has_good_pages = True
            for recipe in bundles.shown_recipes(self.project):
                with contextlib.suppress(CookbookError):  # it never ran, so no page offers its bundle
                    bundles.write_bundle(self.project, recipe, self.aside / "fr" / "bundles" / f"{recipe}.zip")
            accounts.write(self.project, self.aside / "fr" / accounts.JSON)
            machines.write_copies(self.project, self.aside / "fr")
            swap(self.aside / "fr", self.site)
        elif not self.has_good_pages:
            for page in (self.site / "index.html", self.site / "en/index.html"):
                page.parent.mkdir(parents=True, exist_ok=True)
                page.write_text(FAILED.format(html.escape("\n".join(built.warnings))), encoding="utf-8")
        shutil.rmtree(self.aside, ignore_errors=True)

    def server_activate(self) -> None:
        super().server_activate()
        print(f"Serving {self.url} and {self.url}en/ until Ctrl-C; edits are shown at once", flush=True)

    def _serve_request(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes] | None:
        """mkdocs asks its error handler for a page without saying for which address: answer here instead."""
        answer: Iterable[bytes] | None = super()._serve_request(environ, start_response)
        if answer is None:
            start_response("404 Not Found", [("Content-Type", "text/html; charset=utf-8")])
            answer = [not_found(self.site, environ["PATH_INFO"])]
        return answer


class SiteServer(http.server.ThreadingHTTPServer):
    """Serves the published *site* on a port of this machine, any free one if none is given."""

    def __init__(self, site: Path, port: int = 0) -> None:
        super().__init__((HOST, port), partial(PublishedSite, directory=str(site)))
        self.url = f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # browsers drop the connections that they need no more
            super().handle_error(request, client_address)


class PublishedSite(http.server.SimpleHTTPRequestHandler):
    """The published site as a static host gives it: with its headers, compressed, and with its own page for what is not
    there. `directory` is the site."""

    protocol_version = "HTTP/1.1"  # several requests to a connection

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        file = Path(self.translate_path(self.path))
        if file.is_dir() and not urlsplit(self.path).path.endswith("/"):
            self._send(HTTPStatus.MOVED_PERMANENTLY, b"", {"Location": f"{urlsplit(self.path).path}/"})
            return
        file = file / "index.html" if file.is_dir() else file
        if file.is_file():
            self._send(HTTPStatus.OK, file.read_bytes(), {"Content-Type": self.guess_type(file)})
        else:
            page = not_found(Path(self.directory), self.path)
            self._send(HTTPStatus.NOT_FOUND, page, {"Content-Type": "text/html"})

    def _send(self, status: HTTPStatus, body: bytes, fields: dict[str, str]) -> None:
        kind = fields.get("Content-Type", "")
        if "gzip" in self.headers.get("Accept-Encoding", "") and kind.startswith(("text/", *COMPRESSED)):
            body = gzip.compress(body)
            fields["Content-Encoding"] = "gzip"
        if kind.startswith("text/"):
            fields["Content-Type"] = f"{kind}; charset=utf-8"
        fields |= {"Content-Length": str(len(body)), **dict(headers.read(Path(self.directory)))}
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def _watched(project: Project) -> list[Path]:
    project.evidence.mkdir(exist_ok=True)  # so that the first run of a recipe is seen too
    folders = [project.docs, project.recipes, project.proofs, project.evidence, project.root / "theme"]
    configs = [project.root / name for name in ("mkdocs.base.yml", *CONFIGS.values())]
    return [*folders, *configs, Path(__file__).parent]


def _free_port(wanted: int | None) -> int:
    """*wanted*, else the usual port, which a browser may still have open, else any that is free."""
    for port in (wanted,) if wanted else (USUAL_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                why = error.strerror
            else:
                found: int = probe.getsockname()[1]
                return found
    raise CookbookError(f"port {wanted} of {HOST}: {why}: name another one, or none")
