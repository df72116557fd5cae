import pytest

from cookbook.evidence import environments
from cookbook.project import CookbookError, Project


@pytest.fixture
def project(tmp_path):
    (tmp_path / "tests" / "environments").mkdir(parents=True)
    for release in ("5.10", "5.2"):
        (tmp_path / "tests" / "environments" / f"celery-{release}.txt").write_text("no-such-package-at-all==1\n")
    return Project(tmp_path)


def test_releases_are_in_the_order_of_their_numbers(project):
    assert environments.releases(project) == ["5.2", "5.10"]


def test_an_unknown_release_names_those_that_there_are(project):
    with pytest.raises(
        CookbookError, match=r"^tests/environments: no environment for Celery 5\.9: there are 5\.2, 5\.10$"
    ):
        environments.environment(project, "5.9")


def test_an_environment_that_cannot_be_made_leaves_nothing_behind(project):
    with pytest.raises(CookbookError, match=r"^uv pip \S+celery-5\.2\.txt: .*--require-hashes.*: mend it"):
        environments.environment(project, "5.2")
    kept = [path.name for path in (project.root / ".cache" / "environments").iterdir() if path.suffix != ".lock"]
    assert [name for name in kept if not name.endswith(".new")] == []


def test_an_environment_holds_the_release_that_it_is_named_after(pytestconfig):
    project = Project(pytestconfig.rootpath)
    for release in environments.releases(project):
        made = environments.environment(project, release)
        [metadata] = made.glob(f"lib/python{environments.PYTHON}/site-packages/celery-*.dist-info")
        assert metadata.name.startswith(f"celery-{release}.")
        assert environments.environment(project, release) == made
