"""Programs in containers: each in one of its own, as a service, or several in one, as after `docker compose exec`."""

from __future__ import annotations

import os
import signal
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from cookbook.stack.processes import Process
from cookbook.stack.reaper import PROJECT_LABEL

USER = f"{os.getuid()}:{os.getgid()}"  # what programs write into the run's folder belongs to its user
SOMEBODY_ELSE = f"{os.getuid() + 1}:{os.getgid()}"
END_ALL = "kill -9 -1"  # each process of the user but the shell that runs it


class Contained(Process):
    """A program in a *container*: signals and exit codes are its own, not those of the attached client."""

    def __init__(self, container: Container, command: Sequence[str], argv: Sequence[str], cwd: Path) -> None:
        self.container = container
        super().__init__(command, env=os.environ, cwd=cwd)
        self.argv = list(argv)

    @abstractmethod
    def signal(self, number: int) -> None: ...

    def kill(self) -> int:
        self.signal(signal.SIGKILL)
        return self.wait()

    def wait(self, timeout: float = 30) -> int:
        code = super().wait(timeout)
        return 128 - code if code > 128 else code  # 137 is what Docker makes of signal 9

    def addresses(self) -> set[str]:
        """The IP addresses of the container."""
        self.container.reload()
        return {network["IPAddress"] for network in self.container.attrs["NetworkSettings"]["Networks"].values()}


class Service(Contained):
    """The program that a container was created for: signals go to the container."""

    def __init__(self, container: Container, argv: Sequence[str], cwd: Path) -> None:
        super().__init__(container, ("docker", "start", "--attach", "--interactive", container.name), argv, cwd)

    def signal(self, number: int) -> None:
        if number == signal.SIGSTOP:  # docker's init would stop, and the program behind it go on
            self.container.pause()
        elif number == signal.SIGCONT:
            self.container.unpause()
        else:
            self.container.kill(number)

    def kill_group(self) -> None:
        remove(self.container)
        super().kill_group()


class Entered(Contained):
    """A program beside others in a container that runs already; its pid there is written to the file *noted*."""

    def __init__(self, container: Container, argv: Sequence[str], env: Mapping[str, str], noted: Path) -> None:
        self._noted = noted
        variables = (part for name, value in env.items() for part in ("--env", f"{name}={value}"))
        enter = ("docker", "exec", "--interactive", "--user", USER, *variables, container.name)
        note = ("sh", "-c", 'echo $$ >"$0" && exec "$@"', str(noted))
        super().__init__(container, (*enter, *note, *argv), argv, noted.parent)

    def signal(self, number: int) -> None:
        self._send(number, "")

    def kill_group(self) -> None:
        self._send(signal.SIGKILL, "-")  # Docker makes each program that enters the leader of its group
        self.wait()

    def detach(self) -> None:
        """End the client, once `END_ALL` has ended the program."""
        super().kill_group()

    def _send(self, number: int, group: str) -> None:
        if self.popen.poll() is None:
            run_inside(self.container, f"kill -{number} {group}{self._noted.read_text().strip()}")


def run_inside(container: Container, script: str) -> None:
    """Run a shell script in *container*, as the user who runs the proofs, whatever its exit code."""
    container.exec_run(["sh", "-c", script], user=USER)


def start_toolbox(template: Container, mounts: Sequence[str]) -> Container:
    """Start a copy of *template* for programs to enter, which waits for ever.

    Its own program belongs to another user than those that enter it, so that `END_ALL` leaves it alone.
    """
    made = copy(template, ("sleep", "infinity"), {}, mounts, user=SOMEBODY_ELSE)
    made.start()
    return made


def copy(
    template: Container, argv: Sequence[str], env: Mapping[str, str], mounts: Sequence[str], *, user: str = USER
) -> Container:
    """Create a container that differs from *template* in its program, user, variables and *mounts* ("host:container"),
    and in what `docker compose run --rm` changes: it never starts again, and is removed when its program ends."""
    config, host = template.attrs["Config"], template.attrs["HostConfig"]
    variables = dict(each.split("=", 1) for each in config["Env"]) | dict(env)
    attached = dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "OpenStdin", "StdinOnce"), True)
    made = template.client.api.create_container_from_config(
        {
            **{key: value for key, value in config.items() if key != "Hostname"},  # that is the id of the template
            **attached,
            "Cmd": list(argv),
            "Env": [f"{variable}={value}" for variable, value in variables.items()],
            "User": user,
            "Labels": config["Labels"] | {"com.docker.compose.oneoff": "True"},
            "HostConfig": {
                **host,
                "AutoRemove": True,
                "Binds": [*(host["Binds"] or ()), *mounts],
                "RestartPolicy": {"Name": "no"},
            },
        },
        f"{config['Labels'][PROJECT_LABEL]}-{os.urandom(4).hex()}",
    )
    return template.client.containers.get(made["Id"])


def remove(container: Container) -> None:
    """Remove a container, whatever its state; one that is gone, or is being removed, is no error."""
    with suppress(NotFound):
        container.reload()
        if container.status == "paused":  # Docker thaws it to kill it: nothing that it does in between must get out
            for network in container.attrs["NetworkSettings"]["Networks"]:
                container.client.networks.get(network).disconnect(container, force=True)
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if "already in progress" not in str(error):
                raise
