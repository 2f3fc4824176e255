"""What the command `signalbox` does for the stack: topics, contracts, and the question before a deploy."""

import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from local_stack.foundation import PYTHON_VARIABLE
from local_stack.services import BROKER, REGISTRY
from signalbox.protocol.errors import SignalboxError

_DEADLINE_S: Final = 120


_COULD_NOT_FIND_OUT: Final = 2
"""`can-i-deploy`'s exit status when the registry or the broker can't be reached."""


class CommandFailed(SignalboxError):
    """A command of `signalbox` did not do what was asked; the text is what it printed."""

    def __init__(self, command: str, status: int, output: str) -> None:
        super().__init__(f"`{command}` failed with {status}:\n{output}")
        self.status = status
        self.output = output


def apply_contracts_and_topics(
    root: Path,
    environment: Mapping[str, str],
    running: Collection[str] = (BROKER, REGISTRY),
    grants: Path | None = None,
) -> None:
    """Create the topics on the broker, register the contracts and make the grants, all at the same time.

    Raises:
        CommandFailed: one of them can't be done.
    """
    needs = {BROKER: ("topics", "apply"), REGISTRY: ("contracts", "register")}
    started = [_start(root, environment, *words) for name, words in needs.items() if name in running]
    if grants is not None and grants.exists() and needs.keys() <= set(running):  # it waits for the other two
        started.append(_start_grants(root, environment, grants, "make up"))
    for command in started:
        _finish(command)


def apply_grants(root: Path, environment: Mapping[str, str], grants: Path, why: str) -> None:
    """Make the grants of a file.

    Raises:
        CommandFailed: it can't be done.
    """
    _finish(_start_grants(root, environment, grants, why))


def apply_acls(root: Path, environment: Mapping[str, str]) -> None:
    """Make the brokers allow each client of the catalog what it needs, and no more.

    Raises:
        CommandFailed: it can't be done.
    """
    _finish(_start(root, environment, "topics", "acls", "--apply", "--prune"))


def ask_can_i_deploy(service: str, root: Path, environment: Mapping[str, str]) -> str:
    """Ask whether ``service`` fits what is registered and running; return a warning, empty when it does.

    Only a plain no forbids. Registry and broker answered just before (``local_stack.needed``): when one is
    too slow to find it out all the same, a service may be restarted, and waits for both before it is ready.

    Raises:
        CommandFailed: it does not fit; the text says why.
    """
    try:
        _finish(_start(root, environment, "can-i-deploy", service))
    except CommandFailed as error:
        if error.status != _COULD_NOT_FIND_OUT:
            raise
        return error.output
    except subprocess.TimeoutExpired:
        return f"could not find out in {_DEADLINE_S} s whether {service} may be deployed"
    return ""


def await_replicas(root: Path, environment: Mapping[str, str]) -> str:
    """Wait until every replica of every topic is in sync; return a warning when that takes too long."""
    try:
        _finish(_start(root, environment, "topics", "wait"))
    except CommandFailed as error:
        return error.output
    except subprocess.TimeoutExpired:
        return f"could not find out in {_DEADLINE_S} s whether all replicas are in sync"
    return ""


def _start_grants(
    root: Path, environment: Mapping[str, str], grants: Path, why: str
) -> subprocess.Popen[str]:
    return _start(root, environment, "agents", "apply", str(grants), "--why", why)


def _start(root: Path, environment: Mapping[str, str], *words: str) -> subprocess.Popen[str]:
    # A release is asked about by its own code.
    python = environment.get(PYTHON_VARIABLE) or sys.executable
    return subprocess.Popen(
        [str(Path(python).with_name("signalbox")), *words],
        cwd=root,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _finish(command: subprocess.Popen[str]) -> None:
    try:
        output, _ = command.communicate(timeout=_DEADLINE_S)
    except BaseException:
        command.kill()
        command.wait()
        raise
    if command.returncode != 0:
        what = "signalbox " + " ".join(command.args[1:] if isinstance(command.args, list) else ())
        raise CommandFailed(what, command.returncode, output.strip())
