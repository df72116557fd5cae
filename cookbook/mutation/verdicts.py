"""What the proofs make of each mutant of a recipe: kept in tests/evidence/mutations/, valid for the same files."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from cookbook.evidence import records
from cookbook.mutation import mutants
from cookbook.mutation.changes import Mutant, read_change
from cookbook.project import LANGUAGES, CookbookError, Project, write_whole
from cookbook.snapshot import once
from cookbook.sources import shown_lines

UNTESTABLE = "tests/recipes/untestable.toml"
SURVIVED = "survived"  # the other outcomes are `killed` and `timeout`, which is a way of being killed
Key = tuple[str, int, str]  # of a mutant in its recipe: file, line, and the change as text


class Planned(NamedTuple):
    """A mutant of *file*, whose line has *text* without it."""

    file: str
    text: str
    mutant: Mutant

    @property
    def key(self) -> Key:
        """What names the mutant in its recipe."""
        return self.file, self.mutant.line, str(self.mutant.change)


@dataclass(frozen=True)
class Verdict:
    """How the proofs took one mutant: *by* is the proof that failed, *text* the line without the mutant, *change* the
    text of a `Change`, *seconds* how long pytest took."""

    file: str
    line: int
    text: str
    change: str
    removes: bool
    outcome: str
    by: str
    seconds: float

    @property
    def key(self) -> Key:
        """What names its mutant in its recipe."""
        return self.file, self.line, self.change


@dataclass(frozen=True)
class Untestable:
    """A line that no proof can test, or one *change* of it ("" for the whole line), and why, by language.

    Its entry is on line *at* of UNTESTABLE.
    """

    file: str
    text: str
    change: str
    reason: dict[str, str]
    at: int

    def explains(self, verdict: Verdict) -> bool:
        """Whether *verdict* is about this line and change."""
        return (self.file, self.text) == (verdict.file, verdict.text) and self.change in ("", verdict.change)


def planned(project: Project, recipe: str) -> list[Planned]:
    """The mutants of the lines that are counted for *recipe*."""
    found = []
    for path, each in shown_lines.files_of_recipe(project, recipe).items():
        source = (project.root / path).read_text(encoding="utf-8")
        lines = source.split("\n")
        made = mutants.mutants(Path(path).name, source, each.lines)
        found += [Planned(path, lines[mutant.line - 1].strip(), mutant) for mutant in made]
    return found


def judges(project: Project, recipe: str) -> list[str]:
    """The recipes whose proofs are about the lines counted for *recipe*, itself first."""
    shown = shown_lines.files_of_recipe(project, recipe).values()
    return list(dict.fromkeys([recipe, *(name for each in shown for name in each.recipes)]))


def digest(project: Project, recipe: str) -> str:
    """One digest of all that the verdicts of *recipe* are about: its files, its proofs, those of its other judges."""
    files: dict[str, str] = {}
    for judge in judges(project, recipe):
        files |= records.local_digests(project, judge)
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def load(project: Project, recipe: str) -> tuple[str, list[Verdict]]:
    """The digest of the files that the verdicts of *recipe* are about, and the verdicts; empty when there are none."""
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
    """The verdicts of *recipe*, if they are about the files as *files* has them, by default the project; else none."""
    about, verdicts = load(project, recipe)
    return verdicts if about and about == digest(files or project, recipe) else []


def save(project: Project, recipe: str, about: str, verdicts: Iterable[Verdict]) -> None:
    """Write the verdicts of *recipe*, whole or not at all, each on its own line so that a diff shows what changed."""
    ordered = sorted(verdicts, key=lambda verdict: (verdict.file, verdict.line, not verdict.removes, verdict.change))
    lines = ",\n".join(json.dumps(asdict(verdict), ensure_ascii=False) for verdict in ordered)
    write_whole(_file(project, recipe), f'{{"digest": "{about}", "mutants": [\n{lines}\n]}}\n')


@once
def untestable(project: Project) -> list[Untestable]:
    """The entries of UNTESTABLE; CookbookError when one is incomplete."""
    file = project.root / UNTESTABLE
    if not file.exists():
        return []
    source = file.read_text(encoding="utf-8")
    starts = [number for number, line in enumerate(source.splitlines(), 1) if line.strip() == "[[line]]"]
    found = []
    try:
        for at, entry in zip(starts, tomllib.loads(source).get("line", []), strict=True):
            reason = {language: str(entry[language]) for language in LANGUAGES}
            change = str(read_change(entry["change"])) if "change" in entry else ""
            found.append(Untestable(entry["file"], entry["text"].strip(), change, reason, at))
    except (ValueError, KeyError, TypeError) as error:
        raise CookbookError(
            f"{UNTESTABLE}: {error}: give each [[line]] its file, its text, and the reason as en and fr; "
            "copy a change from what `make mutate` prints"
        ) from error
    return found


def unexplained(project: Project, verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The survivors among *verdicts* that no entry of UNTESTABLE explains."""
    entries = untestable(project)
    survivors = (verdict for verdict in verdicts if verdict.outcome == SURVIVED)
    return [verdict for verdict in survivors if not any(entry.explains(verdict) for entry in entries)]


def unneeded(project: Project, verdicts: Iterable[Verdict], files: Collection[str]) -> list[str]:
    """A line for each entry of UNTESTABLE about one of *files* that explains no survivor among *verdicts*."""
    survivors = [verdict for verdict in verdicts if verdict.outcome == SURVIVED]
    return [
        f"{UNTESTABLE}:{entry.at}: no survivor on a line `{entry.text}` of {entry.file}: remove the entry, or correct "
        "its text"
        for entry in untestable(project)
        if entry.file in files and not any(entry.explains(verdict) for verdict in survivors)
    ]


def proven_lines(verdicts: Iterable[Verdict]) -> set[tuple[str, int]]:
    """The lines that *verdicts* prove, as (file, line).

    A line is proven when a proof fails for each removal from it; a line that only alterations change, when one fails
    for each alteration.
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
