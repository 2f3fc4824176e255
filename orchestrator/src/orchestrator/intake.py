"""Intake: ``incoming_leads`` through the gate, then onto the topic that all agents share."""

from collections.abc import Sequence

from prometheus_client import Counter

from orchestrator.history import TAKEN_IN_FROM, IntakeHistory
from orchestrator.outcomes import Rejections
from signalbox.governance import Accepted, Gate, Rejected
from signalbox.names import AGENT_MESSAGES
from signalbox.patience import patiently
from signalbox.reasons import Stage
from signalbox.records import Draft, Record
from signalbox.telemetry import Readiness

_DUPLICATES = Counter("signalbox_intake_duplicates", "Leads whose id was taken in before")


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

        The lead id alone says what a duplicate is: connectors redeliver under other offsets.
        """
        match await patiently(lambda: self._gate.check(record), self._readiness):
            case Rejected() as rejected:
                return self._rejections.refused(record, Stage.INTAKE, rejected.refusal)
            case Accepted() as lead:
                if not self._history.first_lead(lead.envelope.correlation_id, record):
                    _DUPLICATES.inc()
                    return []
                # The copy's partition follows from its key, as it does for the agents' answers.
                position = f"{record.topic}/{record.partition}/{record.offset}".encode()
                headers = (*lead.envelope.headers(), (TAKEN_IN_FROM, position))
                return [Draft(AGENT_MESSAGES, record.key, record.value, headers)]
