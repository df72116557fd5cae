from pathlib import Path

import celery
import pytest

from tests.cookbook.checks.example import faults


@pytest.mark.parametrize(
    "command",
    [
        "celery",
        "celery --help",
        "celery -A core worker --loglevel=info -Q celery -c 2 -Ofair",
        "celery -A core worker … --pool solo",
        "python -m celery -A core beat -s file",
        "celery -A core inspect active -d w@host --json",
        "celery -A core control revoke",
        "celery -A core control rate_limit core.add 10/m",
        "celery -A core inspect …",
        "celery inspect",
        "celery -A core control --list",
        "celery -A core worker --pool",
        "celery -A <project> <command> --any",
        "celery -A PROJECT COMMAND --any",
        "celery -A core multi start 2 --made-up",
        "celery -A core amqp queue.purge",
        "celery -A core worker | grep -v --color x",
        "celery -A core call core.add --args='[1, 2]'",
        "celery -A core call core.add --args='[1",
        "inspect reserved",
        "worker -P threads",
        "redis-cli -n 1 --scan --pattern 'celery*'",
        "redis-cli LRANGE celery 0 -1",
        "kill -9",
        "docker compose up --build",
    ],
)
def test_a_command_that_exists_is_accepted(tmp_path: Path, command: str) -> None:
    assert faults(tmp_path, f"`{command}`") == []


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("celery -A core wrker -l info", "celery has no subcommand wrker (did you mean worker?)"),
        ("celery -q wrker", "celery has no subcommand wrker (did you mean worker?)"),
        ("celery worker -A core", "celery worker has no option -A"),
        ("celery -A core worker --conc 3", "celery worker has no option --conc (did you mean --concurrency?)"),
        ("celery -A core worker … --conc=3", "celery worker has no option --conc (did you mean --concurrency?)"),
        ("python -m celery --ap core worker", "celery has no option --ap (did you mean --app?)"),
        ("celery -A core inspect activ", "celery inspect has no command activ (did you mean active?)"),
        ("celery -A core inspect revoke", "celery inspect has no command revoke (did you mean revoked?)"),
        ("celery -A core amqp queue.purg", "celery amqp has no subcommand queue.purg (did you mean queue.purge?)"),
        ("inspect activ", "celery inspect has no command activ (did you mean active?)"),
        ("worker --pol threads", "celery worker has no option --pol (did you mean --pool?)"),
    ],
)
def test_a_celery_command_that_does_not_exist_is_a_problem(tmp_path: Path, command: str, fault: str) -> None:
    assert faults(tmp_path, f"`{command}`") == [
        f"5: {command}: {fault}: correct it, this is Celery {celery.__version__}"
    ]


def test_an_option_that_redis_cli_does_not_have_is_reported(tmp_path: Path) -> None:
    assert faults(tmp_path, "`redis-cli --scam`") == [
        "5: redis-cli --scam: redis-cli has no --scam (did you mean --scan?): correct it"
    ]


@pytest.mark.parametrize("flag", ["--pool", "--pool=solo", "-Q celery", "--scan", "-A", "--help", "-1"])
def test_an_option_alone_belongs_to_some_command_of_celery_or_redis(tmp_path: Path, flag: str) -> None:
    assert faults(tmp_path, f"`{flag}`") == []


@pytest.mark.parametrize(
    ("flag", "nearest"), [("--pol", " (did you mean --pool?)"), ("--pol=solo", " (did you mean --pool?)"), ("-y", "")]
)
def test_an_option_of_no_command_is_a_problem(tmp_path: Path, flag: str, nearest: str) -> None:
    name = flag.partition("=")[0]
    assert faults(tmp_path, f"`{flag}`") == [
        f"5: unknown option {name}{nearest}: correct it, or write it after its command"
    ]
