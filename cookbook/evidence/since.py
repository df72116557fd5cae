"""On which versions a proof says something: the columns of pytest (`--celery=5.3`, `--server=redis-6.2`) and the marker
`since`, by which a proof states the first release that it holds for. A part of the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from types import CodeType, FunctionType, ModuleType
from typing import NamedTuple

import pytest

from cookbook.evidence import records
from cookbook.evidence.columns import Column
from cookbook.evidence.environments import DEFAULT_SERVER, SERVERS
from cookbook.evidence.reports import notes_of
from cookbook.project import find_project

MARKER = (
    "since(release, *, fails|prints|gap, down_to=None): the proof holds from this release on, and fails or prints what "
    "matches before; or it cannot be run there, for the reason `gap`; before `down_to`, it holds again"
)
KINDS = ("fails", "prints", "gap")
OF_THE_RELEASE = ("celery", "kombu")  # a test that uses these in its own process learns nothing about another release


class OlderBehavior(NamedTuple):
    """What a proof does before *release* ("5.3" of Celery, or "redis-7.0"): it "fails" or its transcript "prints" what
    matches *text*, or it is a "gap" for the reason *text*; *down_to* is the oldest release that does so."""

    release: str
    kind: str  # one of KINDS
    text: str
    down_to: str = ""

    @property
    def name(self) -> str:
        """The release for a reader: "5.3", "Redis 7.0"."""
        return self.release.replace("-", " ").title()

    def is_about(self, column: Column) -> bool:
        """Whether *column* has something older than the release."""
        product, numbers = _parts(self.release)
        runs = _parts(column.server) if product else ("", _parts(column.celery)[1])
        return runs[0] == product and bool(runs[1]) and _parts(self.down_to)[1] <= runs[1] < numbers


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose a column."""
    group = parser.getgroup("cookbook")
    group.addoption("--celery", metavar="RELEASE", default="", help="run the programs with this older Celery")
    group.addoption("--server", choices=SERVERS, help="run on this server")


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marker."""
    config.addinivalue_line("markers", MARKER)


def column(config: pytest.Config) -> Column | None:
    """The column that this run is about; None for the ordinary run. UsageError when it is on another stack."""
    celery, server = config.getoption("--celery"), config.getoption("--server")
    if not celery and not server:
        return None
    if config.option.stack == "compose":
        raise pytest.UsageError("--celery and --server choose among environments on this machine: add --stack=local")
    return Column(celery, server or DEFAULT_SERVER)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In a column, leave out the proofs that say nothing about it."""
    for item in items:
        _stated(item)
    asked = column(config)
    if asked is None:
        return
    kept = [item for item in items if isinstance(item, pytest.Function) and depends_on(item, asked)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    if asked.celery:  # a known defect is one of the newest release
        for item in items:
            item.own_markers = [mark for mark in item.own_markers if mark.name != "xfail"]


def depends_on(item: pytest.Function, column: Column) -> bool:
    """Whether a proof depends on what the column has, and only on that: not without a stack, nor on several releases,
    nor, in the column of an older Celery, with the Celery that is installed here."""
    if "stack" not in item.fixturenames or is_on_several(item):
        return False
    return not (column.celery and uses_celery_itself(item.function))


def is_on_several(item: pytest.Item) -> bool:
    """Whether a proof runs on several releases of Celery by itself."""
    recipe = item.path.stem.removeprefix("test_")
    return getattr(item, "originalname", "") in records.on_several(find_project(item.config.rootpath), recipe)


def uses_celery_itself(function: Callable[..., object]) -> bool:
    """Whether *function*, or one that it calls, uses Celery or kombu in this process."""
    unread, seen = [getattr(function, "__wrapped__", function)], set()
    while unread:
        reading = unread.pop()
        if not isinstance(reading, FunctionType) or reading in seen:
            continue
        seen.add(reading)
        for name in _names(reading.__code__):
            value = reading.__globals__.get(name)
            # Of our own modules, what they import counts too: `reference.setting` reads the defaults of this Celery.
            ours = isinstance(value, ModuleType) and value.__name__.startswith("cookbook.")
            if any(map(_is_of_the_release, [value, *(vars(value).values() if ours else ())])):
                return True
            unread.append(value)
    return False


def _names(code: CodeType) -> set[str]:
    """The global names that *code* and the functions within it may use."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)


def _is_of_the_release(value: object) -> bool:
    origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return str(origin).partition(".")[0] in OF_THE_RELEASE


def _stated(item: pytest.Item) -> list[OlderBehavior]:
    """What the marks of *item* state, the oldest release first; UsageError when one is unclear."""
    found = []
    for mark in item.iter_markers("since"):
        stated = [(kind, text) for kind, text in mark.kwargs.items() if kind != "down_to"]
        if len(mark.args) != 1 or len(stated) != 1 or stated[0][0] not in KINDS:
            raise pytest.UsageError(
                f'{_where(item)}: unclear mark: write since("5.3", fails="…"), or prints= or gap=, what it does before'
            )
        found.append(OlderBehavior(mark.args[0], *stated[0], mark.kwargs.get("down_to", "")))
    return sorted(found, key=lambda each: _parts(each.release))


def _stated_here(item: pytest.Item) -> list[OlderBehavior]:
    """What *item* states about the column of this run, the nearest release first."""
    asked = column(item.config)
    return [each for each in _stated(item) if asked and each.is_about(asked)]


def differs_as_stated(item: pytest.Item, drift: list[str]) -> bool:
    """Whether the outputs of a transcript differ on this older release in the way that *item* states."""
    stated = next((each for each in _stated_here(item) if each.kind == "prints"), None)
    if stated is None or not all(re.search(stated.text, line) for line in drift):
        return False
    notes_of(item).drifted = True
    return True


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a proof that cannot be run on this older release."""
    stated = next((each for each in _stated_here(item) if each.kind != "prints"), None)
    if stated and stated.kind == "gap":
        pytest.skip(stated.text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On an older release, a proof that fails as stated counts as "stated", and one that does not counts as failed."""
    report = yield
    asked, stated = column(item.config), sorted(_stated_here(item), key=lambda each: each.kind == "prints")
    if (
        not asked
        or not stated
        or report.skipped
        or report.when == "teardown"
        or (report.when == "setup" and report.passed)
    ):
        return report
    error, first = call.excinfo.exconly(tryshort=True) if call.excinfo else "", stated[0]
    if wrong := contradiction(first, error, drifted=notes_of(item).drifted):
        claim = f"{_where(item)}: stated for before {first.name}: {first.kind} /{first.text}/"
        report.outcome = "failed"
        report.longrepr = f"{claim}; in {asked.name} {wrong}: the statement is wrong, correct it"
    elif first.kind == "fails":
        holds_from = [each.name for each in stated if each.kind == "fails"][-1]
        report.outcome = "skipped"
        report.longrepr = (str(item.path), item.reportinfo()[1] or 0, f"holds from {holds_from}")
        notes_of(item).holds_from = holds_from
    return report


def contradiction(stated: OlderBehavior, error: str, *, drifted: bool) -> str:
    """What *stated* is wrong about: the proof ended with *error* (empty: it passed), and the outputs of its transcript
    *drifted* as stated or not. Empty when the statement is right, or when it does not explain the error."""
    if not error:
        return "" if stated.kind == "prints" and drifted else "it does not"
    if stated.kind != "fails" or re.search(stated.text, error, re.DOTALL):
        return ""
    first_line, _, _ = error.partition("\n")
    return f"it fails with {first_line!r}"


def _where(item: pytest.Item) -> str:
    path = find_project(item.config.rootpath).relative(item.path)
    return f"{path}:{(item.reportinfo()[1] or 0) + 1}: {item.name}"


def _parts(release: str) -> tuple[str, list[int]]:
    """ "redis-7.0" to ("redis", [7, 0]), "5.3" to ("", [5, 3])."""
    product, _, number = release.rpartition("-")
    return product, [int(part) for part in number.split(".") if part]
