from xml.etree import ElementTree

import pytest

from cookbook.render.drawings import (
    GAP,
    LABELS,
    MESSAGE_LETTER,
    PLOT,
    Bar,
    Message,
    _scale,
    bars_as_table,
    messages_as_list,
    sequence,
    timeline,
)

ACTORS = {"django": "Django", "redis": "Redis & co", "worker": "Worker"}
MESSAGES: list[Message] = [
    {"at": 0.0, "source": "django", "target": "redis", "text": "LPUSH celery <message>"},
    {"at": 0.012, "source": "redis", "target": "worker", "text": "BRPOP"},
]
BACK: Message = {"at": 0.02, "source": "worker", "target": "redis", "text": "HDEL unacked"}
LANES = {"web": "Django & co", "worker1": "Worker 1", "worker2": "Worker 2"}
BARS: list[Bar] = [
    {"lane": "web", "start": 0.0, "end": 0.001, "text": "POST"},
    {"lane": "worker1", "start": 0.1, "end": 1.1, "text": "2024"},
    {"lane": "worker2", "start": 0.2, "end": 2.0, "text": "<2025>"},
]


def test_a_sequence_is_valid_svg_with_an_arrow_for_each_message():
    svg = ElementTree.fromstring(sequence(MESSAGES, ACTORS, "A task's life"))
    assert len(svg.findall("g[@class='message']")) == 2
    assert svg.get("aria-label") == "A task's life"
    assert "LPUSH celery <message>" in "".join(svg.itertext())


def test_an_arrow_points_to_its_receiver():
    svg = ElementTree.fromstring(sequence([*MESSAGES, BACK], ACTORS, "t"))
    for arrow, rightwards in zip(svg.findall("g[@class='message']"), (True, True, False), strict=True):
        [line] = arrow.findall("line")
        assert (float(line.attrib["x2"]) > float(line.attrib["x1"])) is rightwards


def test_lifelines_are_as_close_as_the_texts_between_them_allow():
    long: Message = {"at": 0.02, "source": "django", "target": "worker", "text": "x" * 60}

    def lifelines(*messages):
        svg = ElementTree.fromstring(sequence(messages, ACTORS, "t"))
        return [float(line.attrib["x1"]) for line in svg.findall("g/line")[:3]]

    first, second, third = lifelines(BACK)
    assert second - first == third - second == GAP
    first, _, third = lifelines(BACK, long)
    assert third - first > 60 * MESSAGE_LETTER  # its text spans two gaps
    assert third - first < 60 * MESSAGE_LETTER + 2 * GAP


def test_the_list_has_every_message_with_its_time():
    text = messages_as_list(MESSAGES, ACTORS)
    assert text.count("<li>") == 2
    assert "12 ms: Redis &amp; co → Worker: <code>BRPOP</code>" in text


def drawn(bars, lanes=LANES):
    return ElementTree.fromstring(timeline(bars, lanes, "Who did what"))


def rects(svg, lane):
    return [rect.attrib for rect in svg.findall(f"g[@class='lane lane-{lane}']/g[@class='bar']/rect")]


def test_a_timeline_is_valid_svg_with_a_bar_for_each_thing_done():
    svg = drawn(BARS)
    assert [len(rects(svg, lane)) for lane in (1, 2, 3)] == [1, 1, 1]
    assert svg.get("aria-label") == "Who did what"
    assert "Django & co" in "".join(svg.itertext())
    assert "<2025>" in "".join(svg.itertext())


def test_a_bar_is_where_the_axis_says():
    svg = drawn(BARS)
    [bar] = rects(svg, 3)
    assert float(bar["x"]) == LABELS + PLOT * 0.2 / 2
    assert float(bar["width"]) == PLOT * 1.8 / 2
    last = svg.findall("g[@class='tick']")[-1]
    assert last.findtext("text") == "2 s"
    assert float(last.find("line").attrib["x1"]) == LABELS + PLOT


def test_seconds_are_written_as_the_language_does():
    french = ElementTree.fromstring(timeline(BARS, LANES, "t", ","))
    assert "0,5 s" in [tick.findtext("text") for tick in french.findall("g[@class='tick']")]
    assert "<2025> 0,20–2,00 s" in "".join(french.itertext())
    assert "0,20–2,00 s" in bars_as_table(BARS, LANES, ",")


def test_a_bar_too_short_for_its_text_is_visible_and_has_a_title():
    [short] = drawn(BARS).findall("g[@class='lane lane-1']/g[@class='bar']")
    assert float(short.find("rect").attrib["width"]) == 2
    assert short.find("text") is None
    assert short.findtext("title") == "POST 0.00–0.00 s"


def test_bars_of_one_lane_that_overlap_are_one_below_the_other():
    three: list[Bar] = [
        {"lane": "w", "start": 0.0, "end": 2.0, "text": "a"},
        {"lane": "w", "start": 1.0, "end": 3.0, "text": "b"},
        {"lane": "w", "start": 2.0, "end": 3.0, "text": "c"},
    ]
    svg = drawn(three, {"w": "Worker"})
    first, third, second = (float(rect["y"]) for rect in rects(svg, 1))
    assert first == third < second
    assert float(svg.attrib["height"]) > float(drawn(three[:1], {"w": "Worker"}).attrib["height"])


def test_bars_that_overlap_by_less_than_clocks_can_measure_are_in_one_row():
    two: list[Bar] = [
        {"lane": "w", "start": 0.0, "end": 4.02, "text": "a"},
        {"lane": "w", "start": 4.0, "end": 8.0, "text": "b"},
    ]
    first, second = rects(drawn(two, {"w": "Worker"}), 1)
    assert first["y"] == second["y"]


@pytest.mark.parametrize(
    ("end", "scale"), [(0.0, (1.0, 1)), (0.8, (0.1, 8)), (0.81, (0.2, 5)), (7.2, (1.0, 8)), (60.0, (10.0, 6))]
)
def test_the_axis_has_few_round_steps(end, scale):
    assert _scale(end) == pytest.approx(scale)


def test_the_table_has_every_bar_in_the_row_of_its_lane():
    [first, second, _] = ElementTree.fromstring(bars_as_table(BARS, LANES)).findall("tbody/tr")
    assert first.findtext("th") == "Django & co"
    [cell] = second.findall("td")
    assert "".join(cell.itertext()) == "2024 0.10–1.10 s"


def test_a_lane_without_bars_is_still_there():
    assert rects(drawn(BARS[:2]), 3) == []
    assert "Worker 2</th><td>—" in bars_as_table(BARS[:2], LANES)
