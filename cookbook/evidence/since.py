"""On which versions a proof says something: the columns of pytest (`--celery=5.3`, `--server=redis-6.2`) and the marker
`since`, by which a proof states from which release it holds. A part of the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import pytest

from cookbook.evidence import environments, records, servers
from cookbook.evidence.columns import Column
from cookbook.project import Project, find_project

MARKER = (
    "since(release, *, fails|prints|gap, down_to=None): the proof holds from this release on, '5.3' of Celery or "
    "'redis-7.0'. Before, it must fail with a text that matches `fails`; or it holds too, but what its transcript "
    "prints otherwise matches `prints`; or it cannot be arranged, for the reason `gap`. "
    "What is older than `down_to` holds again"
)
HOW = {"fails", "prints", "gap"}
TOLD_APART = ("celery", "kombu")  # whoever uses these in the tests' own process learns nothing of another release


class Statement(NamedTuple):
    """How a proof is before *release* ("5.3" of Celery, or "redis-7.0"): it "fails" or its transcript "prints" what
    matches *text*, or it is a "gap" for the reason *text*; *down_to* is the oldest one for which that is so."""

    release: str
    how: str
    text: str
    down_to: str = ""

    @property
    def name(self) -> str:
        """The release for a reader: "5.3", "Redis 7.0"."""
        return self.release.replace("-", " ").title()

    def is_about(self, asked: Column) -> bool:
        """Whether *asked* has something older than the release."""
        product, numbers = _parts(self.release)
        runs = _parts(asked.server) if product else ("", _parts(asked.celery)[1])
        return runs[0] == product and bool(runs[1]) and _parts(self.down_to)[1] <= runs[1] < numbers


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("cookbook")
    group.addoption("--celery", metavar="RELEASE", default="", help="run the programs with this older Celery")
    group.addoption("--server", choices=servers.SERVERS, help="run on this server")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


def column(config: pytest.Config) -> Column | None:
    """The column that this run is about; None for the ordinary run. UsageError when it is on another stack."""
    celery, server = config.getoption("--celery"), config.getoption("--server")
    if not celery and not server:
        return None
    if config.option.stack == "compose":
        raise pytest.UsageError("--celery and --server choose among environments on this machine: add --stack=local")
    return Column(celery, server or servers.DEFAULT)


def programs(project: Project, column: Column | None) -> dict[str, Any]:
    """What a LocalStack of *column* is made with: nothing for the ordinary run."""
    if column is None:
        return {}
    celery = environments.environment(project, column.celery) / "bin" if column.celery else None
    return {"programs": celery, "server": servers.find(project, column.server)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a column, leave out the proofs that say nothing of it."""
    for item in items:
        _statements(item)
    asked = column(config)
    if asked is None:
        return
    kept = [item for item in items if isinstance(item, pytest.Function) and says_something(item, asked)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    if asked.celery:  # a known defect is one of the newest release: an older one is judged as if nothing was known
        for item in items:
            item.own_markers = [mark for mark in item.own_markers if mark.name != "xfail"]


def says_something(item: pytest.Function, asked: Column) -> bool:
    """Whether a proof runs on what the column has, and only on that: neither without a stack, nor on several releases,
    nor, on an older one, with the Celery that is installed here."""
    several = records.on_several(find_project(item.config.rootpath), item.path.stem.removeprefix("test_"))
    if "stack" not in item.fixturenames or item.originalname in several:
        return False
    return not (asked.celery and uses_celery_itself(item.function))


def uses_celery_itself(function: Callable[..., object]) -> bool:
    """Whether *function*, or one that it calls, uses in this process what comes from Celery or kombu."""
    unread, seen = [getattr(function, "__wrapped__", function)], set()
    while unread:
        reading = unread.pop()
        if not isinstance(reading, FunctionType) or reading in seen:
            continue
        seen.add(reading)
        for name in _names(reading.__code__):
            value = reading.__globals__.get(name)
            # A module of ours stands for what it imports: `reference.setting` reads the defaults of this Celery.
            ours = isinstance(value, ModuleType) and value.__name__.startswith("cookbook.")
            if any(map(_is_told_apart, [value, *(vars(value).values() if ours else ())])):
                return True
            unread.append(value)
    return False


def _names(code: CodeType) -> set[str]:
    """The global names that *code* and the functions within it may use."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)


def _is_told_apart(value: object) -> bool:
    origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return str(origin).partition(".")[0] in TOLD_APART


def _statements(item: pytest.Item) -> list[Statement]:
    """What *item* states about the versions it holds on, the oldest release first; UsageError when it is unclear."""
    found = []
    for mark in item.iter_markers("since"):
        bound = mark.kwargs.get("down_to", "")
        stated = [(how, text) for how, text in mark.kwargs.items() if how != "down_to"]
        if len(mark.args) != 1 or len(stated) != 1 or stated[0][0] not in HOW:
            raise pytest.UsageError(
                f'{_where(item)}: write since("5.3", fails="…"), or gap= or prints=: how it is before'
            )
        found.append(Statement(mark.args[0], *stated[0], bound))
    return sorted(found, key=lambda statement: _parts(statement.release))


def _before(item: pytest.Item, *how: str) -> Statement | None:
    """What *item* states of the older release that this run is on: of several statements, the nearest one."""
    asked = column(item.config)
    return next((each for each in _statements(item) if asked and each.how in how and each.is_about(asked)), None)


def differs_as_stated(item: pytest.Item, drift: list[str]) -> bool:
    """Whether the outputs of a transcript differ on this older release in the way that *item* states."""
    stated = _before(item, "prints")
    if stated is None or not all(re.search(stated.text, line) for line in drift):
        return False
    item.user_properties.append(("drift", stated.release))
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    if (stated := _before(item, "fails", "gap")) and stated.how == "gap":
        pytest.skip(stated.text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Before the release that a proof states, its failure as stated is what is right, and anything else is wrong."""
    report = yield
    stated = _before(item, "fails", "gap") or _before(item, "prints")
    if stated is None or report.skipped or report.when == "teardown":
        return report
    asked = column(item.config)
    assert asked is not None
    here = asked.name or asked.server
    claim = f"{_where(item)}: stated for before {stated.name}: {stated.how} /{stated.text}/"
    if call.excinfo is None:
        did = stated.how == "prints" and any(name == "drift" for name, _ in item.user_properties)
        if report.when == "call" and not did:
            report.outcome = "failed"
            report.longrepr = f"{claim}; in {here} it does not: the statement is wrong, correct it"
    elif stated.how == "fails":
        said = call.excinfo.exconly(tryshort=True)
        if re.search(stated.text, said, re.DOTALL):
            holds = [each.name for each in _statements(item) if each.how == "fails" and each.is_about(asked)][-1]
            report.outcome = "skipped"
            report.longrepr = (str(item.path), item.reportinfo()[1] or 0, f"holds from {holds}")
            report.stated = holds  # type: ignore[attr-defined]  # as pytest does with wasxfail
        else:
            report.outcome = "failed"
            first = said.partition("\n")[0]
            report.longrepr = f"{claim}; in {here} it fails with {first!r}: the statement is wrong, correct it"
    return report


def _where(item: pytest.Item) -> str:
    path = find_project(item.config.rootpath).relative(item.path)
    return f"{path}:{(item.reportinfo()[1] or 0) + 1}: {item.name}"


def _parts(release: str) -> tuple[str, list[int]]:
    """ "redis-7.0" to ("redis", [7, 0]), "5.3" to ("", [5, 3])."""
    product, _, number = release.rpartition("-")
    return product, [int(part) for part in number.split(".") if part]
