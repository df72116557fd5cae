import pytest

from cookbook.mutation.mutants import mutants


def changes(name, source, shown=None):
    """The mutants of *source*, as (line, text of the change)."""
    lines = range(1, source.count("\n") + 2) if shown is None else shown
    return [(mutant.line, str(mutant.change)) for mutant in mutants(name, source, lines)]


def texts(name, source):
    return {str(mutant.change): mutant.text for mutant in mutants(name, source, range(1, source.count("\n") + 2))}


def test_only_what_changes_differs_in_the_text():
    source = 'CACHES = {"default": {"LOCATION": "é"}}  # kept\nroutes = ("a", f("b", queue="x"))\n'
    found = texts("settings.py", source)
    assert found['without `"LOCATION": "é"`'] == source.replace('"LOCATION": "é"', "")
    assert found['without `queue="x"`'] == source.replace(', queue="x"', "")
    assert found['without `"a"`'] == source.replace('("a", f("b", queue="x"))', '(f("b", queue="x"),)')
    assert found['`"é"` is `"éx"`'] == source.replace('"é"', '"éx"')


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("A = 2 * 60", ["without `A = 2 * 60`", "`2 * 60` is `(2 * 60 + 1)`"]),
        ("A = True", ["without `A = True`", "`True` is `False`"]),
        ("A = -1", ["without `A = -1`", "`-1` is `0`"]),
        ("A = [*B, 'c']", ["without `A = [*B, 'c']`", "without `*B`", "without `'c'`"]),
        ("@task(a=b)\ndef f():\n    pass", ["without `@task(a=b)`", "without `a=b`"]),
        ("a.get(timeout=5)", ["without `a.get(timeout=5)`", "without `timeout=5`", "`5` is `0`"]),
        ("a = f(b) or {}", ["without `a = f(b) or {}`", "without `f(b)`", "without `{}`"]),
        ("class A(B):\n    c: int", ["without `B`", "without `c: int`"]),
        ("if a:\n    b()", ["without `if a: …`", "`not (a)`", "without `b()`"]),
        ("try:\n    a\nexcept B:\n    c", ["without `try: …`", "without `a`", "without `except B: …`", "without `c`"]),
    ],
)
def test_each_part_of_a_statement_is_removed_or_altered(source, expected):
    assert [change for _, change in changes("tasks.py", f"{source}\n")] == expected


def test_imports_docstrings_annotations_and_lines_that_no_page_shows_stay_as_they_are():
    source = 'import a\nfrom b import c\n\n\ndef f(d: "text") -> "text":\n    """Says."""\n    c()\n    return a\n'
    assert changes("tasks.py", source) == [(5, "`f` does nothing"), (7, "without `c()`"), (8, "without `return a`")]
    assert changes("tasks.py", source, shown=[7]) == [(7, "without `c()`")]


def test_every_mutant_is_another_program_that_can_be_parsed():
    source = "if a:\n    b()\nelif c:\n    d()\nelse:\n    e(f'{a}')\n"
    for mutant in mutants("tasks.py", source, range(1, 7)):
        compile(mutant.text, str(mutant.change), "exec")
        assert mutant.text != source


def test_lines_flags_and_numbers_of_other_files_change():
    source = "#!/bin/sh\n# why\nexec celery worker \\\n  --concurrency 3 \\\n  --queues a,b --loglevel INFO\n"
    assert changes("worker.sh", source) == [
        (1, "without `#!/bin/sh`"),
        (3, "without `exec celery worker`"),
        (4, "without `--concurrency 3`"),
        (4, "`3` is `4`"),
        (5, "without `--queues a,b --loglevel INFO`"),
        (5, "without `--queues a,b`"),
        (5, "without `--loglevel INFO`"),
    ]


def test_lines_and_flags_of_an_image_and_its_variables_are_removed_and_no_number_changes():
    assert changes("Dockerfile", "RUN pip install --requirement a.txt\nENV UNBUFFERED=1\n") == [
        (1, "without `RUN pip install --requirement a.txt`"),
        (1, "without `--requirement a.txt`"),
        (2, "without `ENV UNBUFFERED=1`"),
    ]
    assert changes(".env.example", "DEBUG=0\n") == [(1, "without `DEBUG=0`")]


def test_a_key_of_yaml_is_removed_with_what_is_below_it():
    source = "services:\n  worker:\n    stop_signal: SIGQUIT\n  later:\n    image: redis:7\n"
    found = texts("docker-compose.yml", source)
    assert found["without `worker:`"] == "services:\n  later:\n    image: redis:7\n"
    assert found["without `stop_signal: SIGQUIT`"] == source.replace("    stop_signal: SIGQUIT\n", "")


def test_equal_changes_of_a_line_are_numbered():
    assert [change for _, change in changes("a.py", "a = f(1, 1)\n")] == [
        "without `a = f(1, 1)`",
        "`1` is `2`",
        "`1` is `2` (2)",
    ]
