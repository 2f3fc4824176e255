"""The first thing that every process of the project does."""

import os

from signalbox.telemetry import configure_logging

_OTHERS = 0o077


def begin(service: str) -> None:
    """Let what this process writes be its user's alone (files 0600, folders 0700), and log as ``service``.

    Stores, logs and outboxes hold personal data, whatever folder they are in.
    """
    os.umask(_OTHERS)
    configure_logging(service)
