import re
from pathlib import Path

import celery
import pytest
from mkdocs.utils.yaml import yaml_load

from cookbook.checks import inline_code, prose
from cookbook.project import Project

ROOT = Path(__file__).parents[3]
INLINE = {"attr_list", "pymdownx.highlight", "pymdownx.inlinehilite", "smarty", "toc"}


def faults(tmp_path: Path, text: str, *, front: str = "title: T", language: str = "en") -> list[str]:
    """The problems of a page with one front matter and *text* from line 5 on, without the page's path."""
    project = Project(tmp_path)
    settings = project.recipes / "core" / "settings" / "base.py"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("CELERY_TASK_ACKS_LATE = True\n")
    (project.recipes / "core" / "tasks.py").write_text("def add(worker_name, *, result_key):\n    task_left = 1\n")
    (project.recipes / "core" / "broken.py").write_text("def task_broken(:\n")
    (project.root / "docker-compose.yml").touch()
    page = project.docs / language / "start" / "page.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    assert front.count("\n") == 0
    page.write_text(f"---\n{front}\n---\n\n{text}\n", encoding="utf-8")
    elsewhere = re.compile("a number from nowhere|nothing has")  # test_claims.py and test_inline_names.py
    found = [problem for problem in prose.problems(project) if not elsewhere.search(problem)]
    assert all(problem.startswith(f"docs/{language}/start/page.md:") and "\n" not in problem for problem in found)
    return [problem.removeprefix(f"docs/{language}/start/page.md:") for problem in found]


def test_a_page_of_prose_and_calls_has_no_problem(tmp_path: Path) -> None:
    text = (
        "# Title\n\nA [link](page.md), `code`, *more*.\n\n"
        '- An item:\n\n    {@ code("core/tasks.py", "add", notes={\n'
        '      "add": "Why `CELERY_TASK_ACKS_LATE`",\n    }) @}\n\n'
        '!!! note "Title"\n\n    A paragraph.\n\n```mermaid\nflowchart\n  a["!"] --> b\n```\n'
    )
    assert faults(tmp_path, text) == []


def test_each_problem_has_its_file_and_line_in_the_order_of_the_page(tmp_path: Path) -> None:
    found = faults(tmp_path, "Fine!\n\n`core/nope.py`\n\n```\nx\n```\n\nFine again!")
    assert [problem.partition(":")[0] for problem in found] == ["5", "7", "9", "13"]


def test_a_page_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    assert faults(tmp_path, "Fine!\n\n{@ code(x) @}") == [
        "7: code() has an argument that is not a constant: write it out"
    ]


# Blocks


@pytest.mark.parametrize(
    "fence", ["```\nx\n```", "```python\nx\n```", "~~~ {.python}\nx\n~~~", "> ```\n> x\n> ```", "- ```sh\n  x\n  ```"]
)
def test_a_fenced_block_is_a_problem(tmp_path: Path, fence: str) -> None:
    assert faults(tmp_path, f"a\n\n{fence}\n\nb") == [
        "7: a code block typed by hand, which nothing runs: "
        "put it into a recipe and show it with code() or transcript()"
    ]


def test_a_fence_in_the_note_of_a_call_is_a_problem(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, '{@ code("a", notes={\n"k": "See\\n```\\nx\\n```\\n"}) @}')
    assert problem.startswith("7: a code block typed by hand")


@pytest.mark.parametrize("header", ["mermaid", "{.mermaid}", '{ .mermaid title="x" }'])
def test_a_diagram_is_the_one_block_to_type(tmp_path: Path, header: str) -> None:
    assert faults(tmp_path, f"```{header}\nflowchart\n```") == []


def test_a_block_that_no_line_closes_hides_nothing(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, "```mermaid\nflowchart\n\nText!")
    assert problem.startswith("5: a block that no line closes")


@pytest.mark.parametrize(
    "text",
    [
        "a\n\n    code\n\nb",
        "- item\n\n        code",
        '!!! note "T"\n    para\n\n        code',
        '=== "Tab"\n\n    para\n\n        code',
        "<div markdown>\n\n    code\n\n</div>",
        "> para\n>\n>     code",
        "a\n\n\tcode",
        'a\n\n    {@ code("core/tasks.py") @}',
        "a [^1]\n\n[^1]: note\n\n        code\n\n    para",
    ],
)
def test_an_indented_code_block_is_a_problem(tmp_path: Path, text: str) -> None:
    lines = text.splitlines()
    line = next(number for number, line in enumerate(lines, 5) if "code" in line)
    assert faults(tmp_path, text) == [
        f"{line}: four spaces that belong to no list, tab or note make a code block: unindent it, "
        "or put it into a recipe and show it with code() or transcript()"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "- item\n\n    para\n\n    para",
        "1. item\n\n    - inner\n\n        para of inner",
        '!!! note "T"\n\n    para\n\n    - item\n\n        para of item',
        '??? note "T"\n    para\n\n    para',
        '=== "One"\n\n    para\n\n    === "Two"\n\n        para',
        "Term\n:   meaning\n\n    para",
        "a [^1]\n\n[^1]: note\n\n    para",
        "a paragraph\n    that goes on",
    ],
)
def test_indentation_that_belongs_to_a_list_a_note_or_a_tab_is_none(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text) == []


def test_the_second_of_two_equal_code_blocks_has_its_own_line(tmp_path: Path) -> None:
    found = faults(tmp_path, "code\n\n    code\n\nb\n\n    code")
    assert [problem.partition(":")[0] for problem in found] == ["7", "11"]


@pytest.mark.parametrize("tag", ["pre", "code"])
def test_code_in_raw_html_is_a_problem(tmp_path: Path, tag: str) -> None:
    (problem,) = faults(tmp_path, f"a\n\n<{tag} class='x'>b</{tag}>")
    assert problem.startswith(f"7: <{tag}> typed by hand: use backticks")
    assert faults(tmp_path, f"a `<{tag}>`") == []


def test_blocks_are_read_with_the_extensions_of_the_site() -> None:
    with (ROOT / "mkdocs.base.yml").open(encoding="utf-8") as file:
        extensions = yaml_load(file)["markdown_extensions"]
    assert extensions.keys() - INLINE == prose.BLOCK_EXTENSIONS.keys() - INLINE


def test_an_apostrophe_is_written_as_printed_where_no_markdown_is_read(tmp_path: Path) -> None:
    assert faults(tmp_path, "l'option", front="title: L’option", language="fr") == []
    (fault,) = faults(tmp_path, "T", front="title: L'option", language="fr")
    assert fault.startswith("2: a typed apostrophe: write ’")


# Settings


@pytest.mark.parametrize(
    "name",
    [
        "CELERY_TASK_ACKS_LATE",
        "CELERY_TASK_ACKS_LATE = True",
        "task_acks_late",
        "task_acks_late=True",
        "app.conf.task_acks_late",
        "broker_transport_options['visibility_timeout']",
        "CELERY_",
        "CELERY_TASK_*",
        "CELERY_TASK_…",
        "CELERY_WORKER_REVOKES_MAX",
        "REMAP_SIGTERM",
        "DJANGO_SETTINGS_MODULE",
        "MY_CELERY_THING",
    ],
)
def test_a_setting_that_exists_is_none(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`") == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CELERY_TASK_ACK_LATE", " (did you mean CELERY_TASK_ACKS_LATE?)"),
        ("task_ack_late", " (did you mean task_acks_late?)"),
        ("result_expire", " (did you mean result_expires?)"),
        ("redis_max_connection", " (did you mean redis_max_connections?)"),
        ("CELERY_QUITE_UNLIKE_ANY", ""),
        ("CELERYD_POOL", " (its name is now CELERY_WORKER_POOL)"),
        ("CELERYBEAT_SCHEDULE", " (its name is now CELERY_BEAT_SCHEDULE)"),
        ("BROKER_URL", " (its name is now CELERY_BROKER_URL)"),
        ("CELERY_ACKS_LATE", " (its name is now CELERY_TASK_ACKS_LATE)"),
    ],
)
def test_a_name_that_is_no_setting_suggests_the_nearest(tmp_path: Path, name: str, nearest: str) -> None:
    assert faults(tmp_path, f"One:\n`{name}`.") == [
        f"6: {name} is no setting of Celery {celery.__version__}{nearest}: correct it, "
        "or list it under unknown_settings if the page says that it is none"
    ]


def test_a_name_in_a_longer_piece_of_code_is_checked_too(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, "`export CELERY_TASK_ACK_LATE=1`")
    assert problem.startswith("5: CELERY_TASK_ACK_LATE is no setting")


def test_a_name_in_the_note_of_a_call_is_checked_too(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, '{@ code("a", notes={\n"k": "`CELERY_TASK_ACK_LATE`"}) @}')
    assert problem.startswith("6: CELERY_TASK_ACK_LATE is no setting")


@pytest.mark.parametrize(
    "name",
    [
        "task_prerun",  # a signal
        "task_id",  # what signals carry
        "worker_main",  # an attribute of the app
        "worker_name",  # an argument in a recipe
        "result_key",
        "task_left",  # a variable in a recipe
        "redis_version",  # a field of Redis's INFO
        "task_function()",
    ],
)
def test_a_name_of_python_that_begins_like_a_setting_is_none(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`") == []


@pytest.mark.parametrize("name", ["CELERYD_POOL", "CELERY_POOL", "task_ack_late"])
def test_a_page_can_say_of_a_name_that_it_is_no_setting(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`", front=f"unknown_settings: [{name}]") == []


@pytest.mark.parametrize("name", ["CELERY_TASK_ACKS_LATE", "task_acks_late"])
def test_a_setting_that_exists_is_not_to_be_listed_as_unknown(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`", front=f"unknown_settings: [{name}]") == [
        f"2: unknown_settings has {name}, which Celery {celery.__version__} knows: remove it"
    ]


def test_an_unknown_setting_that_the_page_does_not_name_is_not_to_be_listed(tmp_path: Path) -> None:
    assert faults(tmp_path, "`CELERY_POOLS`", front="unknown_settings: [CELERY_POOL, CELERY_POOLS]") == [
        "2: unknown_settings has CELERY_POOL, which no inline code of this page names: remove it"
    ]


@pytest.mark.parametrize("name", sorted(inline_code.ENVIRONMENT))
def test_each_environment_variable_is_read_by_the_installed_celery(name: str) -> None:
    sources = Path(celery.__file__).parent.rglob("*.py")
    reading = re.compile(rf"environ\b.*['\"]{name}['\"]|_env\(['\"]{name}['\"]|environ\.get\(['\"]{name}['\"]")
    assert any(reading.search(source.read_text(encoding="utf-8")) for source in sources)


# Commands


@pytest.mark.parametrize(
    "command",
    [
        "celery",
        "celery --help",
        "celery -A core worker --loglevel=info -Q celery -c 2 -Ofair",
        "celery -A core worker … --pool solo",
        "python -m celery -A core beat -s file",
        "celery -A core inspect active -d w@host --json",
        "celery -A core control revoke",
        "celery -A core control rate_limit core.add 10/m",
        "celery -A core inspect …",
        "celery -A <project> <command> --any",
        "celery -A PROJECT COMMAND --any",
        "celery -A core multi start 2 --made-up",
        "celery -A core amqp queue.purge",
        "celery -A core worker | grep -v --color x",
        "celery -A core call core.add --args='[1, 2]'",
        "celery -A core call core.add --args='[1",
        "inspect reserved",
        "worker -P threads",
        "redis-cli -n 1 --scan --pattern 'celery*'",
        "redis-cli LRANGE celery 0 -1",
        "kill -9",
        "docker compose up --build",
    ],
)
def test_a_command_that_exists_is_none(tmp_path: Path, command: str) -> None:
    assert faults(tmp_path, f"`{command}`") == []


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("celery -A core wrker -l info", "celery has no subcommand wrker (did you mean worker?)"),
        ("celery -q wrker", "celery has no subcommand wrker (did you mean worker?)"),
        ("celery worker -A core", "celery worker has no option -A"),
        ("celery -A core worker --conc 3", "celery worker has no option --conc (did you mean --concurrency?)"),
        ("celery -A core worker … --conc=3", "celery worker has no option --conc (did you mean --concurrency?)"),
        ("python -m celery --ap core worker", "celery has no option --ap (did you mean --app?)"),
        ("celery -A core inspect activ", "celery inspect has no command activ (did you mean active?)"),
        ("celery -A core inspect revoke", "celery inspect has no command revoke (did you mean revoked?)"),
        ("celery -A core amqp queue.purg", "celery amqp has no subcommand queue.purg (did you mean queue.purge?)"),
        ("inspect activ", "celery inspect has no command activ (did you mean active?)"),
        ("worker --pol threads", "celery worker has no option --pol (did you mean --pool?)"),
    ],
)
def test_a_celery_command_that_does_not_exist_is_a_problem(tmp_path: Path, command: str, fault: str) -> None:
    assert faults(tmp_path, f"`{command}`") == [
        f"5: {command}: {fault}: correct it, this is Celery {celery.__version__}"
    ]


def test_an_option_that_redis_cli_has_not_is_a_problem(tmp_path: Path) -> None:
    assert faults(tmp_path, "`redis-cli --scam`") == [
        "5: redis-cli --scam: redis-cli has no --scam (did you mean --scan?): correct it"
    ]


@pytest.mark.parametrize("flag", ["--pool", "--pool=solo", "-Q celery", "--scan", "-A", "--help", "-1"])
def test_an_option_alone_belongs_to_some_command_of_celery_or_redis(tmp_path: Path, flag: str) -> None:
    assert faults(tmp_path, f"`{flag}`") == []


@pytest.mark.parametrize(
    ("flag", "nearest"), [("--pol", " (did you mean --pool?)"), ("--pol=solo", " (did you mean --pool?)"), ("-y", "")]
)
def test_an_option_of_no_command_is_a_problem(tmp_path: Path, flag: str, nearest: str) -> None:
    name = flag.partition("=")[0]
    assert faults(tmp_path, f"`{flag}`") == [
        f"5: no command of Celery or redis-cli has {name}{nearest}: correct it, or write it after its command"
    ]


# Files


@pytest.mark.parametrize(
    "name",
    [
        "core/settings/base.py",
        "settings/base.py",
        "base.py",
        "core/",
        "recipes/core/tasks.py",
        "core/tasks.py:3",
        "core/tasks.py::add",
        "docker-compose.yml",
        "docs/en",
        "*.py",
        "core/*/base.py",
        "/etc/redis/redis.conf",
        "redis://localhost:6379/0",
        "localhost:6379/0",
        "app.conf",
        "django.conf",
        "10/s",
        "application/json",
        "Europe/Paris",
        "a / b",
    ],
)
def test_a_file_that_exists_and_what_is_no_file_are_none(tmp_path: Path, name: str) -> None:
    assert faults(tmp_path, f"`{name}`") == []


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("core/task.py", " (did you mean core/tasks.py?)"),
        ("ettings/base.py", " (did you mean core/settings/base.py?)"),
        ("bases.py", " (did you mean core/settings/base.py?)"),
        ("worker.conf", ""),
        ("nothing/", ""),
        ("core/nothing.console:3", ""),
        (".env.yml", ""),
    ],
)
def test_a_file_that_does_not_exist_is_a_problem(tmp_path: Path, name: str, nearest: str) -> None:
    path = name.partition(":")[0].rstrip("/")
    assert faults(tmp_path, f"`{name}`") == [
        f"5: {path} is no file of the recipes{nearest}: correct it, or list it under other_files"
    ]


def test_a_page_can_name_files_of_others_as_long_as_it_does(tmp_path: Path) -> None:
    assert faults(tmp_path, "`celery/app/base.py`", front="other_files: [celery/app/base.py]") == []
    assert faults(tmp_path, "`code`", front="other_files: [celery/app/base.py]") == [
        "2: other_files has celery/app/base.py, which no inline code of this page names: remove it"
    ]


# Typography


@pytest.mark.parametrize(
    "text",
    [
        "Un mot\u00a0: suite\u202f; fin\u202f? «\u00a0cite\u00a0» à 5\u00a0%.",
        "Un mot&nbsp;: &laquo;&nbsp;cite&nbsp;&raquo; et 5&#8239;%&nbsp;; fin&nbsp;?",
        "À 12:30, en 4:1.",
        '!!! note "Un titre"\n    Texte.',
        '??? note inline "Un titre"\n    Texte.',
        '=== "Un onglet"\n\n    Texte.',
        '![image](a.png "un titre") et [lien](b.md){ title="titre" }',
        "| a | b |\n| :- | -: |\n| c | d |",
        'Un <a href="x?a=1;b" title="z">lien</a>, https://x.org/?a=1;b, <https://x.org/?a>.',
        "Terme\n:   sens",
        "Note[^1].\n\n[^1]: Texte.\n\n*[API]: Texte",
        "- :material-clock: **Titre**",
        '<!-- Tu vois ! "x" ; -->\n{@# tu ! #@}',
        '`tu : "x"; y?` et {@ setting("a") @}',
        '[r]: https://x.org "titre"',
        "Le statut tué, un tuteur, le têtu, aujourd'hui, a-t-on.",
    ],
)
def test_good_french_typography_is_none(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text, language="fr") == []


@pytest.mark.parametrize("text", ["mot {}", "mot{}", "`code` {}", "{{@ default('a') @}}{}", "**mot** {}", "a | mot {}"])
@pytest.mark.parametrize("sign", [";", "?", "»", "%", ":"])
def test_french_signs_want_a_no_break_space_before_them(tmp_path: Path, text: str, sign: str) -> None:
    assert faults(tmp_path, text.format(sign), language="fr") == [
        f"5: no no-break space before '{sign}': write U+00A0 (or U+202F before ; and ?) or &nbsp; there"
    ]


def test_a_line_that_begins_with_a_french_sign_wants_it_on_the_line_before(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, "mot\n; suite", language="fr")
    assert problem.startswith("6: no no-break space before ';'")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("« cite\u00a0»", "no no-break space after '«'"),
        ("«cite\u00a0»", "no no-break space after '«'"),
        ('Le "mot"', "a straight quote"),
        ("Et...", "three dots"),
        ("Vraiment\u00a0!", "an exclamation mark"),
        ("Ce que tu veux", "'tu' says tu"),
        ("Ton projet", "'Ton' says tu"),
        ("Chez toi", "'toi' says tu"),
        ("Lance-toi", "'toi' says tu"),
        ("Cela t’aide", "'t’' says tu"),
        ('!!! note "Ton titre"\n    x', "'Ton' says tu"),
        ("[ton lien](a.md)", "'ton' says tu"),
        ("| ton | b |\n|---|---|\n| c | d |", "'ton' says tu"),
        ("## Ton titre { #a }", "'Ton' says tu"),
    ],
)
def test_a_fault_of_french_typography_is_a_problem(tmp_path: Path, text: str, fault: str) -> None:
    (problem,) = faults(tmp_path, text, language="fr")
    assert problem.startswith(f"5: {fault}")


@pytest.mark.parametrize("text", ["«\u00a0quote", "quote\u00a0»"])
def test_a_french_quote_in_english_is_a_problem(tmp_path: Path, text: str) -> None:
    (problem,) = faults(tmp_path, f"a\n\n{text}")
    assert problem.startswith("7: the French quote '")


def test_an_exclamation_mark_in_english_is_a_problem_outside_code_and_marks(tmp_path: Path) -> None:
    assert faults(tmp_path, "It works!") == ["5: an exclamation mark: end the sentence with a full stop"]
    assert faults(tmp_path, '!!! note "T"\n    `a != b` ![i](a.png)\n\n===! "Tab"\n\n    x') == []


def test_english_keeps_its_own_typography(tmp_path: Path) -> None:
    assert faults(tmp_path, 'A "quote": really? Yes; 5%...') == []


@pytest.mark.parametrize("key", ["title", "description"])
def test_the_title_and_the_description_are_prose(tmp_path: Path, key: str) -> None:
    (problem,) = faults(tmp_path, "x", front=f"{key}: Ton projet", language="fr")
    assert problem.startswith("2: 'Ton' says tu")
    assert faults(tmp_path, "x", front="recipe: ton-projet", language="fr") == []


def test_the_texts_in_calls_are_prose(tmp_path: Path) -> None:
    (problem,) = faults(tmp_path, '{@ code("ton", notes={"ton":\n"Le `ton` ton"}) @}', language="fr")
    assert problem.startswith("6: 'ton' says tu")
