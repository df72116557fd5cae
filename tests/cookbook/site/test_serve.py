import gzip
import re
import socket
import urllib.request
from unittest.mock import Mock

from cookbook.checks import parity
from cookbook.site.serve import SiteServer
from tests.cookbook.mini import QUICK_PROOF, cookbook, edit, write


def test_the_site_is_run_published_and_served_by_one_command(project, serve):
    write(project, "tests/recipes/test_greet.py", QUICK_PROOF)
    for language in ("fr", "en"):
        edit(project, f"docs/{language}/start/greet.md", '{@ transcript("greet/hello.console") @}\n', "")
    parity.record(project)
    site = serve("site", "--serve", "--stack", "local")
    assert any("[1/1] greet: " in line for line in site.lines)
    assert f"The site is in {project.site}" in site.lines
    assert site.shows("en/start/greet/", "Greet")
    asked = urllib.request.Request(f"{site.address}en/start/greet", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked, timeout=60) as page:  # as a static host gives it
        assert page.url == f"{site.address}en/start/greet/"
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none';")
        assert b"Greet" in gzip.decompress(page.read())
    site.assert_each_language_has_its_own_404_page()
    assert site.end().startswith("site: done in ")


def test_a_port_that_is_in_use_is_reported_in_one_line(project):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = cookbook(project, "serve", "--port", str(port))
    assert said.returncode == 1
    assert said.stderr == f"port {port} of 127.0.0.1: Address already in use: choose another port, or none\n"


def test_every_error_is_printed_except_that_of_a_connection_the_browser_closed(tmp_path, capfd, monkeypatch):
    with SiteServer(tmp_path) as server:
        for wrong in (ConnectionResetError, BrokenPipeError, ValueError):
            monkeypatch.setattr(server, "finish_request", Mock(side_effect=wrong))
            server.process_request_thread(socket.socket(), ("127.0.0.1", 1))
    assert re.findall(r"^\w+Error$", capfd.readouterr().err, re.M) == ["ValueError"]
