"""Dead letters: the original bytes, and why they were stopped, in headers that any tool can read."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from signalbox.protocol.envelope import time_text
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.headers import DL
from signalbox.protocol.names import Headers, dead_letter_topic
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record

DEAD_LETTER_ROOM_BYTES: Final = 64 * 1024
"""What a dead letter topic takes more than its source: it has the record, and headers that say why."""

_POSITION: Final = re.compile(r"([A-Za-z0-9._-]+)/(\d{1,9})/(\d{1,18})", re.ASCII)
_AT_BYTE: Final = re.compile(r"at byte (\d{1,9}) of the Avro body")


class Position(NamedTuple):
    """Where a record lies; written as ``agent_messages_dlt/0/17``."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read what ``str()`` writes.

        Raises:
            ConfigurationError: it is something else.
        """
        match = _POSITION.fullmatch(text)
        if match is None:
            raise ConfigurationError(f"{text!r} is not TOPIC/PARTITION/OFFSET, like agent_messages_dlt/0/17")
        return cls(match[1], int(match[2]), int(match[3]))


def failing_byte(detail: str) -> int | None:
    """Return the offset inside the Avro body that a refusal's ``detail`` names, if it names one."""
    match = _AT_BYTE.search(detail)
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter as it was read: where the original was, and why it was stopped.

    ``topic``, ``partition`` and ``offset`` are the original's; ``record`` is the dead letter itself.
    """

    record: Record
    reason: Reason
    detail: str
    field: str
    stage: Stage
    topic: str
    partition: int
    offset: int
    time: datetime
    model_calls: int

    @property
    def position(self) -> Position:
        """Where the dead letter itself lies."""
        return Position(self.record.topic, self.record.partition, self.record.offset)

    @property
    def original(self) -> Record:
        """The original record: same key, value and headers, at its own position."""
        record = self.record
        return Record(
            self.topic, self.partition, self.offset, record.key, record.value, foreign(record.headers)
        )

    @classmethod
    def of(cls, record: Record) -> "DeadLetter":
        """Read a record of a dead letter topic.

        Raises:
            ValueError: its ``dl_*`` headers are not those that :func:`dead_letter_of` writes.
        """
        return cls(
            record=record,
            reason=Reason(_text(record, DL.REASON)),
            detail=_text(record, DL.DETAIL),
            field=_text(record, DL.FIELD),
            stage=Stage(_text(record, DL.STAGE)),
            topic=_text(record, DL.TOPIC),
            partition=int(_text(record, DL.PARTITION)),
            offset=int(_text(record, DL.OFFSET)),
            time=datetime.fromisoformat(_text(record, DL.TIME)),
            model_calls=int(_text(record, DL.MODEL_CALLS)),
        )


def foreign(headers: Headers) -> Headers:
    """Return the headers of a dead letter, or of any record, that are not ours: the original's."""
    return tuple(pair for pair in headers if not pair[0].startswith(DL.PREFIX))


def dead_letter_of(
    original: Record, stage: Stage, refusal: Refusal, *, model_calls: int = 0, tokens: int = 0, cost: int = 0
) -> Draft:
    """Make the dead letter of ``original``, for the same partition of its topic's dead letter topic.

    Headers that look like a dead letter's are dropped from the original: a forged ``dl_reason`` must
    not speak for us. ``tokens`` and ``cost`` are what no route tells of.
    """
    took = {name: str(value) for name, value in ((DL.TOKENS, tokens), (DL.COST, cost)) if value}
    said = {
        DL.REASON: refusal.reason.value,
        DL.DETAIL: refusal.detail,
        DL.FIELD: refusal.field,
        DL.TOPIC: original.topic,
        DL.PARTITION: str(original.partition),
        DL.OFFSET: str(original.offset),
        DL.TIME: time_text(datetime.now(UTC)),
        DL.STAGE: stage.value,
        DL.MODEL_CALLS: str(model_calls),
        **took,
    }
    headers = tuple((name, _bytes(value)) for name, value in said.items())
    return Draft(
        dead_letter_topic(original.topic),
        original.key,
        original.value,
        foreign(original.headers) + headers,
        partition=original.partition,
    )


def is_dead_letter(draft: Draft) -> bool:
    """Say whether ``draft`` is what :func:`dead_letter_of` makes."""
    return any(name == DL.REASON for name, _ in draft.headers)


def source_of(dead_letter: Draft) -> str:
    """Return the topic of the record that ``dead_letter`` is of."""
    return dict(dead_letter.headers)[DL.TOPIC].decode()  # type: ignore[union-attr]


def _bytes(text: str) -> bytes:
    return text.encode()


def _text(record: Record, name: str) -> str:
    value = record.header(name)
    if value is None:
        raise ValueError(f"no header {name} at {record.topic}/{record.partition}/{record.offset}")
    return value.decode()
