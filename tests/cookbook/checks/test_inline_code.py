from pathlib import Path

import celery
import pytest

from tests.cookbook.checks.example import faults

# Settings


@pytest.mark.parametrize(
    "name",
    [
        "CELERY_TASK_ACKS_LATE",
        "CELERY_TASK_ACKS_LATE = True",
        "task_acks_late",
        "task_acks_late=True",
        "app.conf.task_acks_late",
        "broker_transport_options['visibility_timeout']",
        "CELERY_",
        "CELERY_TASK_*",
        "CELERY_TASK_…",
        "CELERY_WORKER_REVOKES_MAX",
        "REMAP_SIGTERM",
        "DJANGO_SETTINGS_MODULE",
        "MY_CELERY_THING",
    ],
)
def test_a_setting_that_exists_is_accepted(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`") == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CELERY_TASK_ACK_LATE", " (did you mean CELERY_TASK_ACKS_LATE?)"),
        ("task_ack_late", " (did you mean task_acks_late?)"),
        ("result_expire", " (did you mean result_expires?)"),
        ("redis_max_connection", " (did you mean redis_max_connections?)"),
        ("CELERY_QUITE_UNLIKE_ANY", ""),
        ("CELERYD_POOL", " (its name is now CELERY_WORKER_POOL)"),
        ("CELERYBEAT_SCHEDULE", " (its name is now CELERY_BEAT_SCHEDULE)"),
        ("BROKER_URL", " (its name is now CELERY_BROKER_URL)"),
        ("CELERY_ACKS_LATE", " (its name is now CELERY_TASK_ACKS_LATE)"),
    ],
)
def test_an_unknown_setting_is_reported_with_the_nearest(tmp_path: Path, name: str, nearest: str) -> None:
    assert faults(tmp_path, f"One:\n`{name}`.") == [
        f"6: unknown Celery {celery.__version__} setting {name}{nearest}: correct it, "
        "or list it under unknown_settings if the page says that it does not exist"
    ]


def test_a_name_in_a_longer_piece_of_code_is_checked_too(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, "`export CELERY_TASK_ACK_LATE=1`")
    assert problem.startswith(f"5: unknown Celery {celery.__version__} setting CELERY_TASK_ACK_LATE")


def test_a_name_in_the_note_of_a_call_is_checked_too(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, '{@ code("a", notes={\n"k": "`CELERY_TASK_ACK_LATE`"}) @}')
    assert problem.startswith(f"6: unknown Celery {celery.__version__} setting CELERY_TASK_ACK_LATE")


@pytest.mark.parametrize(
    "name",
    [
        "task_prerun",  # a signal
        "task_id",  # what signals carry
        "worker_main",  # an attribute of the app
        "worker_name",  # an argument in a recipe
        "result_key",
        "task_left",  # a variable in a recipe
        "redis_version",  # a field of Redis's INFO
        "task_function()",
    ],
)
def test_a_name_of_python_that_begins_like_a_setting_is_accepted(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`") == []


@pytest.mark.parametrize("name", ["CELERYD_POOL", "CELERY_POOL", "task_ack_late"])
def test_a_page_can_list_a_name_as_an_unknown_setting(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`", front=f"unknown_settings: [{name}]") == []


@pytest.mark.parametrize("name", ["CELERY_TASK_ACKS_LATE", "task_acks_late"])
def test_a_setting_that_exists_is_not_to_be_listed_as_unknown(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`", front=f"unknown_settings: [{name}]") == [
        f"2: unknown_settings has {name}, which Celery {celery.__version__} knows: remove it"
    ]


def test_an_unknown_setting_that_the_page_does_not_name_is_not_to_be_listed(tmp_path: Path) -> None:
    assert faults(tmp_path, "`CELERY_POOLS`", front="unknown_settings: [CELERY_POOL, CELERY_POOLS]") == [
        "2: unknown_settings has CELERY_POOL, which no inline code of this page names: remove it"
    ]


@pytest.mark.parametrize("name", ["CELERY_LOADER", "CELERY_SKIP_CHECKS", "CELERY_WORKER_SUCCESSFUL_MAX"])
def test_a_variable_that_celery_reads_from_the_environment_is_not_a_fault(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}=1`") == []


# Files


@pytest.mark.parametrize(
    "name",
    [
        "core/settings/base.py",
        "settings/base.py",
        "base.py",
        "core/",
        "recipes/core/tasks.py",
        "core/tasks.py:3",
        "core/tasks.py::add",
        "docker-compose.yml",
        "docs/en",
        "*.py",
        "core/*/base.py",
        "/etc/redis/redis.conf",
        "redis://localhost:6379/0",
        "localhost:6379/0",
        "app.conf",
        "django.conf",
        "10/s",
        "application/json",
        "Europe/Paris",
        "a / b",
    ],
)
def test_a_file_that_exists_and_what_only_looks_like_a_path_are_accepted(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`") == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("core/task.py", " (did you mean core/tasks.py?)"),
        ("ettings/base.py", " (did you mean core/settings/base.py?)"),
        ("bases.py", " (did you mean core/settings/base.py?)"),
        ("worker.conf", ""),
        ("nothing/", ""),
        ("core/nothing.console:3", ""),
        (".env.yml", ""),
    ],
)
def test_a_file_that_does_not_exist_is_a_problem(tmp_path: Path, name: str, nearest: str) -> None:
    path = name.partition(":")[0].rstrip("/")
    assert faults(tmp_path, f"`{name}`") == [
        f"5: unknown file {path}{nearest}: correct it, or list it under other_files"
    ]


def test_a_page_can_list_files_of_other_projects(tmp_path: Path) -> None:
    assert faults(tmp_path, "`celery/app/base.py`", front="other_files: [celery/app/base.py]") == []
    assert faults(tmp_path, "`code`", front="other_files: [celery/app/base.py]") == [
        "2: other_files has celery/app/base.py, which no inline code of this page names: remove it"
    ]
