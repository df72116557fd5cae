from xml.etree import ElementTree

import pytest

from cookbook.render.timelines import LABELS, PLOT, Bar, _scale, rows, timeline

LANES = {"web": "Django & co", "worker1": "Worker 1", "worker2": "Worker 2"}
BARS: list[Bar] = [
    {"lane": "web", "start": 0.0, "end": 0.001, "text": "POST"},
    {"lane": "worker1", "start": 0.1, "end": 1.1, "text": "2024"},
    {"lane": "worker2", "start": 0.2, "end": 2.0, "text": "<2025>"},
]


def drawn(bars, lanes=LANES):
    return ElementTree.fromstring(timeline(bars, lanes, "Who did what"))


def rects(svg, lane):
    return [rect.attrib for rect in svg.findall(f"g[@class='lane lane-{lane}']/g[@class='bar']/rect")]


def test_the_drawing_is_valid_svg_with_a_bar_for_each_thing_done():
    svg = drawn(BARS)
    assert [len(rects(svg, lane)) for lane in (1, 2, 3)] == [1, 1, 1]
    assert svg.get("aria-label") == "Who did what"
    assert "Django & co" in "".join(svg.itertext())
    assert "<2025>" in "".join(svg.itertext())


def test_a_bar_stands_where_the_axis_says():
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
    assert "0,20–2,00 s" in rows(BARS, LANES, ",")


def test_what_was_too_short_to_draw_can_still_be_seen_and_named():
    [short] = drawn(BARS).findall("g[@class='lane lane-1']/g[@class='bar']")
    assert float(short.find("rect").attrib["width"]) == 2
    assert short.find("text") is None
    assert short.findtext("title") == "POST 0.00–0.00 s"


def test_bars_of_one_lane_that_overlap_stand_below_one_another():
    three: list[Bar] = [
        {"lane": "w", "start": 0.0, "end": 2.0, "text": "a"},
        {"lane": "w", "start": 1.0, "end": 3.0, "text": "b"},
        {"lane": "w", "start": 2.0, "end": 3.0, "text": "c"},
    ]
    svg = drawn(three, {"w": "Worker"})
    first, third, second = (float(rect["y"]) for rect in rects(svg, 1))
    assert first == third < second
    assert float(svg.attrib["height"]) > float(drawn(three[:1], {"w": "Worker"}).attrib["height"])


def test_bars_that_overlap_by_no_more_than_can_be_measured_follow_one_another():
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


def test_the_text_alternative_tells_every_bar_under_its_lane():
    [first, second, _] = ElementTree.fromstring(rows(BARS, LANES)).findall("tbody/tr")
    assert first.findtext("th") == "Django & co"
    [cell] = second.findall("td")
    assert "".join(cell.itertext()) == "2024 0.10–1.10 s"


def test_a_lane_without_bars_is_still_there():
    assert rects(drawn(BARS[:2]), 3) == []
    assert "Worker 2</th><td>—" in rows(BARS[:2], LANES)
