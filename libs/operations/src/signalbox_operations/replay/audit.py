"""The audit events of replays and discards: governed like every record, with ids that a retry repeats."""

from datetime import UTC, datetime
from typing import Final, Literal

from signalbox.control.models import MessageDiscarded, MessageReplayed
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.envelope import Envelope, derived_id
from signalbox.protocol.headers import CE
from signalbox.protocol.names import GOVERNANCE_AUDIT, CorrelationId, LeadId, MessageId
from signalbox.protocol.records import Draft
from signalbox_operations.replay.renewal import replay_id_of

SOURCE: Final = "dead-letters"


class Audit:
    """Writes what ``who`` did."""

    def __init__(self, control: ControlRecords, who: str) -> None:
        self._control = control
        self._who = who

    def replayed(self, dead_letter: DeadLetter, sent: Draft, why: str) -> Draft:
        """Make the event that ``dead_letter`` came back as ``sent``."""
        at = dead_letter.position
        event = MessageReplayed(
            message_id=_readable(dead_letter.original.header(CE.ID)),
            lead_id=_readable(sent.key),
            correlation_id=_readable(dict(sent.headers).get(CE.CORRELATIONID)),
            replay_id=replay_id_of(at),
            who=self._who,
            reason=why,
            dead_letter_topic=at.topic,
            dead_letter_partition=at.partition,
            dead_letter_offset=at.offset,
        )
        return self._draft(dead_letter, sent.key, event, "replayed")

    def discarded(self, dead_letter: DeadLetter, why: str) -> Draft:
        """Make the event that ``dead_letter`` was given up for good."""
        at = dead_letter.position
        event = MessageDiscarded(
            message_id=_readable(dead_letter.original.header(CE.ID)),
            lead_id=_readable(dead_letter.original.key),
            correlation_id=_readable(dead_letter.original.header(CE.CORRELATIONID)),
            who=self._who,
            reason=why,
            dead_letter_topic=at.topic,
            dead_letter_partition=at.partition,
            dead_letter_offset=at.offset,
        )
        return self._draft(dead_letter, dead_letter.original.key, event, "discarded")

    def _draft(
        self,
        dead_letter: DeadLetter,
        key: bytes | None,
        event: MessageReplayed | MessageDiscarded,
        what: Literal["replayed", "discarded"],
    ) -> Draft:
        at = dead_letter.position
        event_id = derived_id(at.topic, str(at.partition), str(at.offset), what)
        envelope = Envelope(
            id=MessageId(event_id),
            source=SOURCE,
            type=record_type_of(type(event)),
            time=datetime.now(UTC),
            correlation_id=CorrelationId(event.correlation_id or event_id),
            causation_id=MessageId(event.message_id) if event.message_id else None,
        )
        return Draft(GOVERNANCE_AUDIT, key, self._control.write(event), envelope.headers())


def lead_of(key: bytes | None) -> LeadId | None:
    """Return the lead that ``key`` names, as far as it can be read."""
    shown = _readable(key)
    return None if shown is None else LeadId(shown)


def _readable(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")
