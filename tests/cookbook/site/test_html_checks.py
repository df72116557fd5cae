import shutil

import pytest

from cookbook.project import Project
from cookbook.site import build, html_checks, machines
from cookbook.site.html_pages import read_all
from tests.cookbook.mini import BLOCKS, edit, make_project, write

PAGE = "start/greet/index.html"
GREET = "docs/fr/start/greet.md"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A project and its site, built once. Tests change a copy: `book`."""
    project = make_project(tmp_path_factory.mktemp("built"))
    outcome = build.build(project, project.root / "built", {"COOKBOOK_PUBLISH": "true"}, strict=True)
    assert outcome == (True, [])
    shutil.move(project.root / "built/fr", project.site)
    (project.site / "bundles").mkdir()
    (project.site / "bundles/greet.zip").touch()
    machines.write_copies(project.site)
    machines.write(project, project.site)
    return project


@pytest.fixture
def book(built, tmp_path):
    """A copy of the project and its site, for a test to break."""
    return Project(shutil.copytree(built.root, tmp_path / "book", symlinks=True))


def change(book, old, new, page=PAGE):
    """Replace *old*, which is on the rendered *page* once."""
    edit(book, f"site/{page}", old, new)


def add(book, *tags):
    """Put *tags* on `PAGE`."""
    change(book, "<p>Elle salue.", f"{''.join(tags)}<p>Elle salue.")


def block(book, source):
    """The HTML of a block of `PAGE`."""
    text = (book.site / PAGE).read_text()
    start = text.rindex("<div", 0, text.index(f'data-source="{source}"'))
    return text[start : text.index("</pre></div>", start) + len("</pre></div>")]


def problems(book):
    return html_checks.problems(book, book.site, read_all(book.site))


def test_a_site_as_it_was_built_has_no_problem_and_every_block_counts(built):
    assert problems(built) == []
    assert html_checks.count_blocks(read_all(built.site)) == BLOCKS


# Blocks


def test_a_block_that_differs_from_its_recipe_is_reported_with_the_line_of_its_call(book):
    edit(book, "recipes/greet/tasks.py", "Goodbye", "Farewell")
    assert sorted(problems(book)) == [
        f"docs/{language}/start/greet.md:17: the block greet/tasks.py:part differs from its recipe: "
        "'    return f\"Goodbye {name}\"' on the page, '    return f\"Farewell {name}\"' in recipes/greet/tasks.py"
        for language in ("en", "fr")
    ]


def test_a_block_that_only_begins_as_its_recipe_differs_from_it(book):
    with (book.recipes / "greet/hello.console").open("a") as file:
        file.write("$ celery -A core result 6f2d3b1c-52b4-4c53-9c9d-0c9e8e3f1a55\n")
    assert len(found := problems(book)) == 2
    assert "the block greet/hello.console differs from its recipe: None on the page, '$ celery" in found[0]


def test_a_copy_button_with_other_text_than_the_recipe_is_reported(book):
    change(book, 'data-copy="celery -A', 'data-copy="celery --app')
    assert problems(book) == [f"{GREET}:21: the block greet/hello.console copies text that differs from its recipe"]


def test_a_note_without_its_marker_on_the_block_is_reported(book):
    change(book, "# (1)!", "")
    [lost] = problems(book)
    assert lost == f"{GREET}:13: the block greet/tasks.py:greet has 0 notes where its call gives 1"


def test_a_call_without_its_block_is_reported(book):
    change(book, block(book, "greet/worker.conf:memory"), "")
    assert problems(book) == [
        f"{GREET}:19: the block greet/worker.conf:memory is not on the rendered page: give its call a line of its own"
    ]


def test_a_block_without_a_call_is_reported(book):
    twice = block(book, "greet/worker.conf:memory")
    change(book, twice, twice + twice)
    fault = "the block greet/worker.conf:memory has no call on the page: 'maxmemory 100mb' …"
    assert problems(book) == [f"{GREET}: {fault}"]


@pytest.mark.parametrize(
    "typed",
    ['<div class="highlight"><pre><code>celery worker\n</code></pre></div>', "<pre><code>celery worker\n</code></pre>"],
)
def test_a_block_typed_by_hand_is_reported(book, typed):
    add(book, typed)
    assert problems(book) == [
        f"{GREET}: the block 'celery worker' … was typed by hand: show a recipe's file with code() or transcript()"
    ]


def test_a_page_that_was_not_built_is_reported(book):
    for language in ("fr", "en"):
        write(book, f"docs/{language}/start/late.md", "# Late\n")
    assert problems(book) == [
        "docs/fr/start/late.md: not in the built site",
        "docs/en/start/late.md: not in the built site",
    ]


def test_a_macro_call_left_on_a_page_is_reported(book):
    change(book, "<p>Elle salue.", "<p>Elle {@ code() @} salue.")
    assert problems(book) == [GREET + ": a macro call was left on the page: 'Elle {@ code() @} salue.'"]


# Links


def test_dead_links_are_reported(book):
    dead = {
        "../gone/": "the site has no start/gone",
        "../../gone.png": "the site has no gone.png",
        "../../../index.html": "it leaves the site",
        "../../en/gone/": "the site has no en/gone",
        "/gone/": "the site has no gone",
        "https://example.org/gone/": "the site has no gone",
        "#gone": "nothing on start/greet/index.html has that id",
        "../../en/start/greet/#gone": "nothing on en/start/greet/index.html has that id",
        "../greet.md": "the site has no start/greet.md",
        "javascript:alert(1)": "links with javascript: are not allowed",
    }
    add(book, *(f'<a href="{url}">Elle</a>' for url in dead))
    assert problems(book) == [f"{GREET}: dead link to {url}: {why}" for url, why in dead.items()]


def test_links_that_lead_somewhere_are_accepted(book):
    alive = [
        "#files",
        "../../en/start/greet/#files",
        "/en/",
        "https://example.org/en/start/greet/",
        "https://elsewhere.org/gone/",
        "mailto:ada@example.org",
        "?q=ada",
        "../../bundles/greet.zip",
        "#:~:text=salue",
    ]
    add(book, *(f'<a href="{url}">Elle</a>' for url in alive))
    assert problems(book) == []


def test_a_site_below_a_path_has_links_from_its_own_root(book):
    for file in [path for pattern in ("*.html", *html_checks.LINKING) for path in book.site.rglob(pattern)]:
        text = file.read_text()
        text = text.replace("https://example.org/", "https://example.org/book/").replace('="/', '="/book/')
        file.write_text(text)
    assert problems(book) == []
    add(book, '<a href="/book/en/gone">Elle</a>')
    assert problems(book) == [f"{GREET}: dead link to /book/en/gone: the site has no en/gone"]


def test_a_fault_of_the_theme_is_reported_once(book):
    for file in book.site.rglob("*.html"):
        file.write_text(file.read_text().replace("<body", '<link rel="help" href="https://example.org/help/"><body'))
    assert problems(book) == [
        "404.html: dead link to https://example.org/help/: the site has no help (and 5 more pages)"
    ]


def test_a_page_that_the_other_language_lacks_leaves_a_dead_switch(book):
    shutil.rmtree(book.site / "en/start/greet")
    found = problems(book)
    assert "docs/en/start/greet.md: not in the built site" in found
    assert f"{GREET}: dead link to ../../en/start/greet/: the site has no en/start/greet" in found


def test_an_entry_of_the_sitemap_that_leads_nowhere_is_reported(book):
    change(
        book, "<loc>https://example.org/start/greet/</loc>", "<loc>https://example.org/start/gone/</loc>", "sitemap.xml"
    )
    assert problems(book) == ["sitemap.xml: dead entry https://example.org/start/gone/: the site has no start/gone"]


# Ids


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("start/greet/index.md", "Elle salue.", "[Elle](https://example.org/gone/)", "the site has no gone"),
        ("llms.txt", "start/greet/index.md", "start/meet/index.md", "the site has no start/meet/index.md"),
        ("feed.xml", "<link>https://example.org/<", "<link>https://example.org/gone/<", "the site has no gone"),
    ],
)
def test_a_dead_link_in_a_file_for_programs_is_reported(book, file, old, new, why):
    edit(book, f"site/{file}", old, new)
    [problem] = problems(book)
    assert problem.startswith(f"{file}: dead entry ")
    assert problem.endswith(why)


def test_a_link_in_the_code_of_a_copy_is_code(book):
    edit(book, "site/start/greet/index.md", "maxmemory 100mb", "maxmemory](https://example.org/gone/)")
    assert problems(book) == []


def test_a_page_without_its_picture_is_reported(book):
    (book.site / "cards/start/greet/index.png").unlink()
    url = "https://example.org/cards/start/greet/index.png"
    assert problems(book) == [f"{GREET}: dead link to {url}: the site has no cards/start/greet/index.png"]


def test_an_id_given_twice_is_reported(book):
    change(book, "<p>Elle salue.", '<p id="files">Elle salue.')
    assert problems(book) == [f"{GREET}: the id 'files' is used 2 times"]


def test_a_label_of_an_id_that_does_not_exist_is_reported(book):
    change(book, "<p>Elle salue.", '<p aria-labelledby="files gone">Elle salue.')
    assert problems(book) == [f"{GREET}: something points to the id 'gone', which does not exist"]


# Other origins


def test_a_request_to_another_origin_is_reported(book):
    far = "https://cdn.example.com/"
    add(
        book,
        f'<script src="{far}1"></script>',
        f'<link rel="stylesheet" href="{far}2">',
        f'<link rel="preconnect" href="{far}3">',
        f'<img src="{far}4" srcset="{far}5 2x, {far}6 3x">',
        f'<iframe src="{far}7"></iframe>',
        f'<object data="{far}8"></object>',
        f'<a href="{far}no-request">',
        f'<link rel="canonical" href="{far}no-request">',
    )
    assert problems(book) == [
        f"{GREET}: the page loads {far}{number} from another origin: serve it from the site" for number in range(1, 9)
    ]


def test_what_a_style_sheet_loads_is_checked_as_well(book):
    rules = ("@import '{}';", "a {{ background: url({}) }}", 'a {{ background: url( "{}" ) }}')
    for number, rule in enumerate(rules):
        write(book, f"site/assets/far-{number}.css", rule.format("//cdn.example.com/x"))
        write(book, f"site/assets/gone-{number}.css", rule.format(f"{number}.svg"))
        write(book, f"site/assets/good-{number}.css", rule.format("favicon.svg"))
    assert problems(book) == [
        "assets/far-0.css: loads //cdn.example.com/x from another origin: serve it from the site (and 2 more pages)",
        *(
            f"assets/gone-{number}.css: dead link to {number}.svg: the site has no assets/{number}.svg"
            for number in range(3)
        ),
    ]
