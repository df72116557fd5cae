import pytest

from cookbook.checks import prose
from cookbook.project import Project


def faults(tmp_path, code):
    """The problems of a page with *code* as inline code."""
    project = Project(tmp_path)
    tasks = project.recipes / "core/tasks.py"
    tasks.parent.mkdir(parents=True, exist_ok=True)
    tasks.write_text("LONGEST = 1\n\n\nclass OwnError(Exception): ...\n\n\ndef add_all(): ...\n")
    page = project.docs / "en/page.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"---\ntitle: T\n---\n\n`{code}`\n")
    return [problem.removeprefix("docs/en/page.md:5: ") for problem in prose.problems(project)]


@pytest.mark.parametrize(
    "code",
    [
        "SIGTERM", "REMAP_SIGTERM=SIGQUIT", "BRPOP", "LLEN celery", "MEMORY USAGE", "ZRANGE", "SUCCESS", "DEBUG",
        "LONGEST", "INFO", "ConnectionError", "SoftTimeLimitExceeded", "TransactionTestCase", "OwnError", "add_all()",
        "app.control.revoke(ids)", "app.control.revoke", ".delay()", "get(timeout=10)", "delay_on_commit(pk)",
        'translation.override("fr")', "celery.exceptions.TimeoutError", "celery.backend_cleanup", "logging.getLogger",
        "AsyncResult", "None", "Location",
    ],
)  # fmt: skip
def test_a_name_that_exists_is_accepted(tmp_path, code):
    assert faults(tmp_path, code) == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("SIGTREM", "unknown signal SIGTREM (did you mean SIGTERM?): correct it"),
        ("REMAP_SIGTERM=SIGQIUT", "unknown signal SIGQIUT (did you mean SIGQUIT?): correct it"),
        ("LLENN celery", "unknown Redis command, state or setting LLENN (did you mean LLEN?): correct it"),
        ("SUCESS", "unknown Redis command, state or setting SUCESS (did you mean SUCCESS?): correct it"),
        ("TimeLimitExceded", "unknown class TimeLimitExceded (did you mean TimeLimitExceeded?): correct it"),
        ("add_al()", "unknown function add_al (did you mean add_all?): correct it"),
        ("app.control.revok", "unknown object app.control.revok: correct it"),
        ("celery.exceptions.TimeOut", "unknown object celery.exceptions.TimeOut: correct it"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_reported_with_the_nearest(tmp_path, code, fault):
    assert faults(tmp_path, code) == [fault]
