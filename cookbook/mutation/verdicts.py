"""What became of each mutant of a recipe: kept in tests/evidence/mutations/, counted while its files are the same."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cookbook.evidence import records
from cookbook.mutation import mutants
from cookbook.mutation.mutants import Mutant
from cookbook.project import LANGUAGES, CookbookError, Project, write_whole
from cookbook.snapshot import once
from cookbook.sources import shown_lines

STATED = "tests/recipes/untestable.toml"
SURVIVED = "survived"  # the other outcomes are `killed` and `timeout`, which is a way of being killed


@dataclass(frozen=True)
class Verdict:
    """How the proofs took one mutant: *by* is the proof that failed, *text* the line as the file has it."""

    file: str
    line: int
    text: str
    change: str
    removes: bool
    outcome: str
    by: str
    seconds: float


@dataclass(frozen=True)
class Statement:
    """A line that cannot be proven, or one change of it that no proof can see, and why, in both languages.

    It stands on line *at* of STATED; *change* is empty when it is about all of the line.
    """

    file: str
    text: str
    change: str
    reason: dict[str, str]
    at: int

    def is_about(self, verdict: Verdict) -> bool:
        return (self.file, self.text) == (verdict.file, verdict.text) and self.change in ("", verdict.change)


def planned(project: Project, recipe: str) -> dict[str, list[Mutant]]:
    """The mutants of the lines that are counted for *recipe*, by file."""
    found = {}
    for path, each in shown_lines.files_of_recipe(project, recipe).items():
        source = (project.root / path).read_text(encoding="utf-8")
        found[path] = mutants.mutants(Path(path).name, source, each.lines)
    return {path: each for path, each in found.items() if each}


def testable_lines(project: Project, recipe: str) -> set[tuple[str, int]]:
    """The lines that `planned` has a mutant of, as (file, line)."""
    found = set()
    for path, each in shown_lines.files_of_recipe(project, recipe).items():
        source = (project.root / path).read_text(encoding="utf-8")
        found |= {(path, line) for line in mutants.testable(Path(path).name, source, each.lines)}
    return found


def judges(project: Project, recipe: str) -> list[str]:
    """The recipes whose proofs are about the lines counted for *recipe*, itself first."""
    files = shown_lines.files_of_recipe(project, recipe).values()
    return list(dict.fromkeys([recipe, *(name for file in files for name in file.recipes)]))


def digest(project: Project, recipe: str) -> str:
    """One digest of all that the verdicts of *recipe* are about: its files, its proofs, those of its other judges."""
    files: dict[str, str] = {}
    for judge in judges(project, recipe):
        files |= records.local_digests(project, judge)
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def load(project: Project, recipe: str) -> tuple[str, list[Verdict]]:
    """The digest of the files that the verdicts are about, and these; empty when there are none."""
    file = _file(project, recipe)
    if not file.exists():
        return "", []
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return data["digest"], [Verdict(**verdict) for verdict in data["mutants"]]
    except (ValueError, KeyError, TypeError) as error:
        where = project.relative(file)
        raise CookbookError(f"{where}: not verdicts ({error}): delete it and run `make mutate`") from error


@once
def fresh(project: Project, recipe: str, files: Project | None = None) -> list[Verdict]:
    """The verdicts of *recipe* that hold for *files*, by default the project's: none when one of them was edited."""
    about, verdicts = load(project, recipe)
    return verdicts if about and about == digest(files or project, recipe) else []


def save(project: Project, recipe: str, about: str, verdicts: Iterable[Verdict]) -> None:
    """Put the verdicts in their place, whole or not at all, one on a line so that a change of one is one line."""
    ordered = sorted(verdicts, key=lambda verdict: (verdict.file, verdict.line, not verdict.removes, verdict.change))
    lines = ",\n".join(json.dumps(asdict(verdict), ensure_ascii=False) for verdict in ordered)
    write_whole(_file(project, recipe), f'{{"digest": "{about}", "mutants": [\n{lines}\n]}}\n')


@once
def statements(project: Project) -> list[Statement]:
    """The lines that STATED says cannot be proven; CookbookError when it is not written as it has to be."""
    file = project.root / STATED
    if not file.exists():
        return []
    source = file.read_text(encoding="utf-8")
    starts = [number for number, line in enumerate(source.splitlines(), 1) if line.strip() == "[[line]]"]
    found = []
    try:
        for at, entry in zip(starts, tomllib.loads(source).get("line", []), strict=True):
            reason = {language: str(entry[language]) for language in LANGUAGES}
            found.append(Statement(entry["file"], entry["text"].strip(), entry.get("change", ""), reason, at))
    except (ValueError, KeyError, TypeError) as error:
        raise CookbookError(f"{STATED}: {error}: each [[line]] has file, text, and the reason as en and fr") from error
    return found


def unexplained(project: Project, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The survivors that no statement is about."""
    stated = statements(project)
    return [
        verdict
        for verdict in verdicts
        if verdict.outcome == SURVIVED and not any(each.is_about(verdict) for each in stated)
    ]


def idle_statements(project: Project, verdicts: Iterable[Verdict], files: Iterable[str]) -> list[str]:
    """A line for each statement about one of *files* that no survivor among *verdicts* bears out."""
    survivors = [verdict for verdict in verdicts if verdict.outcome == SURVIVED]
    return [
        f"{STATED}:{each.at}: no survivor on a line `{each.text}` of {each.file}: remove the entry, or correct its text"
        for each in statements(project)
        if each.file in files and not any(each.is_about(verdict) for verdict in survivors)
    ]


def proven_lines(verdicts: Iterable[Verdict]) -> set[tuple[str, int]]:
    """The lines that *verdicts* bear out, as (file, line).

    A line is proven when the proofs see each thing taken away from it; of a line that nothing can be taken from, when
    they see each alteration.
    """
    by_line: dict[tuple[str, int], list[Verdict]] = {}
    for verdict in verdicts:
        by_line.setdefault((verdict.file, verdict.line), []).append(verdict)
    proven = set()
    for line, found in by_line.items():
        removals = [verdict for verdict in found if verdict.removes]
        if all(verdict.outcome != SURVIVED for verdict in removals or found):
            proven.add(line)
    return proven


def _file(project: Project, recipe: str) -> Path:
    return project.root / "tests" / "evidence" / "mutations" / f"{recipe}.json"
