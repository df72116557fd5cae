"""In which order proofs are tried on a mutant: first those that are likely to fail, and soon."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from statistics import fmean

from cookbook.evidence.records import Proof
from cookbook.mutation.verdicts import Planned, Verdict

SAME_FILE = 3  # how much a failure of a proof counts for a mutant of the same file; for one of another file, 1
NEVER_FAILED = 0.3  # failures that each proof starts with, so that of those without any the fastest goes first
START = 1  # seconds that pytest takes before any proof, so that a proof of 0.1 s does not count as ten of 1 s


class Schedule:
    """Knows which proofs failed on earlier mutants, and learns from each verdict. Threads may share it."""

    def __init__(self, proofs: Iterable[Proof], earlier: Iterable[Verdict]) -> None:
        self.proofs = list(proofs)
        self.verdicts = list(earlier)
        self.last = {(each.file, each.text, each.change): each.by for each in self.verdicts}

    def order(self, planned: Planned, modules: Collection[str]) -> list[str]:
        """The ids of the proofs of *modules* in the order to run on *planned*: what failed on it last time goes first,
        then what fails often, especially in its file, and soon."""
        last = self.last.get((planned.file, planned.text, str(planned.mutant.change)))
        own = [proof for proof in self.proofs if proof.id.partition("::")[0] in modules]
        own.sort(key=lambda proof: (proof.id == last, self._promise(proof, planned.file)), reverse=True)
        return [proof.id for proof in own]

    def learn(self, verdict: Verdict) -> None:
        """Count *verdict* in the orders to come."""
        self.verdicts.append(verdict)

    def _promise(self, proof: Proof, file: str) -> float:
        """The failures of *proof* for each second that it costs, weighted by how near to *file* they were."""
        failures = [each for each in self.verdicts.copy() if each.by == proof.id]
        weight = sum(SAME_FILE if each.file == file else 1 for each in failures)
        seconds = fmean(each.seconds for each in failures) if failures else proof.seconds
        return (weight + NEVER_FAILED) / (seconds + START)
