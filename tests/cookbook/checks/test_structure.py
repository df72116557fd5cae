from pathlib import Path

import pytest

from cookbook.checks import parity
from cookbook.project import Project
from tests.cookbook.checks.parity_example import ENGLISH, FRENCH, edit, write


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
def test_calls_that_differ_are_reported_with_both_lines(project: Project, old: str, new: str, shown: str) -> None:
    edit(project, "en", old, new)
    assert (
        "docs/fr/start/install.md:13: code('core/celery.py', 'app', notes=['a=']) here, but "
        f"{shown} at docs/en/start/install.md:13: both languages need the same, in the same order: change one of them"
    ) in parity.problems(project)


def test_texts_in_calls_may_differ_between_languages(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write(project, "fr", '{@ table("keys", "idle", columns={"key": "Clé"}, caption="Au repos") @}\n')
    write(project, "en", '{@ table("keys", "idle", columns={"key": "Key"}, caption="Idle") @}\n')
    parity.record(project)
    assert parity.problems(project) == []


def test_only_the_first_call_that_differs_is_reported(project: Project) -> None:
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
def test_what_only_one_language_has_is_reported(project: Project, language: str, more: str, shown: str) -> None:
    write(project, language, (FRENCH if language == "fr" else ENGLISH) + more + "\n")
    assert any(problem.startswith(shown) for problem in parity.problems(project))


def test_another_kind_of_admonition_is_reported(project: Project) -> None:
    edit(project, "en", "!!! note", "!!! warning")
    assert parity.problems(project)[0].startswith(
        "docs/fr/start/install.md:15: !!! note here, but !!! warning at docs/en/start/install.md:15: "
    )


def test_another_level_or_id_of_a_heading_is_reported(project: Project) -> None:
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
def test_a_heading_without_an_id_is_reported_in_each_language(project: Project, heading: str) -> None:
    write(project, "fr", f"{FRENCH}\n{heading}\n")
    write(project, "en", f"{ENGLISH}\n{heading}\n")
    assert [problem for problem in parity.problems(project) if "without an id" in problem] == [
        f"docs/{language}/start/install.md:24: a heading without an id: "
        "end its line with { #name }, the same name in both languages"
        for language in ("fr", "en")
    ]


def test_an_id_given_twice_is_reported(project: Project) -> None:
    write(project, "fr", f"{FRENCH}### Encore {{ #files }}\n")
    write(project, "en", f"{ENGLISH}### Again {{ #files }}\n")
    assert "docs/fr/start/install.md:23: the id #files is on line 11 too: give each heading its own id" in (
        parity.problems(project)
    )


def test_links_are_compared_whatever_their_order(project: Project) -> None:
    write(project, "fr", f"{FRENCH}[x](x.md) [y](y.md)\n")
    write(project, "en", f"{ENGLISH}[y](y.md) [x](x.md)\n")
    parity.record(project)
    assert parity.problems(project) == []


@pytest.mark.parametrize("more", ["[x](https://x.org)", "[again](b.md)", "[files](#files)", "[it](b.md#proof-it)"])
def test_a_link_that_one_language_has_more_often_is_reported(project: Project, more: str) -> None:
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


def test_a_link_can_belong_to_one_language(project: Project) -> None:
    own = FRENCH.replace("recipe:", "own_links: [https://fr.x.org]\nrecipe:")
    write(project, "fr", f"{own}[x](https://fr.x.org)\n")
    write(project, "en", f"{ENGLISH}More.\n")
    parity.record(project)
    assert parity.problems(project) == []
    write(project, "fr", f"{own}x\n")
    assert (
        "docs/fr/start/install.md:4: own_links has https://fr.x.org, which is not a link of this page alone: remove it"
    ) in parity.problems(project)


@pytest.mark.parametrize("line", ["recipe: settings", "recipe: install\nunknown_settings: [BROKER_URL]"])
def test_front_matter_that_differs_is_reported(project: Project, line: str) -> None:
    edit(project, "en", "recipe: install", line)
    (problem,) = parity.problems(project)
    assert "docs/fr/start/install.md:" in problem
    assert "both languages need the same: change one of them" in problem
    assert f"docs/en/start/install.md:{4 if 'settings:' not in line else 5}" in problem
