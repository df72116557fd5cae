"""Gathers the reports of a pytest run, shows progress, and writes the evidence of each recipe as soon as it ended."""

from __future__ import annotations

import ast
import datetime
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cookbook import cells, evidence, statements
from cookbook.columns import Column
from cookbook.local import installed_versions
from cookbook.project import Project

NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED
NARROWED = ("keyword", "markexpr", "lf", "deselect", "stepwise")


class Recorder:
    """Lives in the process that the person started, also when xdist spreads the tests."""

    def __init__(self, project: Project, config: pytest.Config) -> None:
        self.project = project
        self.config = config
        self.column = statements.column(config)
        self.reports: dict[str, dict[str, list[pytest.TestReport]]] = defaultdict(lambda: defaultdict(list))
        self.expected: dict[str, set[str]] = defaultdict(set)
        self.digests: dict[str, Any] = {}  # as the run began: what is edited meanwhile was not run
        self.finished: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        self._expect(ids)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No dot for a proof that passed: a line for each recipe says more."""
        quiet = (
            report.when == "call" and report.passed and self._recipe(report.nodeid) and not hasattr(report, "wasxfail")
        )
        return ("passed", "", "PASSED") if quiet else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        recipe = self._recipe(report.nodeid)
        if recipe is None:
            return
        self.reports[recipe][report.nodeid].append(report)
        if report.when == "teardown":
            self.finished[recipe].add(report.nodeid)
            if self.finished[recipe] >= self.expected[recipe]:
                self._progress(recipe)
                if self._whole(recipe):
                    self._write(recipe)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        for recipe in self.reports:
            if not self._whole(recipe):
                self._say(f"{recipe}: only some of its proofs ran: its evidence stays as it was")
        if self.column and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, NO_TESTS):
            for recipe in self._asked() - self.expected.keys():  # none of its proofs depends on what the column has
                self._write(recipe)

    def _write(self, recipe: str) -> None:
        if self.column:
            cells.write(self.project, self._cell(self.column, recipe))
        else:
            evidence.write(self.project, self._evidence(recipe))

    def _digest(self, recipe: str) -> Any:
        if self.column:
            return cells.digest(self.project, self.column, recipe)
        return evidence.digests(self.project, recipe)

    def _asked(self) -> set[str]:
        """The recipes whose proofs this run was to find."""
        places = [self.config.rootpath / arg for arg in self.config.args]
        modules = {name: evidence.proof_module(self.project, name) for name in self.project.recipe_names()}
        return {name for name, module in modules.items() if any(module.is_relative_to(place) for place in places)}

    def _expect(self, ids: Any) -> None:
        for nodeid in ids:
            if recipe := self._recipe(nodeid):
                self.expected[recipe].add(nodeid)
                if recipe not in self.digests:
                    self.digests[recipe] = self._digest(recipe)

    def _recipe(self, nodeid: str) -> str | None:
        module = self.config.rootpath / nodeid.partition("::")[0]
        return module.stem.removeprefix("test_") if module.parent == self.project.proofs else None

    def _progress(self, recipe: str) -> None:
        done = sum(self.finished[name] >= ids for name, ids in self.expected.items())
        reports = self.reports[recipe]
        seconds = sum(_seconds(each) for each in reports.values())
        failed = sum(_outcome(each) == "failed" for each in reports.values())
        verdict = f"{failed} of {len(reports)} proofs FAILED" if failed else f"{len(reports)} proofs"
        left = len(self.expected) - done
        self._say(
            f"[{done}/{len(self.expected)}] {recipe}: {verdict}, {seconds:.0f} s" + (f" ({left} left)" if left else "")
        )

    def _say(self, line: str) -> None:
        if terminal := self.config.pluginmanager.get_plugin("terminalreporter"):
            terminal.ensure_newline()
            terminal.write_line(line)

    def _whole(self, recipe: str) -> bool:
        """Whether every proof of the recipe was asked for and every one ended."""
        narrowed = any(self.config.getoption(name, None) for name in NARROWED) or any(
            "::" in arg for arg in self.config.args
        )
        if narrowed or not self.finished[recipe] >= self.expected[recipe]:
            return False
        if self.column:  # which leaves out the proofs that say nothing of it
            return True
        names = set(map(_name, self.finished[recipe]))
        return names >= set(proof_names(evidence.proof_module(self.project, recipe)))

    def _cell(self, column: Column, recipe: str) -> cells.Cell:
        proofs = self._proofs(recipe)
        return cells.Cell(
            column=column.name,
            recipe=recipe,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            versions=self._versions(recipe),
            digest=self.digests.get(recipe) or self._digest(recipe),
            seconds=round(sum(proof.seconds for proof in proofs)),
            outcomes={proof.name: proof.outcome for proof in proofs},
            reasons={proof.name: proof.reason for proof in proofs if proof.reason},
        )

    def _evidence(self, recipe: str) -> evidence.Evidence:
        transcripts: dict[str, str] = {}
        records: dict[str, Any] = {}
        for nodeid, key, value in self._properties(recipe):
            if key == "transcript":
                transcripts[str(value)] = _name(nodeid)
            elif key == "record":
                for name, rows in value.items():
                    records[name] = joined(records[name], rows) if name in records else rows
        return evidence.Evidence(
            recipe=recipe,
            backend=self.config.option.stack,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            # Proofs that ask for no stack ran in this environment, and on no server.
            versions={**installed_versions(), "server": "", **self._versions(recipe)},
            files=self.digests[recipe],
            tests=self._proofs(recipe),
            transcripts=transcripts,
            records=records,
        )

    def _properties(self, recipe: str) -> Iterator[tuple[str, str, Any]]:
        """What the tests of *recipe* noted of themselves: test, key, value."""
        for nodeid, reports in sorted(self.reports[recipe].items()):  # so the rows of several cases come in one order
            for key, value in reports[-1].user_properties:
                yield nodeid, key, value

    def _versions(self, recipe: str) -> dict[str, str]:
        """The versions that the stacks of *recipe* had; several of one package in one text."""
        found: dict[str, set[str]] = defaultdict(set)
        for _, key, value in self._properties(recipe):
            if key == "versions":
                for package, number in value.items():
                    found[package].add(number)
        return {package: ", ".join(sorted(numbers)) for package, numbers in found.items()}

    def _proofs(self, recipe: str) -> list[evidence.Proof]:
        cases: dict[str, list[list[pytest.TestReport]]] = defaultdict(list)
        for nodeid, reports in self.reports[recipe].items():
            cases[_name(nodeid)].append(reports)
        return [self._proof(name, runs) for name, runs in cases.items()]

    def _proof(self, name: str, runs: list[list[pytest.TestReport]]) -> evidence.Proof:
        """One proof out of the reports of its cases (several when it is parametrised): the worst outcome counts."""
        outcomes = [_outcome(reports) for reports in runs]
        properties = dict(runs[0][-1].user_properties)
        reasons = (_reason(reports) for reports in runs)
        return evidence.Proof(
            name=name,
            id=runs[0][0].nodeid.partition("[")[0],
            line=int(str(properties["line"])),
            sentence=properties["sentence"],  # type: ignore[arg-type]
            outcome=min(outcomes, key=evidence.WORST_FIRST.index),
            reason=next((reason for reason in reasons if reason), ""),
            seconds=round(sum(_seconds(reports) for reports in runs), 2),
            cases=len(runs),
        )


def proof_names(module: Path) -> list[str]:
    """The names of the test functions that *module* defines."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def joined(rows: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The *rows* that cases of a proof have recorded and those of one *more*: what is said of one "line" in one row.

    [{"line": "a", "5.6": 1}] and [{"line": "a", "5.7": 2}] become [{"line": "a", "5.6": 1, "5.7": 2}].
    """
    found = {row.get("line", number): row for number, row in enumerate(rows)}
    for row in more:
        line = row.get("line", len(found))
        found[line] = found.get(line, {}) | row
    return list(found.values())


def _name(nodeid: str) -> str:
    """The function of a test, whichever of its cases it is."""
    return nodeid.split("::")[1].partition("[")[0]


def _outcome(reports: list[pytest.TestReport]) -> str:
    if any(report.failed for report in reports):
        return "failed"
    if any(hasattr(report, "stated") for report in reports):
        return "stated"
    if any(report.skipped for report in reports):
        return "xfailed" if any(hasattr(report, "wasxfail") for report in reports) else "skipped"
    return "passed"


def _reason(reports: list[pytest.TestReport]) -> str:
    for report in reports:
        if hasattr(report, "wasxfail"):
            return str(report.wasxfail).removeprefix("reason: ")
        if hasattr(report, "stated"):
            return str(report.stated)
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            return str(crash.message if crash else report.longrepr).strip().partition("\n")[0]
        if report.skipped and isinstance(report.longrepr, tuple):
            return str(report.longrepr[2]).removeprefix("Skipped: ")
    return ""


def _seconds(reports: list[pytest.TestReport]) -> float:
    return sum(report.duration for report in reports)
