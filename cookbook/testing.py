"""The names that a proof may import from the machinery; they never change, even when their modules move.

The code of a proof is part of its evidence: a changed import would make the matrix and the mutations stale.
"""

from cookbook.evidence.environments import environment, releases
from cookbook.evidence.plugin import prepare_once
from cookbook.project import find_project
from cookbook.render import reference
from cookbook.stack.compose import ComposeStack, project_of_this_process, wait_for_redis
from cookbook.stack.compose import files as compose_files
from cookbook.stack.compose import own_project as own_compose_project
from cookbook.stack.docker_engine import engine, remove_container, remove_image
from cookbook.stack.interface import ABSENT, DjangoError, free_port, write_script
from cookbook.stack.processes import run_folder, wait_until
from cookbook.stack.reaper import PROJECT_LABEL, remove_project

__all__ = [
    "ABSENT",
    "PROJECT_LABEL",
    "ComposeStack",
    "DjangoError",
    "compose_files",
    "engine",
    "environment",
    "find_project",
    "free_port",
    "own_compose_project",
    "prepare_once",
    "project_of_this_process",
    "reference",
    "releases",
    "remove_container",
    "remove_image",
    "remove_project",
    "run_folder",
    "wait_for_redis",
    "wait_until",
    "write_script",
]
