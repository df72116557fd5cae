import subprocess
import sys
import zipfile

import pytest
from containers import brought_up

from cookbook.project import find_project
from cookbook.sources import pages
from cookbook.stack import docker_engine

# For each recipe: an import, a call of its own task, and the result. Every bundle also runs core's ping.
QUESTIONS = {
    "first_task": ("from first_task.tasks import delete_public_file", "delete_public_file.delay('gone')", None),
    "stamped_headers": ("from stamped_headers.tasks import import_scan", "import_scan.delay('gone')", None),
}


RECIPES = sorted({recipe for page in find_project().pages("en") if (recipe := pages.front_matter(page).get("recipe"))})


def test_every_recipe_that_a_page_shows_has_its_bundle(site):
    assert [file.stem for file in sorted((site / "bundles").glob("*.zip"))] == RECIPES


def unpacked(site, recipe, folder):
    with zipfile.ZipFile(site / "bundles" / f"{recipe}.zip") as bundle:
        bundle.extractall(folder)
    [root] = folder.iterdir()
    return root


@pytest.mark.parametrize("recipe", [each for each in RECIPES if each != "compose"])  # which the next test runs
def test_every_bundle_runs_unchanged(site, stack, tmp_path, recipe):
    stack.cwd = unpacked(site, recipe, tmp_path)
    stack.worker()
    django = stack.django()
    assert django("from core.tasks import ping; ping.apply_async(ignore_result=False).get(timeout=30)") == "pong"
    if recipe in QUESTIONS:
        imports, call, answer = QUESTIONS[recipe]
        assert django(f"{imports}; {call}.get(timeout=30)") == answer


@pytest.mark.docker
@pytest.mark.timeout(300)
@pytest.mark.skipif(not docker_engine.answers(), reason="no Docker engine answers")
@pytest.mark.parametrize("recipe", ["compose", "install"])  # with a stack of its own, and with a worker and its Redis
def test_one_command_starts_a_bundle_and_it_runs_a_task(site, tmp_path, recipe):
    root = unpacked(site, recipe, tmp_path)
    command = next(line.strip() for line in (root / "README.md").read_text().splitlines() if line.startswith("    "))
    with brought_up(root, command) as docker_compose:
        source = "from core.tasks import ping; print(ping.delay().get(timeout=30))"
        said = docker_compose("exec", "--no-TTY", "worker", "python", "manage.py", "shell", "-v", "0", "-c", source)
    assert said.strip() == "pong"


@pytest.mark.parametrize("recipe", ["install", "stamped_headers"])
def test_a_bundle_passes_djangos_own_check(site, tmp_path, recipe, stack):
    with zipfile.ZipFile(site / "bundles" / f"{recipe}.zip") as bundle:
        bundle.extractall(tmp_path)
    [manage] = tmp_path.rglob("manage.py")
    env = {**stack.environment(), "PYTHONPATH": "", "DJANGO_SETTINGS_MODULE": "core.settings"}
    checked = subprocess.run([sys.executable, manage, "check"], env=env, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
