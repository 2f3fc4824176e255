"""What the command `signalbox` does for the stack: topics, contracts, and the question before a deploy."""

import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from local_stack.services import BROKER, REGISTRY
from signalbox.errors import SignalboxError

_SIGNALBOX: Final = str(Path(sys.executable).with_name("signalbox"))
_DEADLINE_S: Final = 60


_COULD_NOT_FIND_OUT: Final = 2
"""`can-i-deploy`'s exit status when the registry or the broker can't be reached."""


class CommandFailed(SignalboxError):
    """A command of `signalbox` did not do what was asked; the text is what it printed."""

    def __init__(self, command: str, status: int, output: str) -> None:
        super().__init__(f"`{command}` failed with {status}:\n{output}")
        self.status = status
        self.output = output


def apply_contracts_and_topics(
    root: Path, environment: Mapping[str, str], running: Collection[str] = (BROKER, REGISTRY)
) -> None:
    """Create the topics on the broker and register the contracts, both at the same time.

    Raises:
        CommandFailed: one of them can't be done.
    """
    needs = {BROKER: ("topics", "apply"), REGISTRY: ("contracts", "register")}
    started = [_start(root, environment, *words) for name, words in needs.items() if name in running]
    for command in started:
        _finish(command)


def ask_can_i_deploy(service: str, root: Path, environment: Mapping[str, str]) -> str:
    """Ask whether ``service`` fits what is registered and running; return a warning, empty when it does.

    Only a plain no forbids. When it could not be found out, because registry or broker are away, a service
    may still be restarted: that must be possible on a bad night, and it waits for both before it is ready.

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


def _start(root: Path, environment: Mapping[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [_SIGNALBOX, *words],
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
