"""When a worker that a test has started counts as ready, and when its log counts as whole."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from cookbook.stack.local import LocalStack
from cookbook.stack.processes import Process
from tests.cookbook.mini import HOUSE

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


@pytest.fixture
def stack(tmp_path):
    stack = LocalStack(HOUSE, tmp_path)
    stack.start_redis()
    yield stack
    stack.close()


@pytest.mark.parametrize(
    ("channels", "flags"), [(["commands"], ["--without-gossip"]), (["commands", "neighbors"], [])], ids=["quiet", "not"]
)
def test_a_worker_is_ready_once_it_listens_to_commands_itself(stack, channels, flags):
    worker = stack.start(["python", "-c", WORKER, str(stack.port), *channels])
    worker.argv += flags
    neighbor = stack.redis().pubsub()
    neighbor.psubscribe("commands", "neighbors")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(stack.wait_ready, worker)
        worker.wait_for(" ready.")
        for _ in channels:
            with pytest.raises(TimeoutError):
                waiting.result(1)
            worker.popen.stdin.write("\n")
            worker.popen.stdin.flush()
        waiting.result(30)


@pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe can be set on Linux only")
def test_the_log_of_a_program_that_has_ended_is_whole(tmp_path):
    # It ends at once, and leaves in the pipe what takes longer to read.
    source = (
        "import fcntl, os; fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, 1 << 20); os.write(1, b'\\n' * 150_000 + b'last\\n'); "
    )
    process = Process([sys.executable, "-c", f"{source}os._exit(0)"], env=os.environ, cwd=tmp_path)
    assert process.wait() == 0
    assert process.lines[-1:] == ["last"]
