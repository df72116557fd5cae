"""Gathers the reports of a pytest run, shows progress, and writes the evidence of each recipe as soon as it ended."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import pytest

from cookbook.evidence import failures, freshness, matrix, records, since
from cookbook.evidence.failures import Failure
from cookbook.evidence.records import Row
from cookbook.evidence.reports import Progress, joined, outcome_of, seconds_of
from cookbook.project import CookbookError, Project
from cookbook.stack.local import installed_versions

ENDED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
NARROWED = ("keyword", "markexpr", "lf", "deselect", "stepwise")  # options of pytest that leave tests out


class Recorder:
    """A plugin of the process that the person started, also when pytest-xdist spreads the tests."""

    def __init__(self, project: Project, config: pytest.Config) -> None:
        self.project = project
        self.config = config
        self.column = since.column(config)
        self.runs: dict[str, Progress] = {}
        self.runs_on: dict[str, str] = {}
        self.uncollected: dict[str, pytest.CollectReport] = {}
        self.attempt: int = config.getoption("--try") or 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Expect the tests of a run in one process."""
        self._expect(item.nodeid for item in session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        """Expect the tests of a run that pytest-xdist spreads."""
        self._expect(ids)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be read ends the run at once, also where xdist would run the others."""
        if report.failed and self._recipe(report.nodeid):
            self.uncollected[report.nodeid] = report
            if spreading := self.config.pluginmanager.get_plugin("dsession"):
                spreading.shouldstop = f"{report.nodeid} cannot be read"

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """No dot for a proof that passed: a line for each recipe says more."""
        quiet = report.when == "call" and report.passed and not hasattr(report, "wasxfail")
        return ("passed", "", "PASSED") if quiet and self._recipe(report.nodeid) else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep *report*, and write the evidence of its recipe when it is the last one."""
        recipe = self._recipe(report.nodeid)
        if recipe is None:
            return
        self.runs[recipe].reports[report.nodeid].append(report)
        if self.runs[recipe].is_finished():
            self._show_progress(recipe)
            if self.config.getoption("--no-evidence"):
                return
            if self.attempt == 2:
                self._merge(recipe)
            elif self._is_whole(recipe):
                self._write(recipe)

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Save what failed, and in a column also the cells of the recipes that none of its proofs is about."""
        if self.attempt:
            failures.save(self.project, self._failures())
        for recipe, run in self.runs.items():
            if run.reports and self.attempt != 2 and not self._is_whole(recipe):
                self._say(f"{recipe}: only some of its proofs ran: its evidence stays as it was")
        if self.column and exitstatus in ENDED:
            for recipe in self._asked() - self.runs.keys():
                self.runs[recipe] = self._begun(recipe)
                self._write(recipe)

    def _expect(self, ids: Iterable[str]) -> None:
        for nodeid in ids:
            if recipe := self._recipe(nodeid):
                if recipe not in self.runs:
                    self.runs[recipe] = self._begun(recipe)
                self.runs[recipe].expected.add(nodeid)
        if self.runs and not self.runs_on:
            with suppress(CookbookError):  # no server: the proofs that need one report it
                self.runs_on = freshness.runs_on(self.project, self.config.option.stack)

    def _begun(self, recipe: str) -> Progress:
        """The run of *recipe* as it begins: what is edited during the run was not run."""
        cell = matrix.digest(self.project, self.column, recipe) if self.column else ""
        return Progress(records.digests(self.project, recipe), set(records.written(self.project, recipe)), cell)

    def _write(self, recipe: str) -> None:
        if self.column:
            matrix.write(self.project, self._cell(self.column.name, recipe))
        else:
            records.write(self.project, self._evidence(recipe))

    def _merge(self, recipe: str) -> None:
        """Put into the evidence of a run what the second try of its failed proofs gave."""
        second = self._evidence(recipe)
        for run in records.load(self.project, recipe, second.backend):
            if run.files == self.runs[recipe].files:
                again = {proof.name: replace(proof, tries=2) for proof in second.tests}
                merged = replace(
                    run,
                    versions={**run.versions, **self.runs[recipe].versions()},
                    files=second.files,
                    tests=[again.get(proof.name, proof) for proof in run.tests],
                    transcripts=run.transcripts | second.transcripts,
                    records=run.records | second.records,
                )
                records.write(self.project, merged)
                return
        self._say(f"{recipe}: edited since the first try: its evidence stays as it was")

    def _failures(self) -> Iterator[Failure]:
        for recipe, run in self.runs.items():
            for proof, cases in zip(run.ended(), run.cases().values(), strict=True):
                if proof.outcome == "failed":
                    yield failures.of_proof(self.project, recipe, [*chain(*cases)], self.attempt)
        for nodeid, report in self.uncollected.items():
            yield failures.of_module(self.project, str(self._recipe(nodeid)), report)

    def _asked(self) -> set[str]:
        """The recipes whose proofs this run was to find."""
        places = [self.config.rootpath / arg for arg in self.config.args]
        modules = {name: records.proof_module(self.project, name) for name in self.project.recipe_names()}
        return {name for name, module in modules.items() if any(module.is_relative_to(place) for place in places)}

    def _recipe(self, nodeid: str) -> str | None:
        module = self.config.rootpath / nodeid.partition("::")[0]
        return module.stem.removeprefix("test_") if module.parent == self.project.proofs else None

    def _show_progress(self, recipe: str) -> None:
        run, left = self.runs[recipe], sum(not each.is_finished() for each in self.runs.values())
        seconds = sum(map(seconds_of, run.reports.values()))
        failed = sum(outcome_of(each) == "failed" for each in run.reports.values())
        proofs = f"{len(run.reports)} proofs"
        verdict = f"{failed} of {proofs} FAILED" if failed else proofs
        count = f"[{len(self.runs) - left}/{len(self.runs)}]"
        self._say(f"{count} {recipe}: {verdict}, {seconds:.0f} s" + (f" ({left} left)" if left else ""))

    def _say(self, line: str) -> None:
        if terminal := self.config.pluginmanager.get_plugin("terminalreporter"):
            terminal.ensure_newline()
            terminal.write_line(line)

    def _is_whole(self, recipe: str) -> bool:
        """Whether this run was to run every proof of *recipe*, and each of them ended."""
        options, run = self.config, self.runs[recipe]
        if any(options.getoption(name, None) for name in NARROWED) or any("::" in arg for arg in options.args):
            return False
        # A column leaves out the proofs that it says nothing about.
        return run.is_finished() and (self.column is not None or run.runs_all_proofs())

    def _cell(self, column: str, recipe: str) -> matrix.Cell:
        proofs = self.runs[recipe].ended()
        return matrix.Cell(
            column=column,
            recipe=recipe,
            date=datetime.datetime.now(datetime.UTC).date().isoformat(),
            versions=self.runs[recipe].versions(),
            digest=self.runs[recipe].cell,
            seconds=round(sum(proof.seconds for proof in proofs)),
            outcomes={proof.name: proof.outcome for proof in proofs},
            reasons={proof.name: proof.reason for proof in proofs if proof.reason},
        )

    def _evidence(self, recipe: str) -> records.Evidence:
        run = self.runs[recipe]
        transcripts: dict[str, str] = {}
        recorded: dict[str, list[Row]] = {}
        rewritten: dict[str, str] = {}
        for function, notes in run.notes():
            transcripts |= dict.fromkeys(notes.transcripts, function)
            rewritten |= notes.rewritten
            for name, rows in notes.records:
                recorded[name] = joined(recorded[name], rows) if name in recorded else rows
        return records.Evidence(
            recipe=recipe,
            backend=self.config.option.stack,
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            # Proofs that ask for no stack ran in this environment, and on no server.
            versions={**installed_versions(), "server": "", **run.versions()},
            files=run.files | rewritten,
            tests=run.ended(),
            transcripts=transcripts,
            records=recorded,
            runs_on=self.runs_on,
        )
