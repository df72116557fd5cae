"""A fork of a warm parent behaves like a cold start: each test compares the two."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from cookbook.stack import warm, warm_client
from cookbook.stack.processes import wait_until
from tests.cookbook.mini import HOUSE

ABOUT_ITSELF = """
import json, locale, logging, os, resource, signal, sys, tempfile, threading, time, warnings
streams = (sys.stdin, sys.stdout, sys.stderr)
print(json.dumps({
    "argv": sys.argv, "orig_argv": sys.orig_argv[1:], "path": sys.path, "flags": str(sys.flags), "name": __name__,
    "file": __file__, "main": sys.modules["__main__"].__dict__ is globals(), "executable": sys.executable,
    "environ": dict(os.environ), "cwd": os.getcwd(), "leads its session": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "streams": [[each.name, each.mode, each.encoding, each.errors, each.line_buffering, each.write_through,
                 each.isatty(), each.fileno()] for each in streams],
    "originals": streams == (sys.__stdin__, sys.__stdout__, sys.__stderr__), "input": sys.stdin.readline(),
    "files": [number for number in range(3, 256) if os.path.exists(f"/dev/fd/{number}")],
    "signals": {str(each): str(signal.getsignal(each)) for each in signal.valid_signals()},
    "blocked": str(signal.pthread_sigmask(signal.SIG_BLOCK, [])), "umask": os.umask(0o22), "zone": time.tzname,
    "limits": resource.getrlimit(resource.RLIMIT_NOFILE), "threads": threading.active_count(),
    "temporary": tempfile.gettempdir(), "locale": locale.setlocale(locale.LC_ALL), "warnings": str(warnings.filters),
    "handlers": str(logging.root.handlers), "parallel": [threading.main_thread() is threading.current_thread()],
}))
"""


def test_a_program_cannot_tell_that_it_was_started_warm(both):
    found = []
    for program in both(ABOUT_ITSELF, "one", "--two=3"):
        print("typed", file=program.popen.stdin, flush=True)
        found.append(json.loads(program.wait_for("{")))
        assert program.wait() == 0
    cold, warm_ = found
    assert warm_ == cold
    assert warm_["input"] == "typed\n"
    assert warm_["argv"][1:] == ["one", "--two=3"]


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit(3)",
        "sys.exit('a last word')",
        "raise ValueError('in the program')",
        "raise KeyboardInterrupt",
        "os.kill(os.getpid(), 9)",
        "os.kill(os.getpid(), 15)",
        "os._exit(7)",
        "import atexit; atexit.register(print, 'at exit')",
        "print('no newline', end='')",
        "import threading; threading.Thread(target=lambda: print('of a thread')).start()",
        "1 +",
    ],
)
def test_it_ends_as_it_would_end_cold(both, ending):
    cold, warm_ = both(f"import os, sys\n{ending}\n")
    assert cold.wait() == warm_.wait()
    for each in (cold, warm_):
        with pytest.raises(TimeoutError, match="it ended"):  # once all that it printed is read
            each.wait_for("something that no program prints")
    assert warm_.lines == cold.lines


def test_signals_reach_it_and_its_pid_is_its_own(local, both):
    waiting = "import signal, os\nprint(os.getpid(), flush=True)\nsignal.sigwait([signal.SIGUSR1])\nprint('woken')\n"
    for program in both("import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [10, 12])\n" + waiting):
        assert program.wait_for("") == str(program.pid)
        assert program.popen.poll() is None
        program.signal(signal.SIGUSR1)
        program.wait_for("woken")
        assert program.wait() == 0
        program.signal(signal.SIGTERM)  # to one that has ended: nothing


def test_a_variable_that_an_import_may_read_makes_the_start_cold(both):
    _, program = both("input()", env={"REMAP_SIGTERM": "SIGQUIT"})
    assert psutil.Process(program.pid).ppid() == os.getpid()


def test_a_pool_that_patches_the_standard_library_starts_cold(both):
    _, program = both("input()", "--pool=gevent")
    assert psutil.Process(program.pid).ppid() == os.getpid()


def test_no_setting_and_no_module_of_the_project_is_imported_before_the_fork(both):
    source = """
import sys
from celery import _state
from django.conf import settings
ours = [name for name in sys.modules if name.partition(".")[0] in ("core", "cookbook", "warm_client")]
print(ours, settings.configured, _state.default_app, "celery.apps.worker" in sys.modules)
"""
    cold, program = both(source)
    assert program.wait_for("") == "[] False None True"
    assert cold.wait_for("") == "[] False None False"


def test_a_parent_that_did_more_than_import_is_refused(tmp_path):
    (tmp_path / "greedy.py").write_text("from django.conf import settings\nsettings.configure()\n")
    code = "import warm_parent\nwarm_parent.IMPORTED += ' greedy'\nsys.path.insert(0, '')\nwarm_parent.preload()"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(HOUSE.root / 'cookbook/stack')!r}]\n{code}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "RuntimeError: an import made an app, read settings or started a thread" in done.stderr


def test_a_program_whose_client_left_before_it_read_the_pid_ends(local):
    script = local.folder / "script.py"
    script.write_text("import os\nprint(os.getpid(), flush=True)\ninput()\n")
    parent = str(warm.parent(Path(sys.executable).parent))
    with warm_client._connect(parent) as connection:
        read, write = os.pipe()
        stdin, unused = os.pipe()
        body = json.dumps([[str(script)], local.environment(), str(local.folder)]).encode() + b"\n"
        socket.send_fds(connection, [body], [stdin, write, write])
        os.close(write)
        with os.fdopen(read) as output:
            pid = int(output.readline())
    wait_until(lambda: not psutil.pid_exists(pid))
    os.close(stdin)
    os.close(unused)


def test_when_its_client_is_gone_the_program_ends_with_its_group(local):
    script = local.folder / "script.py"
    script.write_text("import subprocess\nprint(subprocess.Popen(['sleep', '60']).pid, flush=True)\ninput()\n")
    parent = warm.parent(Path(sys.executable).parent)
    program = warm.Fork(parent, [str(script)], env=local.environment(), cwd=local.folder)
    assert program.stdout is not None
    child = psutil.Process(int(program.stdout.readline()))
    program.close()
    wait_until(lambda: not psutil.pid_exists(program.pid))
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
