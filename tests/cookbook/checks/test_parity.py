import pytest

from cookbook.checks import parity
from cookbook.project import CookbookError, Project
from tests.cookbook.checks.parity_example import ENGLISH, FRENCH, edit, lock, write


def test_equal_pages_have_no_problem(project: Project) -> None:
    assert parity.problems(project) == []


def test_a_section_that_changed_in_one_language_only_is_reported_and_how_to_accept_it(project: Project) -> None:
    edit(project, "fr", "| c | d |", "| c | e |")
    assert parity.problems(project) == [
        "docs/fr/start/install.md:18: section 'behaviour' changed in French only: bring docs/en/start/install.md in "
        "line, or accept it as it is with "
        "python -m cookbook parity --accept docs/fr/start/install.md#behaviour"
    ]
    edit(project, "fr", "Du [texte]", "Un [texte]")
    assert parity.problems(project)[0].startswith(
        "docs/fr/start/install.md:1: the part before the first section changed in French only: "
    )


def test_a_title_or_a_note_that_changed_in_one_language_only_is_reported(project: Project) -> None:
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


def test_a_lock_that_a_merge_broke_is_reported_with_its_line(project: Project) -> None:
    file = project.root / parity.LOCK
    file.write_text(file.read_text().replace('  "start/install.md#files"', "<<<<<<< ours\n"))
    (problem,) = parity.problems(project)
    assert problem.startswith("docs/parity.lock:4: not JSON")


def test_a_page_that_cannot_be_read_is_one_problem(project: Project) -> None:
    edit(project, "en", '"app",', "app,")
    (problem,) = parity.problems(project)
    assert problem.startswith("docs/en/start/install.md:13: code() has an argument that is not a constant")
