"""Serves the published site as a static host would."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import socket
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cookbook.project import LANGUAGES, CookbookError, language_folder
from cookbook.site import headers

HOST = "127.0.0.1"
USUAL_PORT = 8000
COMPRESSED = ("application/javascript", "application/json", "application/xml", "image/svg+xml")  # and all of text/


def serve_site(site: Path, port: int | None = None) -> None:
    """Serve the published *site* until Ctrl-C."""
    with SiteServer(site, free_port(port)) as server:
        print(f"Serving it on {server.url} until Ctrl-C", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve the published *site* from a thread, and yield its address."""
    with SiteServer(site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.url
        finally:
            server.shutdown()


def not_found(site: Path, path: str) -> bytes:
    """The 404 page of *site* in the language of the address *path*."""
    folders = [language_folder(language) for language in LANGUAGES[1:]]
    page = site / next((folder for folder in folders if path.startswith(f"/{folder}")), "") / "404.html"
    return page.read_bytes() if page.is_file() else b"404 Not Found"


class SiteServer(http.server.ThreadingHTTPServer):
    """Serves the published *site* on a port of this machine, any free one if none is given."""

    def __init__(self, site: Path, port: int = 0) -> None:
        super().__init__((HOST, port), partial(PublishedSite, directory=str(site)))
        self.url = f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the error, except of connections that a browser closed because it no longer needs them."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class PublishedSite(http.server.SimpleHTTPRequestHandler):
    """Answers as a static host does: with the headers and the 404 page of the site in `directory`, compressed."""

    protocol_version = "HTTP/1.1"  # several requests to a connection

    def do_GET(self) -> None:
        """Send a file of the site, a redirection to its folder, or the 404 page; for HEAD, only the headers."""
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

    do_HEAD = do_GET  # noqa: N815  # the name is that of http.server

    def _send(self, status: HTTPStatus, body: bytes, fields: dict[str, str]) -> None:
        kind = fields.get("Content-Type", "")
        if "gzip" in self.headers.get("Accept-Encoding", "") and kind.startswith(("text/", *COMPRESSED)):
            body = gzip.compress(body)
            fields["Content-Encoding"] = "gzip"
        if kind.startswith("text/"):
            fields["Content-Type"] = f"{kind}; charset=utf-8"
        fields |= {"Content-Length": str(len(body)), **headers.of(Path(self.directory))}
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Print nothing for a request."""


def free_port(wanted: int | None) -> int:
    """The port *wanted*; without one, the usual port, which a browser may still have open, or else any free port.

    Raises CookbookError when *wanted* is not free.
    """
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
    raise CookbookError(f"port {wanted} of {HOST}: {why}: choose another port, or none")
