"""The repository stands alone, and its links to the sources have an address only where REPO_URL names one."""

import re
import subprocess
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from cookbook.site import build
from tests.cookbook.mini import edit, make_project, write_evidence

OUTSIDE = re.compile(r"\.\./shared/|\$\{?PWD\}?/\.\.|(?<![\w.~-])/(?:home|mnt|root|Users|work|workspace)/\w")
HOST = "https://git.example.org/owner/name"
PAGE = "en/start/greet/index.html"


@pytest.fixture
def project(tmp_path):
    project = make_project(tmp_path)
    edit(project, "tests/recipes/test_greet.py", "def test", "import re\n\n\ndef test")
    write_evidence(project)
    return project


def built(project, **env):
    assert build.build(project, project.root / "built", env, strict=True).succeeded
    pages = (project.root / "built/fr").rglob("*.html")
    text = (project.root / "built/fr" / PAGE).read_text(encoding="utf-8")
    return BeautifulSoup(text, "html.parser"), {file.name: file.read_text(encoding="utf-8") for file in pages}


def test_a_page_links_to_its_own_source_and_each_proof_to_its_line(project):
    page, _ = built(project, REPO_URL=f"{HOST}/")
    assert [link["href"] for link in page.select("a[rel=edit]")] == [f"{HOST}/edit/main/docs/en/start/greet.md"]
    [proof] = page.select(".claim a.source")
    assert proof["href"] == f"{HOST}/blob/main/tests/recipes/test_greet.py#L4"
    [source] = page.select(".claim pre.proof-source")
    assert source.get_text().startswith("def test_it_greets_by_name(")
    assert '"""' not in source.get_text()  # its sentence stands above it


def test_a_host_with_other_addresses_is_told_them(project):
    page, _ = built(project, REPO_URL=HOST, REPO_EDIT="-/edit/trunk/", REPO_VIEW="-/blob/trunk/")
    assert page.select("a[rel=edit]")[0]["href"] == f"{HOST}/-/edit/trunk/docs/en/start/greet.md"
    assert page.select("a.source")[0]["href"].startswith(f"{HOST}/-/blob/trunk/tests/")


def test_without_an_address_nothing_links_to_one_and_the_source_is_on_the_page(project):
    page, pages = built(project, REPO_URL="")
    assert not page.select("a[rel=edit], a.source")
    assert page.select(".claim pre.proof-source")
    assert not any(re.search(r"git\.example|md-source", text) for text in pages.values())


def test_no_component_of_the_theme_asks_the_host_about_the_repository(project):
    _, pages = built(project, REPO_URL="https://github.com/owner/name")
    assert not any('data-md-component="source"' in text for text in pages.values())


def test_no_file_reaches_outside_the_repository(pytestconfig):
    root = pytestconfig.rootpath
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    files = [root / name for name in listed.split("\0") if name]
    found = [f"{file.relative_to(root)}: a link" for file in files if not file.resolve().is_relative_to(root.resolve())]
    for file in filter(Path.is_file, files):
        for number, line in enumerate(file.read_bytes().decode("utf-8", "replace").split("\n"), 1):
            found += [f"{file.relative_to(root)}:{number}: {match}" for match in OUTSIDE.findall(line)]
    assert found == []
