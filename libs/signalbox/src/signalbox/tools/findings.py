"""What tools answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


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
