import json
from pathlib import Path

import pytest

from cookbook.checks import parity
from cookbook.project import CookbookError, Project

FRENCH = """\
---
title: Installer
description: Les fichiers
recipe: install
---

# Installer

Du [texte](b.md).

## Les fichiers { #files }

{@ code("core/celery.py", "app", notes={"a=": "Pourquoi"}) @}

!!! note "Titre"
    Du texte.

## Comment ça marche { #behaviour }

| a | b |
|---|---|
| c | d |
"""
ENGLISH = """\
---
title: Install
description: The files
recipe: install
---

# Install

Some [text](b.md).

## The files { #files }

{@ code("core/celery.py", "app", notes={"a=": "Why"}) @}

!!! note "Title"
    Some text.

## How it behaves { #behaviour }

| a | b |
|---|---|
| c | d |
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A page in both languages, recorded in the lock."""
    project = Project(tmp_path)
    write(project, "fr", FRENCH)
    write(project, "en", ENGLISH)
    parity.record(project)
    return project


def write(project: Project, language: str, text: str, path: str = "start/install.md") -> None:
    file = project.docs / language / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def edit(project: Project, language: str, old: str, new: str) -> None:
    text = FRENCH if language == "fr" else ENGLISH
    assert text.count(old) == 1
    write(project, language, text.replace(old, new))


def lock(project: Project) -> dict[str, dict[str, str]]:
    return dict(json.loads((project.root / parity.LOCK).read_text()))


def test_pages_that_say_the_same_have_no_problem(project: Project) -> None:
    assert parity.problems(project) == []


@pytest.mark.parametrize(("language", "other"), [("fr", "en"), ("en", "fr")])
def test_a_page_in_one_language_only_is_a_problem(project: Project, language: str, other: str) -> None:
    write(project, language, "# Seule\n", "start/alone.md")
    (problem,) = parity.problems(project)
    assert problem.startswith(f"docs/{language}/start/alone.md:1: this page is in ")
    assert problem.endswith(f" only: write docs/{other}/start/alone.md")


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ('"app"', '"app", "task"', "code('core/celery.py', 'app', 'task', notes=['a='])"),
        ("code(", "transcript(", "transcript('core/celery.py', 'app', notes=['a='])"),
        ('{"a=": "Why"}', '{"b=": "Why"}', "code('core/celery.py', 'app', notes=['b='])"),
        ('"a=": "Why"', '"a=": "Why", "b": ""', "code('core/celery.py', 'app', notes=['a=', 'b'])"),
        ('notes={"a=": "Why"}', 'caption="C"', "code('core/celery.py', 'app', caption=…)"),
    ],
)
def test_calls_that_differ_are_told_with_both_lines(project: Project, old: str, new: str, shown: str) -> None:
    edit(project, "en", old, new)
    assert (
        "docs/fr/start/install.md:13: code('core/celery.py', 'app', notes=['a=']) here, but "
        f"{shown} at docs/en/start/install.md:13: both languages have the same, in the same order: mend one of them"
    ) in parity.problems(project)


def test_texts_in_calls_are_the_own_of_the_language(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write(project, "fr", '{@ table("keys", "idle", columns={"key": "Clé"}, caption="Au repos") @}\n')
    write(project, "en", '{@ table("keys", "idle", columns={"key": "Key"}, caption="Idle") @}\n')
    parity.record(project)
    assert parity.problems(project) == []


def test_only_the_first_call_that_differs_is_told(project: Project) -> None:
    write(project, "fr", FRENCH + '{@ proven("a::b") @}\n{@ proven("a::c") @}\n')
    write(project, "en", ENGLISH + '{@ proven("a::c") @}\n{@ proven("a::b") @}\n')
    (problem, _) = parity.problems(project)
    assert problem.startswith("docs/fr/start/install.md:23: proven('a::b') here, but proven('a::c') at docs/en/start/")


@pytest.mark.parametrize(
    ("language", "more", "shown"),
    [
        ("fr", '{@ proven("a::b") @}', "docs/fr/start/install.md:23: proven('a::b') has no match in docs/en/"),
        ("en", '{@ proven("a::b") @}', "docs/en/start/install.md:23: proven('a::b') has no match in docs/fr/"),
        ("fr", "### Plus { #more }", "docs/fr/start/install.md:23: heading ### { #more } has no match in docs/en/"),
        ("en", "!!! tip\n    x", "docs/en/start/install.md:23: !!! tip has no match in docs/fr/"),
        ("fr", "??? tip\n    x", "docs/fr/start/install.md:23: ??? tip has no match in docs/en/"),
        ("fr", '=== "x"\n    x', "docs/fr/start/install.md:23: a tab has no match in docs/en/"),
        ("fr", "\na | b\n-|-\nc | d", "docs/fr/start/install.md:25: a table has no match in docs/en/"),
        ("fr", "```mermaid\n```", "docs/fr/start/install.md:23: a block of mermaid has no match in docs/en/"),
    ],
)
def test_what_one_language_alone_has_is_told(project: Project, language: str, more: str, shown: str) -> None:
    write(project, language, (FRENCH if language == "fr" else ENGLISH) + more + "\n")
    assert any(problem.startswith(shown) for problem in parity.problems(project))


def test_another_kind_of_admonition_is_told(project: Project) -> None:
    edit(project, "en", "!!! note", "!!! warning")
    assert parity.problems(project)[0].startswith(
        "docs/fr/start/install.md:15: !!! note here, but !!! warning at docs/en/start/install.md:15: "
    )


def test_another_level_or_id_of_a_heading_is_told(project: Project) -> None:
    edit(project, "en", "## How it behaves { #behaviour }", "### How it behaves { #behaviour }")
    assert parity.problems(project)[0].startswith(
        "docs/fr/start/install.md:18: heading ## { #behaviour } here, but heading ### { #behaviour } at docs/en/"
    )
    edit(project, "en", "{ #behaviour }", "{ #behavior }")
    (problem,) = parity.problems(project)
    assert problem.startswith(
        "docs/fr/start/install.md:18: heading ## { #behaviour } here, but heading ## { #behavior } at docs/en/"
    )


@pytest.mark.parametrize("heading", ["## Fin", "Fin\n---", "##Fin"])
def test_a_heading_without_an_id_is_told_in_each_language(project: Project, heading: str) -> None:
    write(project, "fr", f"{FRENCH}\n{heading}\n")
    write(project, "en", f"{ENGLISH}\n{heading}\n")
    assert [problem for problem in parity.problems(project) if "without an id" in problem] == [
        f"docs/{language}/start/install.md:24: a heading without an id: "
        "end its line with { #name }, the same name in both languages"
        for language in ("fr", "en")
    ]


def test_an_id_given_twice_is_told(project: Project) -> None:
    write(project, "fr", f"{FRENCH}### Encore {{ #files }}\n")
    write(project, "en", f"{ENGLISH}### Again {{ #files }}\n")
    assert "docs/fr/start/install.md:23: the id #files is that of line 11 too: give each heading its own" in (
        parity.problems(project)
    )


def test_links_are_compared_whatever_their_order(project: Project) -> None:
    write(project, "fr", f"{FRENCH}[x](x.md) [y](y.md)\n")
    write(project, "en", f"{ENGLISH}[y](y.md) [x](x.md)\n")
    parity.record(project)
    assert parity.problems(project) == []


@pytest.mark.parametrize("more", ["[x](https://x.org)", "[again](b.md)", "[files](#files)", "[it](b.md#proof-it)"])
def test_a_link_that_one_language_has_more_of_is_told(project: Project, more: str) -> None:
    write(project, "en", "# B\n", "start/b.md")
    write(project, "en", f"{ENGLISH}\n{more}\n")
    target = more[more.index("(") + 1 : -1]
    line = 9 if target == "b.md" else 24
    assert (
        f"docs/en/start/install.md:{line}: the link to {target} has no match in docs/fr/start/install.md: "
        "add it there, or list it under own_links in the front matter here"
    ) in parity.problems(project)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("../run/gone.md", "there is no ../run/gone.md"),
        ("instal.md#files", "there is no instal.md (did you mean install.md?)"),
        ("picture.png", "there is no picture.png"),
        ("#file", "nothing there has the id #file (did you mean files?)"),
        ("install.md#nowhere", "nothing there has the id #nowhere"),
    ],
)
def test_a_dead_link_in_one_language_is_reported_as_dead(project: Project, target: str, why: str) -> None:
    write(project, "en", f"{ENGLISH}\n[x]({target})\n")
    dead = f"docs/en/start/install.md:24: the link to {target} is dead: {why}: correct it"
    assert [problem for problem in parity.problems(project) if "the link" in problem] == [dead]


def test_a_link_can_be_one_languages_own_as_long_as_it_is(project: Project) -> None:
    own = FRENCH.replace("recipe:", "own_links: [https://fr.x.org]\nrecipe:")
    write(project, "fr", f"{own}[x](https://fr.x.org)\n")
    write(project, "en", f"{ENGLISH}More.\n")
    parity.record(project)
    assert parity.problems(project) == []
    write(project, "fr", f"{own}x\n")
    assert (
        "docs/fr/start/install.md:4: own_links has https://fr.x.org, which this page does not need it for: remove it"
    ) in parity.problems(project)


@pytest.mark.parametrize("line", ["recipe: settings", "recipe: install\nunknown_settings: [BROKER_URL]"])
def test_front_matter_that_differs_is_told(project: Project, line: str) -> None:
    edit(project, "en", "recipe: install", line)
    (problem,) = parity.problems(project)
    assert "docs/fr/start/install.md:" in problem
    assert "it is the same in both languages: mend one of them" in problem
    assert f"docs/en/start/install.md:{4 if 'settings:' not in line else 5}" in problem


def test_a_section_that_changed_in_one_language_only_is_told_and_how_to_accept_it(project: Project) -> None:
    edit(project, "fr", "| c | d |", "| c | e |")
    assert parity.problems(project) == [
        "docs/fr/start/install.md:18: section 'behaviour' changed in French only: bring docs/en/start/install.md in "
        "line, or say that it still holds with "
        "python -m cookbook parity --accept docs/fr/start/install.md#behaviour"
    ]
    edit(project, "fr", "Du [texte]", "Un [texte]")
    assert parity.problems(project)[0].startswith(
        "docs/fr/start/install.md:1: the part before the first section changed in French only: "
    )


def test_a_title_or_a_note_that_changed_in_one_language_only_is_told(project: Project) -> None:
    write(project, "en", ENGLISH.replace("title: Install", "title: Set up").replace('"Why"', '"What for"'))
    assert [problem.partition(" only: ")[0] for problem in parity.problems(project)] == [
        "docs/en/start/install.md:1: the part before the first section changed in English",
        "docs/en/start/install.md:11: section 'files' changed in English",
    ]


def test_white_space_changes_no_section(project: Project) -> None:
    edit(project, "fr", "Du [texte](b.md).", "Du\u00a0\n[texte](b.md).")
    assert parity.problems(project) == []


def test_a_section_that_changed_in_both_languages_is_to_be_recorded(project: Project) -> None:
    edit(project, "fr", "| c | d |", "| c | e |")
    edit(project, "en", "| c | d |", "| c | e |")
    assert parity.problems(project) == [
        "docs/fr/start/install.md:18: section 'behaviour' changed in both languages and is not yet recorded: "
        "run python -m cookbook parity --record"
    ]
    assert parity.record(project) == ["start/install.md#behaviour"]
    assert parity.problems(project) == []


def test_new_and_removed_sections_are_to_be_recorded(project: Project) -> None:
    write(project, "fr", FRENCH.replace("#behaviour", "#limits"))
    write(project, "en", ENGLISH.replace("#behaviour", "#limits"))
    assert parity.problems(project) == [
        "docs/fr/start/install.md:18: section 'limits' is new and is not yet recorded: "
        "run python -m cookbook parity --record",
        "docs/parity.lock:1: section 'behaviour' of start/install.md was removed in both languages and is not yet "
        "recorded: run python -m cookbook parity --record",
    ]
    assert parity.record(project) == ["start/install.md#limits", "start/install.md#behaviour"]
    assert sorted(lock(project)) == ["start/install.md#", "start/install.md#files", "start/install.md#limits"]


def test_recording_refuses_a_change_in_one_language_and_writes_nothing(project: Project) -> None:
    before = lock(project)
    write(project, "fr", FRENCH.replace("| c | d |", "| c | e |").replace("Pourquoi", "Car"))
    write(project, "en", ENGLISH.replace("| c | d |", "| c | e |"))
    with pytest.raises(CookbookError, match=r"\Adocs/fr/start/install.md:11: section 'files' changed in French only"):
        parity.record(project)
    assert lock(project) == before


def test_recording_refuses_pages_that_differ(project: Project) -> None:
    before = lock(project)
    write(project, "fr", f"{FRENCH}## Plus {{ #more }}\n\n[x](x.md)\n")
    with pytest.raises(CookbookError, match=r"heading ## { #more } has no match .* \(and 1 more\)"):
        parity.record(project)
    assert lock(project) == before


def test_accepting_records_one_section_and_no_other(project: Project) -> None:
    before = lock(project)
    write(project, "fr", FRENCH.replace("| c | d |", "| c | e |").replace("Pourquoi", "Car"))
    parity.accept(project, "docs/fr/start/install.md#behaviour")
    (problem,) = parity.problems(project)
    assert "section 'files' changed in French only" in problem
    after = lock(project)
    assert {key for key in before if before[key] != after[key]} == {"start/install.md#behaviour"}
    assert before["start/install.md#behaviour"]["en"] == after["start/install.md#behaviour"]["en"]


def test_the_part_before_the_first_section_is_accepted_by_an_empty_id(project: Project) -> None:
    edit(project, "en", "title: Install", "title: Set up")
    parity.accept(project, "docs/en/start/install.md#")
    assert parity.problems(project) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("docs/fr/start/install.md#nope", r"docs/fr/start/install.md has #, #files, #behaviour\Z"),
        ("docs/fr/start/nope.md#files", "no such page in both languages"),
        ("docs/fr/alone.md#", "no such page in both languages"),
        ("docs/de/start/install.md#files", "no such page in both languages"),
        ("start/install.md#files", "no such page in both languages"),
    ],
)
def test_accepting_what_does_not_exist_says_what_does(project: Project, name: str, why: str) -> None:
    write(project, "fr", "## Seule { #alone }\n", "alone.md")
    with pytest.raises(CookbookError, match=rf"\A{name}: .*{why}"):
        parity.accept(project, name)


def test_a_section_that_was_removed_is_not_to_be_accepted(project: Project) -> None:
    write(project, "fr", FRENCH.replace("#behaviour", "#limits"))
    write(project, "en", ENGLISH.replace("#behaviour", "#limits"))
    with pytest.raises(CookbookError, match=r"docs/en/start/install.md has #, #files, #limits\Z"):
        parity.accept(project, "docs/en/start/install.md#behaviour")


def test_the_lock_has_one_sorted_line_for_each_section(project: Project) -> None:
    write(project, "fr", "# A\n", "a.md")
    write(project, "en", "# A\n", "a.md")
    parity.record(project)
    first, *lines, last = (project.root / parity.LOCK).read_text().splitlines()
    assert (first, last) == ("{", "}")
    keys = [line.split('"')[1] for line in lines]
    assert keys == ["a.md#", "start/install.md#", "start/install.md#behaviour", "start/install.md#files"]


def test_a_lock_that_a_merge_broke_is_told_with_its_line(project: Project) -> None:
    file = project.root / parity.LOCK
    file.write_text(file.read_text().replace('  "start/install.md#files"', "<<<<<<< ours\n"))
    (problem,) = parity.problems(project)
    assert problem.startswith("docs/parity.lock:4: not JSON")


def test_a_page_that_cannot_be_read_is_one_problem(project: Project) -> None:
    edit(project, "en", '"app",', "app,")
    (problem,) = parity.problems(project)
    assert problem.startswith("docs/en/start/install.md:13: code() has an argument that is not a constant")
