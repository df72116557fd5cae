"""A shell starts programs warm: arguments, terminal, signals and exit status are those of a cold start."""

import socket
import subprocess
import sys

import psutil
import pytest

from cookbook.sources import transcripts
from cookbook.stack import warm_client
from cookbook.stack.processes import wait_until


def test_a_shell_gets_what_it_asked_for(local, project):
    script = local.folder / "script.py"
    script.write_text("import os, sys\nprint(sys.argv[1:], os.environ.get('WORD'), sys.stdout.isatty())\nsys.exit(4)\n")
    commands = (
        f"$ python {script} 'a b' c\n$ WORD=cold python {script}\n$ python {script} d | cat\n$ python -c 'print(1)'\n"
    )
    given = transcripts.run(
        transcripts.parse(commands, "here"),
        env=local.environment(),
        cwd=project.recipes,
        folder=local.folder,
        where="here",
    )
    assert [(step.output, step.status) for step in given] == [
        ("['a b', 'c'] None True", 4),
        ("[] cold True", 4),
        ("['d'] None False", 0),
        ("1", 0),
    ]


@pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("INT", 130), ("KILL", 137)])
def test_a_signal_to_the_command_of_a_shell_ends_the_program(local, name, code):
    script = local.folder / "script.py"
    # Closed by `with`: an interrupt while a destructor closes the file would be swallowed. Not pause(), which an
    # interrupt just before it does not end.
    source = "import os, time\nwith open('pid', 'w') as file:\n    print(os.getpid(), file=file)\n"
    source += "while True:\n    time.sleep(0.01)\n"
    script.write_text(source)
    waits = "until [ -s pid ]; do :; done"
    shell = f"set -m; python {script} & {waits}; kill -{name} $!; wait $!"  # without -m bash lets it ignore SIGINT
    env = local.environment()
    # A background job inherits that SIGINT is ignored, and bash cannot change that.
    heeding = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp('bash', sys.argv[1:])"
    command = [sys.executable, "-c", heeding, "bash", "-c", shell]
    done = subprocess.run(command, env=env, cwd=local.folder, start_new_session=True, timeout=60, check=False)
    assert done.returncode == code
    pid = int((local.folder / "pid").read_text())
    wait_until(lambda: not psutil.pid_exists(pid))


def test_a_parent_that_has_ended_is_an_error():
    ours, theirs = socket.socketpair()
    theirs.sendall(b"-15\n")
    theirs.close()
    assert warm_client.read_number(ours) == -15
    with pytest.raises(EOFError, match="the warm parent has ended"):
        warm_client.read_number(ours)
    ours.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux names an open folder in the path of a socket")
def test_a_socket_with_a_long_path_can_be_reached(tmp_path, monkeypatch):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(folder)
        listener.bind("parent")
        listener.listen()
        with warm_client._connect(str(folder / "parent")) as connection:
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(b"7\n")
                assert warm_client.read_number(connection) == 7
