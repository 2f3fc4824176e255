"""Kafka records as plain values: what the gate, router and services work on, with no client in sight."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from signalbox.protocol.names import Headers

_LATEST_MS: Final = 221_845_392_000_000
"""A producer may write any number, and what is reckoned from it must stay a date."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read.

    ``timestamp_ms`` is the broker's or producer's, in milliseconds since the epoch; ``-1`` if unknown.
    ``unreadable_headers`` says that the client could not read the headers at all, so ``headers`` is empty.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int = -1
    unreadable_headers: bool = False

    @property
    def time(self) -> datetime | None:
        """When it was written, as it says itself, the year 9000 at the latest; None when unknown."""
        if self.timestamp_ms <= 0:
            return None
        return datetime.fromtimestamp(min(self.timestamp_ms, _LATEST_MS) / 1000, UTC)

    def header(self, name: str) -> bytes | None:
        """Return the last value of header ``name``: repeated headers are legal, the last one counts."""
        for header, value in reversed(self.headers):
            if header == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Draft:
    """One record that is to be written. ``partition`` is None where the key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


def written(draft: Draft) -> Record:
    """Return ``draft`` as it will be read, but for the offset and the time that the broker gives it."""
    partition = -1 if draft.partition is None else draft.partition
    return Record(draft.topic, partition, -1, draft.key, draft.value, draft.headers)
