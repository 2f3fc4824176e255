"""Intake: ``incoming_leads`` through the gate, then onto the topic that all agents share."""

from collections.abc import Sequence

from prometheus_client import Counter

from orchestrator.content import content_of
from orchestrator.history import CONTENT, TAKEN_IN_FROM, Arrival, IntakeHistory
from orchestrator.outcomes import Rejections
from signalbox.gate import Accepted, Gate, Rejected
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AGENT_MESSAGES
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness

_DUPLICATES = Counter("signalbox_intake_duplicates", "Leads that were taken in before")
_CONFLICTS = Counter("signalbox_intake_conflicts", "Leads with the id of another lead")
_OTHER = Refusal(
    Reason.CONFLICT,
    "another lead with this id was taken in before, and says something else; give this one an id of its own",
    "key",
)


class Intake:
    """Decides on records of ``incoming_leads``."""

    def __init__(
        self, gate: Gate, history: IntakeHistory, rejections: Rejections, readiness: Readiness
    ) -> None:
        self._gate = gate
        self._history = history
        self._rejections = rejections
        self._readiness = readiness

    async def decide(self, record: Record) -> Sequence[Draft]:
        """Copy a lead that passes, dead-letter one that does not, and write nothing for a duplicate.

        A duplicate has the id of a lead that was taken in, and says the same: connectors redeliver under
        other offsets. With that id and another content it is another lead, and a dead letter.
        """
        match await retry_while_unavailable(lambda: self._gate.check(record), self._readiness):
            case Rejected() as rejected:
                return self._rejections.refused(record, Stage.INTAKE, rejected.refusal)
            case Accepted() as lead:
                return self._taken_in(lead)

    def _taken_in(self, lead: Accepted) -> Sequence[Draft]:
        content = content_of(lead)
        match self._history.arrival(lead.envelope.correlation_id, content, lead.record):
            case Arrival.FIRST:
                return [_copy(lead, content)]
            case Arrival.DUPLICATE:
                _DUPLICATES.inc()
                return []
            case Arrival.CONFLICT:
                _CONFLICTS.inc()
                return self._rejections.refused(lead.record, Stage.INTAKE, _OTHER)


def _copy(lead: Accepted, content: str) -> Draft:
    # The copy's partition follows from its key, as it does for the agents' answers.
    record = lead.record
    position = f"{record.topic}/{record.partition}/{record.offset}".encode()
    headers = (*lead.envelope.headers(), (TAKEN_IN_FROM, position), (CONTENT, content.encode()))
    return Draft(AGENT_MESSAGES, record.key, record.value, headers)
