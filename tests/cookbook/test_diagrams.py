from xml.etree import ElementTree

from cookbook.diagrams import Message, sequence, steps

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


def test_the_text_alternative_tells_every_message_with_its_time():
    text = steps(MESSAGES, ACTORS)
    assert text.count("<li>") == 2
    assert "12 ms: Redis &amp; co → Worker: <code>BRPOP</code>" in text
