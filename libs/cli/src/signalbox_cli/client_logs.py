"""What libraries log while the command works."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def logs_on_stderr() -> Iterator[None]:
    """Keep what the model's client logs out of the output, which a program may read."""
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        yield
    finally:
        structlog.reset_defaults()
        if before is not None:
            structlog.configure(**before)
