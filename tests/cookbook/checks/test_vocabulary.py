"""The words that pages and proofs must not use."""

import pytest

from cookbook.checks import vocabulary
from cookbook.checks.vocabulary import INSTEAD
from cookbook.site import publish
from tests.cookbook.checks.example import faults
from tests.cookbook.mini import edit, make_project

REFUSED = {
    "en": [
        "a queue of its own",
        "what does without it",
        "for it is late",
        "it cannot be had",
        "it can’t be had",
        "it holds four",
        "it wants two",
        "it is no key",
        "what one sees",
        "it goes\non",
        "It told us",
        "we mended it",
        "taken away",
        "take it away",
        "they bear being started over",
        "its kin",
        "whoever asks",
        "be it so",
        "aloud",
        "in the midst of it",
        "for want of it",
    ],
    "fr": [
        "une estampille",
        "un fil par requête",
        "le journal du worker",
        "un rappel",
        "le battement",
        "le mode immédiat",
        "éprouver la tâche",
        "elle rend le chemin",
        "il détient quatre messages",
        "il détenait une clé",
        "le corps tient trois choses",
    ],
}
ALLOWED = {
    "en": [
        "its own queue",
        "for items",
        "it holds the lock",
        "household",
        "there is no limit",
        "it is no longer there",
        "ongoing",
        "retold",
        "a kind",
        "go online",
        "`told`",
        "threshold",
        "take one step away",
    ],
    "fr": [
        "au fil des versions",
        "un profil",
        "maintenir",
        "tenir compte",
        "elle tient dans une liste",
        "ajourner",
        "elle rend la main",
        "cela la rend idempotente",
        "le rendement",
        "`journal`",
    ],
}


@pytest.mark.parametrize(("language", "text"), [(each, text) for each, texts in REFUSED.items() for text in texts])
def test_a_refused_word_is_a_problem(tmp_path, language, text):
    [problem] = faults(tmp_path, f"Un.\n\n{text}.", language=language)
    assert problem.startswith("7: '")


@pytest.mark.parametrize("language", INSTEAD)
def test_each_entry_of_the_table_refuses_one_of_the_examples(language):
    patterns = [pattern for pattern, _ in vocabulary._PATTERNS[language]]
    assert [each.pattern for each in patterns if not any(each.search(text) for text in REFUSED[language])] == []


@pytest.mark.parametrize(("language", "text"), [(each, text) for each, texts in ALLOWED.items() for text in texts])
def test_a_word_that_only_resembles_a_refused_one_is_no_problem(tmp_path, language, text):
    assert faults(tmp_path, f"{text}.", language=language) == []


def test_the_problem_says_what_to_write_instead(tmp_path):
    assert faults(tmp_path, "It was\ntold.") == ["6: 'told': say 'reports, says' instead"]


def test_titles_captions_and_notes_are_read_too(tmp_path):
    assert faults(tmp_path, "Text.", front="title: What it told") == ["2: 'told': say 'reports, says' instead"]
    [problem] = faults(tmp_path, '{@ code("a", notes={\n"k": "It told."}) @}')
    assert problem == "6: 'told': say 'reports, says' instead"


def test_a_refused_word_in_the_sentence_of_a_proof_is_a_problem_with_its_line(tmp_path):
    project = make_project(tmp_path)
    module = "tests/recipes/test_greet.py"
    edit(project, module, "It greets by name.", "It greets `told` names,\n    as told.")
    edit(project, module, "Elle salue par le nom.", "Elle tient les noms.")
    assert vocabulary.of_proofs(project) == [
        f"{module}:3: 'told': say 'reports, says' instead",
        f"{module}:5: 'tient': say 'réserver, contenir, garder' instead",
    ]
    assert set(vocabulary.of_proofs(project)) <= set(publish.problems(project, with_evidence=False))
