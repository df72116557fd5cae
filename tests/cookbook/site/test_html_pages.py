import pytest

from cookbook.site.html_pages import Block, read


@pytest.mark.parametrize(
    ("html", "block"),
    [
        (
            '<div class="highlight" data-source="a.py" data-copy="b"><pre>'
            '<span class="filename">a</span><code>x\n</code></pre></div>',
            Block("a.py", "x", "b"),
        ),
        ("<pre>typed\n\n</pre>", Block("", "typed\n", None)),
        ('<pre class="mermaid">graph</pre>', None),
        ("<code>inline</code>", None),
    ],
)
def test_a_block_is_a_highlight_or_preformatted_text_of_its_own(html, block):
    assert read(html, "a.html").blocks == ([block] if block else [])


def test_a_macro_call_is_left_over_only_outside_code():
    page = read(
        "<p>Hello {@ code() @}</p><!-- {@ proven() @} --><pre>{@ code() @}</pre><script>'@}'</script>", "a.html"
    )
    assert page.leftovers == ["Hello {@ code() @}", "{@ proven() @}"]


def test_requests_of_the_browser_differ_from_links_that_a_reader_follows():
    page = read(
        '<link rel="next" href="n/"><link rel="icon" href="i.svg"><a href="a/"><img srcset="b 2x, c 3x">', "a.html"
    )
    assert page.links == ["n/", "i.svg", "a/", "b", "c"]
    assert page.requests == ["i.svg", "b", "c"]


def test_ids_count_on_the_whole_page_and_pointers_within_the_article():
    page = read('<label for="theme"></label><article><a name="one"><i id="one"><b aria-controls="two three">', "a.html")
    assert page.ids == {"one": 2}
    assert page.pointers == {"two", "three"}
