"""Gathers the reports of a pytest run, shows progress, and writes the evidence of each recipe as soon as it ended."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest

from cookbook.evidence import cells, failures, freshness, records, since
from cookbook.evidence.columns import Column
from cookbook.evidence.failures import Failure
from cookbook.evidence.reports import function_of, joined, outcome_of, reason_of, seconds_of
from cookbook.project import CookbookError, Project
from cookbook.stack.local import installed_versions

NO_TESTS = pytest.ExitCode.NO_TESTS_COLLECTED
NARROWED = ("keyword", "markexpr", "lf", "deselect", "stepwise")


class Recorder:
    """Lives in the process that the person started, also when xdist spreads the tests."""

    def __init__(self, project: Project, config: pytest.Config) -> None:
        self.project = project
        self.config = config
        self.column = since.column(config)
        self.reports: dict[str, dict[str, list[pytest.TestReport]]] = defaultdict(lambda: defaultdict(list))
        self.expected: dict[str, set[str]] = defaultdict(set)
        # As the run began: what is edited meanwhile was not run.
        self.digests: dict[str, Any] = {}
        self.proofs: dict[str, set[str]] = {}
        self.runs_on: dict[str, str] = {}
        self.finished: dict[str, set[str]] = defaultdict(set)
        self.uncollected: dict[str, pytest.CollectReport] = {}
        self.attempt: int = config.getoption("--try") or 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        self._expect(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be read ends the run at once, also where xdist would run the others."""
        if report.failed and self._recipe(report.nodeid):
            self.uncollected[report.nodeid] = report
            if spreading := self.config.pluginmanager.get_plugin("dsession"):
                spreading.shouldstop = f"{report.nodeid} cannot be read"

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
        if report.when not in ("setup", "call"):  # the teardown, or that the process of the test died
            self.finished[recipe].add(report.nodeid)
            if self.finished[recipe] >= self.expected[recipe]:
                self._progress(recipe)
                if self.config.getoption("--no-evidence"):
                    return
                if self.attempt == 2:
                    self._merge(recipe)
                elif self._whole(recipe):
                    self._write(recipe)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if self.attempt:
            failures.save(self.project, self._failures())
        for recipe in self.reports:
            if self.attempt != 2 and not self._whole(recipe):
                self._say(f"{recipe}: only some of its proofs ran: its evidence stays as it was")
        if self.column and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, NO_TESTS):
            for recipe in self._asked() - self.expected.keys():  # none of its proofs depends on what the column has
                self._write(recipe)

    def _write(self, recipe: str) -> None:
        if self.column:
            cells.write(self.project, self._cell(self.column, recipe))
        else:
            records.write(self.project, self._evidence(recipe))

    def _merge(self, recipe: str) -> None:
        """Put into the evidence of a run what the second try of its failed proofs gave."""
        second = self._evidence(recipe)
        for run in records.load(self.project, recipe, second.backend):
            if run.files == self.digests[recipe]:
                again = {proof.name: replace(proof, tries=2) for proof in second.tests}
                merged = replace(
                    run,
                    versions={**run.versions, **self._versions(recipe)},
                    files=second.files,
                    tests=[again.get(proof.name, proof) for proof in run.tests],
                    transcripts=run.transcripts | second.transcripts,
                    records=run.records | second.records,
                )
                records.write(self.project, merged)
                return
        self._say(f"{recipe}: edited since the first try: its evidence stays as it was")

    def _failures(self) -> Iterator[Failure]:
        for recipe in self.reports:
            for reports in self._cases(recipe).values():
                if any(outcome_of(each) == "failed" for each in reports):
                    yield failures.of_proof(self.project, recipe, [*chain(*reports)], self.attempt)
        for nodeid, report in self.uncollected.items():
            yield failures.of_module(self.project, str(self._recipe(nodeid)), report)

    def _digest(self, recipe: str) -> Any:
        if self.column:
            return cells.digest(self.project, self.column, recipe)
        return records.digests(self.project, recipe)

    def _asked(self) -> set[str]:
        """The recipes whose proofs this run was to find."""
        places = [self.config.rootpath / arg for arg in self.config.args]
        modules = {name: records.proof_module(self.project, name) for name in self.project.recipe_names()}
        return {name for name, module in modules.items() if any(module.is_relative_to(place) for place in places)}

    def _expect(self, ids: Any) -> None:
        for nodeid in ids:
            if recipe := self._recipe(nodeid):
                self.expected[recipe].add(nodeid)
                if recipe not in self.digests:
                    self.digests[recipe] = self._digest(recipe)
                    self.proofs[recipe] = set(records.written(self.project, recipe))
                if not self.runs_on:
                    with suppress(CookbookError):  # there is no server: the proofs that need one say so
                        self.runs_on = freshness.runs_on(self.project, self.config.option.stack)

    def _recipe(self, nodeid: str) -> str | None:
        module = self.config.rootpath / nodeid.partition("::")[0]
        return module.stem.removeprefix("test_") if module.parent == self.project.proofs else None

    def _progress(self, recipe: str) -> None:
        done = sum(self.finished[name] >= ids for name, ids in self.expected.items())
        reports = self.reports[recipe]
        seconds = sum(seconds_of(each) for each in reports.values())
        failed = sum(outcome_of(each) == "failed" for each in reports.values())
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
        return {function_of(nodeid) for nodeid in self.finished[recipe]} >= self.proofs[recipe]

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

    def _evidence(self, recipe: str) -> records.Evidence:
        transcripts: dict[str, str] = {}
        recorded: dict[str, Any] = {}
        rewritten: dict[str, str] = {}
        for nodeid, key, value in self._properties(recipe):
            if key == "transcript":
                transcripts[str(value)] = function_of(nodeid)
            elif key == "record":
                for name, rows in value.items():
                    recorded[name] = joined(recorded[name], rows) if name in recorded else rows
            elif key == "rewritten":
                rewritten.update(value)
        return records.Evidence(
            recipe=recipe,
            backend=self.config.option.stack,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            # Proofs that ask for no stack ran in this environment, and on no server.
            versions={**installed_versions(), "server": "", **self._versions(recipe)},
            files=self.digests[recipe] | rewritten,
            tests=self._proofs(recipe),
            transcripts=transcripts,
            records=recorded,
            runs_on=self.runs_on,
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

    def _proofs(self, recipe: str) -> list[records.Proof]:
        return [self._proof(name, runs) for name, runs in self._cases(recipe).items()]

    def _cases(self, recipe: str) -> dict[str, list[list[pytest.TestReport]]]:
        """The reports of each proof of *recipe*, by its cases."""
        cases: dict[str, list[list[pytest.TestReport]]] = defaultdict(list)
        for nodeid, reports in self.reports[recipe].items():
            cases[function_of(nodeid)].append(reports)
        return cases

    def _proof(self, name: str, runs: list[list[pytest.TestReport]]) -> records.Proof:
        """One proof out of the reports of its cases (several when it is parametrised): the worst outcome counts."""
        outcomes = [outcome_of(reports) for reports in runs]
        reasons = (reason_of(reports) for reports in runs)
        return records.Proof(
            name=name,
            id=runs[0][0].nodeid.partition("[")[0],
            outcome=min(outcomes, key=records.WORST_FIRST.index),
            reason=next((reason for reason in reasons if reason), ""),
            seconds=round(sum(seconds_of(reports) for reports in runs), 2),
            cases=len(runs),
        )
