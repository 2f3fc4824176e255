"""What became of dead letters, read from the topics themselves: sent in again, or given up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from signalbox.control.models import MessageDiscarded, MessageReplayed
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.protocol.dead_letters import DeadLetter, Position
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.names import GOVERNANCE_AUDIT
from signalbox.protocol.records import Record
from signalbox_operations.replay.renewal import replay_id_of

Event = MessageReplayed | MessageDiscarded

_EVENTS: Final[Mapping[bytes, type[MessageReplayed] | type[MessageDiscarded]]] = {
    record_type_of(model).encode(): model for model in (MessageReplayed, MessageDiscarded)
}


@dataclass(frozen=True, slots=True)
class Resolution:
    """The end of a dead letter. ``who`` is empty and ``audited`` False while its audit event is missing."""

    how: Literal["replayed", "discarded"]
    at: datetime
    who: str = ""
    why: str = ""
    audited: bool = False

    def __str__(self) -> str:
        by = f" by {self.who}" if self.who else ""
        why = f": {self.why}" if self.why else ""
        return f"{self.how} at {self.at.isoformat(timespec='seconds')}{by}{why}"


Resolutions = Mapping[Position, Resolution]
"""The dead letters that are closed; what is not in it is open."""


async def resolutions_of(
    dead_letters: Iterable[DeadLetter], records: Iterable[Record], control: ControlRecords
) -> Resolutions:
    """Find in ``records``, of the dead letters' own topics and of the audit, what became of ``dead_letters``.

    A replay is known by its id on the topic that it was sent to, and by its audit event: the first comes
    earlier, the second is kept longer. A replay counts more than a discard.

    Raises:
        Unavailable: the registry can't be reached.
    """
    wanted = {dead_letter.position: dead_letter for dead_letter in dead_letters}
    by_id = {(wanted[at].topic, replay_id_of(at).encode()): at for at in wanted}
    found: dict[Position, Resolution] = {}
    for record in records:
        if record.topic == GOVERNANCE_AUDIT:
            event = await _event(record, control)
            if event is not None and _position(event) in wanted:
                _note(found, _position(event), _audited(event, record))
        elif (at := by_id.get((record.topic, record.header(CE.ID) or b""))) is not None:
            _note(found, at, Resolution("replayed", _time(record)))
    return found


def _note(found: dict[Position, Resolution], at: Position, resolution: Resolution) -> None:
    known = found.get(at)
    if known is None or (known.how == "discarded" and resolution.how == "replayed"):
        found[at] = resolution
    elif known.how == resolution.how and resolution.audited != known.audited:
        said = resolution if resolution.audited else known
        found[at] = replace(said, at=min(resolution.at, known.at))  # it is audited after it was sent


async def _event(record: Record, control: ControlRecords) -> Event | None:
    model = _EVENTS.get(record.header(CE.TYPE) or b"")
    if model is None:
        return None
    try:
        return await control.read(model, record)
    except Refusal:
        return None  # an event that can't be read closes nothing


def _position(event: Event) -> Position:
    return Position(event.dead_letter_topic, event.dead_letter_partition, event.dead_letter_offset)


def _audited(event: Event, record: Record) -> Resolution:
    how: Literal["replayed", "discarded"] = "replayed" if isinstance(event, MessageReplayed) else "discarded"
    return Resolution(how, _time(record), event.who, event.reason, audited=True)


def _time(record: Record) -> datetime:
    return record.time or datetime.fromtimestamp(0, UTC)
