"""Kafka records as plain values: what the gate, router and services work on, with no client in sight."""

from dataclasses import dataclass

from signalbox.protocol.names import Headers


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
