"""Structured logs: one JSON object a line on standard output, as container platforms read them."""

import logging
import os
import sys

import structlog
from structlog.typing import FilteringBoundLogger

from signalbox.protocol.printable import visible_json
from signalbox.telemetry.personal import blot_personal


def configure_logging(service: str) -> None:
    """Send this process's logs to standard output as JSON lines that carry ``service``.

    ``LOG_LEVEL`` (INFO) sets the least level; libraries that use :mod:`logging` go the same way.
    """
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a log line never raises
    level = logging.getLevelNamesMapping().get(os.environ.get("LOG_LEVEL", "INFO").upper(), logging.INFO)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        blot_personal,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(visible_json)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(visible_json),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx2", "httpcore2", "uvicorn.access", "openai"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))


def logger(name: str) -> FilteringBoundLogger:
    """Return a logger whose lines carry ``module=name``; events are constants, facts are keywords."""
    bound: FilteringBoundLogger = structlog.get_logger(module=name)
    return bound
