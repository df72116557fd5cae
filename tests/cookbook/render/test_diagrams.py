from xml.etree import ElementTree

from cookbook.render.diagrams import GAP, LETTER, Message, sequence, steps

ACTORS = {"django": "Django", "redis": "Redis & co", "worker": "Worker"}
MESSAGES: list[Message] = [
    {"at": 0.0, "source": "django", "target": "redis", "text": "LPUSH celery <message>"},
    {"at": 0.012, "source": "redis", "target": "worker", "text": "BRPOP"},
]
BACK: Message = {"at": 0.02, "source": "worker", "target": "redis", "text": "HDEL unacked"}


def test_the_drawing_is_valid_svg_with_an_arrow_for_each_message():
    svg = ElementTree.fromstring(sequence(MESSAGES, ACTORS, "A task's life"))
    assert len(svg.findall("g[@class='message']")) == 2
    assert svg.get("aria-label") == "A task's life"
    assert "LPUSH celery <message>" in "".join(svg.itertext())


def test_an_arrow_points_to_its_receiver():
    svg = ElementTree.fromstring(sequence([*MESSAGES, BACK], ACTORS, "t"))
    for arrow, rightwards in zip(svg.findall("g[@class='message']"), (True, True, False), strict=True):
        [line] = arrow.findall("line")
        assert (float(line.attrib["x2"]) > float(line.attrib["x1"])) is rightwards


def test_lifelines_stand_as_close_as_the_texts_between_them_allow():
    long: Message = {"at": 0.02, "source": "django", "target": "worker", "text": "x" * 60}

    def lifelines(*messages):
        svg = ElementTree.fromstring(sequence(messages, ACTORS, "t"))
        return [float(line.attrib["x1"]) for line in svg.findall("g/line")[:3]]

    first, second, third = lifelines(BACK)
    assert second - first == third - second == GAP
    first, _, third = lifelines(BACK, long)
    assert third - first > 60 * LETTER  # it has two gaps to stand in
    assert third - first < 60 * LETTER + 2 * GAP


def test_the_text_alternative_tells_every_message_with_its_time():
    text = steps(MESSAGES, ACTORS)
    assert text.count("<li>") == 2
    assert "12 ms: Redis &amp; co → Worker: <code>BRPOP</code>" in text
