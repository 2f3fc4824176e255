"""What tools answer."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import structlog

_Found = TypeVar("_Found")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a tool really found, and where.

    ``kind`` is ``website``, ``content``, or the look-up's own name (``crm``, ``enrichment``).
    ``location`` is the address, or the file and line. ``text`` is plain text; ``facts`` are named values.
    """

    kind: str
    location: str
    text: str
    title: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    retrieved_at: datetime = field(default_factory=_now)


@dataclass(frozen=True, slots=True)
class NotAvailable:
    """There is no finding, and ``why``: switched off, refused, not found, or not reachable."""

    kind: str
    location: str
    why: str
    retrieved_at: datetime = field(default_factory=_now)


async def found_or_not(kind: str, location: str, answer: Awaitable[_Found]) -> _Found | NotAvailable:
    """Await ``answer``; whatever it raises is told as not available, for no lead may end by what is outside.

    A tool tells the failures that it knows by itself, in better words. One that ends up here is logged, by
    its class alone, since its text may quote what was read.
    """
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 - the outside has no bounds to what it can make fail
        structlog.get_logger().warning("tool_failed", tool=kind, error=type(error).__name__)
        return NotAvailable(kind, location, f"can't be read: {type(error).__name__}")
