"""When a worker that a test has started counts as ready, and how settings of a test override the recipe's."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cookbook.stack.interface import ABSENT, DjangoError

# A worker as the server sees it: it says that it is ready, and subscribes on demand.
WORKER = """
import redis, sys
print("worker1@cookbook ready.", flush=True)
for channel in sys.argv[2:]:
    input()
    subscribed = redis.Redis(port=int(sys.argv[1])).pubsub()
    subscribed.psubscribe(channel)
    globals()[channel] = subscribed
input()
"""


@pytest.mark.parametrize(
    ("channels", "flags"), [(["commands"], ["--without-gossip"]), (["commands", "neighbors"], [])], ids=["quiet", "not"]
)
def test_a_worker_is_ready_once_it_listens_to_commands_itself(local, channels, flags):
    local.start_redis()
    worker = local.start(["python", "-c", WORKER, str(local.port), *channels])
    worker.argv += flags
    neighbor = local.redis().pubsub()
    neighbor.psubscribe("commands", "neighbors")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(local.wait_ready, worker)
        worker.wait_for(" ready.")
        for _ in channels:
            with pytest.raises(TimeoutError):
                waiting.result(1)
            worker.popen.stdin.write("\n")
            worker.popen.stdin.flush()
        waiting.result(30)


def test_a_setting_of_a_test_overrides_the_recipe_s_and_absent_removes_it(local):
    source = "from django.conf import settings; [settings.LANGUAGE_CODE, hasattr(settings, 'CELERY_BROKER_URL')]"
    assert local.django({"LANGUAGE_CODE": "nl"})(source) == ["nl", True]
    assert local.django({"CELERY_BROKER_URL": ABSENT})(source)[1] is False


def test_an_exception_in_django_has_its_name_and_message(local):
    django = local.django()
    with pytest.raises(DjangoError, match=r"^ZeroDivisionError: division by zero$") as raised:
        django("1 / 0")
    assert raised.value.name == "ZeroDivisionError"
    assert django("x = 2; x * 3") == 6
