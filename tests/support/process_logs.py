"""Logging as a process does, for one test, with the lines at hand."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import structlog

from signalbox.telemetry import configure_logging

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def process_logs() -> Iterator[Lines]:
    """Log as a process does; gives a function that returns the lines so far."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    written = io.BytesIO()
    with redirect_stdout(io.TextIOWrapper(written, "utf-8", write_through=True)):
        configure_logging("test")
    try:
        yield lambda: [json.loads(line) for line in written.getvalue().decode().splitlines()]
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        root.handlers, root.level = handlers, level
