"""Who runs the command, as the audit has it."""

import getpass
import socket
from typing import Annotated

import typer

Who = Annotated[str | None, typer.Option(help="Who does it, for the audit; else USER@HOST.")]


def who_of(given: str | None) -> str:
    """Return who was named, else the user and the host.

    Raises:
        BadParameter: what was given is blank.
    """
    if given is not None:
        if not given.strip():
            raise typer.BadParameter("--who must say something")
        return given
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container may have no name for its user
        return f"unknown@{socket.gethostname()}"
