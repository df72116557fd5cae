from xml.etree import ElementTree

from cookbook.site import feeds
from tests.cookbook.mini import write_evidence

ADDRESS = "https://example.org/"


def test_the_feed_has_each_change_between_releases_with_the_newest_first(book):
    channel = ElementTree.fromstring(feeds.feed(book, "en", "Book", ADDRESS))[0]
    items = [{each.tag: each.text for each in item} for item in channel.findall("item")]
    assert [(item["title"], item["description"]) for item in items] == [
        ("Celery 5.7: CELERY_OLD = 9", "C. Before: 4; since Celery 5.7: 9."),
        ("Celery 5.6: worker_new | x", "C. Before: no; since Celery 5.6: yes."),
    ]
    assert {item["link"] for item in items} == {"https://example.org/en/start/greet/#files"}
    assert {item["pubDate"] for item in items} == {"Sun, 22 Nov 2026 19:00:00 +0000"}


def test_a_record_that_does_not_compare_releases_of_celery_is_left_out(book):
    write_evidence(book, records={"seen": [{"line": "a", "5.7": "Python", "9.9": "ten"}]})
    assert feeds.changes(book, "en") == []
