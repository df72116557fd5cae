"""The site on nginx and Apache from Debian, which read its header files."""

import os
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from cookbook.site import headers
from cookbook.stack.interface import free_port
from cookbook.stack.processes import wait_until

NGINX = """\
daemon off;
master_process off;
pid {folder}/pid;
events {{}}
http {{
  include /etc/nginx/mime.types;
  access_log off;
  server {{
    listen 127.0.0.1:{port};
    root {site};
    include {site}/headers.nginx.conf;
  }}
}}
"""
APACHE = """\
LoadModule authz_core_module modules/mod_authz_core.so
LoadModule dir_module modules/mod_dir.so
LoadModule headers_module modules/mod_headers.so
LoadModule mime_module modules/mod_mime.so
LoadModule mpm_event_module modules/mod_mpm_event.so
Listen 127.0.0.1:{port}
ServerName 127.0.0.1
User #65534
Group #65534
PidFile {folder}/pid
ErrorLog /dev/stderr
TypesConfig /dev/null
AddType text/html .html
AddType text/css .css
AddType text/javascript .js
AddType application/json .json
AddType image/svg+xml .svg
DocumentRoot {site}
<Directory {site}>
  AllowOverride FileInfo
  Require all granted
</Directory>
"""
SERVERS = {
    "nginx": (NGINX, ["-e", "stderr", "-c"]),
    "apache2": (APACHE, ["-X", "-d", "/usr/lib/apache2", "-f"]),
}


@pytest.fixture(params=SERVERS)
def host(request, site, tmp_path):
    """The address of the site on a server that reads its headers from the site's own files."""
    program = shutil.which(request.param, path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say(f"no {request.param}: install Debian's nginx-light and apache2-bin")
    configuration, options = SERVERS[request.param]
    port = free_port()
    file = tmp_path / "server.conf"
    file.write_text(configuration.format(folder=tmp_path, port=port, site=site))
    server = subprocess.Popen([program, *options, file])
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_until(lambda: server.poll() is not None or status(address), timeout=30)
        assert server.poll() is None, "the server ended: its output is below"
        yield address
    finally:
        server.terminate()
        server.wait()


def status(address):
    """The status and the headers of the answer from *address*; None without an answer."""
    try:
        with urllib.request.urlopen(address) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers
    except urllib.error.URLError:
        return None


def test_each_server_sends_every_header_with_pages_files_and_404s(host, site):
    expected = headers.HEADERS
    script = next((site / "assets").glob("*.js")).name
    for path, code in (("", 200), ("en/start/install/", 200), (f"assets/{script}", 200), ("nowhere/", 404)):
        given, fields = status(host + path)
        assert (given, {name: fields[name] for name in expected}) == (code, expected)


def test_a_page_on_each_server_opens_in_chromium_without_error(host, browser):
    with browser.new_context(base_url=host) as context:
        page = context.new_page()
        wrong = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto("start/first-task/")
        page.locator("input.md-search__input").fill("countdown")
        page.locator(".md-search-result__item").first.wait_for()
        assert wrong == []
