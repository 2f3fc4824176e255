"""Intake: whether a lead is let in, onto the topic that all agents share."""

from prometheus_client import Counter

from signalbox.gate import Accepted, Gate, Rejected
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Record
from signalbox_decide.content import content_of
from signalbox_decide.decisions import Duplicate, Refused, TakenIn
from signalbox_decide.history import Arrival, IntakeHistory

_DUPLICATES = Counter("signalbox_intake_duplicates", "Leads that were taken in before")
_CONFLICTS = Counter("signalbox_intake_conflicts", "Leads with the id of another lead")
_OTHER = Refusal(
    Reason.CONFLICT,
    "another lead with this id was taken in before, and says something else; give this one an id of its own",
    "key",
)


class Intake:
    """Decides on records of ``incoming_leads``."""

    def __init__(self, gate: Gate, history: IntakeHistory) -> None:
        self._gate = gate
        self._history = history

    async def decide(self, record: Record) -> TakenIn | Refused | Duplicate:
        """Let a lead in that passes, refuse one that does not.

        A duplicate has the id of a lead that was taken in, and says the same: connectors redeliver under
        other offsets. With that id and another content it is another lead, and refused.

        Raises:
            Unavailable: the registry can't be reached.
        """
        match await self._gate.check(record):
            case Rejected() as rejected:
                return Refused(record, Stage.INTAKE, rejected.refusal)
            case Accepted() as lead:
                return self._arrived(lead)

    def _arrived(self, lead: Accepted) -> TakenIn | Refused | Duplicate:
        content = content_of(lead)
        match self._history.arrival(lead.envelope.correlation_id, content, lead.record):
            case Arrival.FIRST:
                return TakenIn(lead, content)
            case Arrival.DUPLICATE:
                _DUPLICATES.inc()
                return Duplicate(lead.record)
            case Arrival.CONFLICT:
                _CONFLICTS.inc()
                return Refused(lead.record, Stage.INTAKE, _OTHER)
