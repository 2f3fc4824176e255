"""Where a group's member reads on: where it was left, and never further without saying so."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from signalbox.protocol.errors import Fatal, Unavailable
from signalbox.telemetry.logs import logger

OnLost = Literal["stop", "earliest"]
"""What to do when the broker does not have the committed offset any more."""

_log = logger(__name__)
_ASK_S: Final = 10.0
_ASK_FOR_S: Final = 20.0
_PAUSE_S: Final = 0.5


class OffsetsUnknown(Unavailable):
    """The broker does not say where the group is: it is away, or a transaction on the offsets is open."""


class OffsetsLost(Fatal):
    """Records that the group had not read yet are gone; going on without them is a person's decision."""


def starts(
    client: Consumer, group: str, partitions: Sequence[TopicPartition], on_lost: OnLost
) -> list[TopicPartition]:
    """Return ``partitions`` with the offsets to begin at: the committed ones, or the beginning where none is.

    Raises:
        OffsetsLost: the broker deleted records that come after a committed offset.
        OffsetsUnknown: the broker did not say in time.
    """
    return [
        _start(client, group, at, on_lost)
        for at in _asked(lambda: client.committed(list(partitions), _ASK_S))
    ]


def lost(messages: Iterable[Any], group: str) -> OffsetsLost | None:
    """Return the error for those of ``messages`` that say that a position does not exist any more."""
    for message in messages:
        error = message.error()
        if error is not None and error.code() == KafkaError._AUTO_OFFSET_RESET:
            where = f"{message.topic()}/{message.partition()}"
            return OffsetsLost(_text(group, where, f"the broker says: {error.str()}"))
    return None


def _start(client: Consumer, group: str, at: TopicPartition, on_lost: OnLost) -> TopicPartition:
    if at.offset < 0:
        return TopicPartition(at.topic, at.partition, OFFSET_BEGINNING)
    earliest, _ = _asked(lambda: client.get_watermark_offsets(at, _ASK_S, cached=False))
    if at.offset >= earliest:
        return TopicPartition(at.topic, at.partition, at.offset)
    what = f"offsets {at.offset} to {earliest - 1} were deleted before it read them"
    text = _text(group, f"{at.topic}/{at.partition}", what)
    if on_lost == "stop":
        raise OffsetsLost(text)
    _log.error("records are lost, going on as ON_LOST_OFFSETS says", what=text, going_on_at=earliest)
    return TopicPartition(at.topic, at.partition, OFFSET_BEGINNING)


def _text(group: str, where: str, what: str) -> str:
    return (
        f"{group} can't go on at {where}: {what}. Restore them, or start once with"
        " ON_LOST_OFFSETS=earliest to go on without them (docs/guarantees.md)"
    )


def _asked(ask: Any) -> Any:
    deadline = time.monotonic() + _ASK_FOR_S
    while True:
        try:
            return ask()
        except KafkaException as error:
            if time.monotonic() > deadline:
                detail = f"it does not say where the group is: {error}"
                raise OffsetsUnknown("broker", detail) from error
            time.sleep(_PAUSE_S)
