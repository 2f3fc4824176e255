"""The stages: each consumes a topic, lets its records be decided on, and writes the decisions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from orchestrator.consume import wiring
from orchestrator.consume.crash_journal import CrashJournal, Decide
from orchestrator.consume.ladder import References
from orchestrator.consume.stage import Stage
from orchestrator.dispatch.delivery import AgentDelivery
from orchestrator.dispatch.dispatch import Dispatch
from orchestrator.ports import Ports
from orchestrator.settings import OrchestratorSettings
from signalbox.kafka import Partition
from signalbox.protocol import reasons
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, INCOMING_LEADS, AgentId
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness
from signalbox_decide.decider import Decider
from signalbox_decide.decisions import Decision, Refused
from signalbox_decide.history import DecisionHistory, IntakeHistory
from signalbox_decide.intake import Intake
from signalbox_decide.records import DecisionRecords

INTAKE: Final = "intake"
ROUTING: Final = "routing"


@dataclass(frozen=True, slots=True)
class Stages:
    """Makes the stages of one orchestrator, which share what is here."""

    settings: OrchestratorSettings
    ports: Ports
    records: DecisionRecords
    journal: CrashJournal
    readiness: Readiness
    references: References

    def intake(self, intake: Intake, history: IntakeHistory) -> Stage:
        """Take leads in from ``incoming_leads``."""

        async def read_back(_: frozenset[Partition]) -> None:
            await history.read_back()

        return self._stage(
            INTAKE,
            reasons.Stage.INTAKE,
            (INCOMING_LEADS, "orchestrator.intake", "orchestrator-intake"),
            self._written(intake.decide),
            limit=self.settings.in_flight_limit,
            read_back=read_back,
        )

    def routing(self, decider: Decider, history: DecisionHistory) -> Stage:
        """Decide on the messages of ``agent_messages``."""

        async def read_back(partitions: frozenset[Partition]) -> None:
            await history.read_back([at.number for at in partitions])

        return self._stage(
            ROUTING,
            reasons.Stage.ROUTER,
            (AGENT_MESSAGES, "orchestrator.routing", "orchestrator-routing"),
            self._written(decider.decide),
            poison=reasons.Stage.GATE,
            limit=self.settings.in_flight_limit,
            read_back=read_back,
            one_at_a_time_per_key=True,  # so that what one decision used up is counted before the next
        )

    def dispatch(self, agent: AgentId, dispatch: Dispatch, delivery: AgentDelivery) -> Stage:
        """Hand the routes of ``agent_routes`` that are ``agent``'s to it."""
        name = f"dispatch.{agent}"

        return self._stage(
            name,
            reasons.Stage.DISPATCH,
            (AGENT_ROUTES, name, name),
            dispatch.decide,
            limit=self.settings.dispatch_limit,
            one_at_a_time_per_key=True,
            set_aside=lambda: delivery.failing,
        )

    def _stage(
        self,
        name: str,
        stage: reasons.Stage,
        reads: tuple[str, str, str],
        decide: Decide,
        *,
        poison: reasons.Stage | None = None,
        **bounds: Any,
    ) -> Stage:
        topic, group, client = reads
        return wiring.stage(
            name,
            self.ports.consumer(group, topic, client),
            self.ports.transactions(f"orchestrator.{name}.{self.settings.orchestrator_replica}"),
            self.journal.watching(name, decide, partial(self._refused, poison or stage)),
            self.readiness,
            instead=lambda record, drafts, why: self.records.unwritable(record, stage, drafts, why),
            references=self.references,
            clock=self.ports.clock,
            **bounds,
        )

    def _written(self, decide: Callable[[Record], Awaitable[Decision]]) -> Decide:
        async def written(record: Record) -> Sequence[Draft]:
            return self.records.of(await decide(record))

        return written

    def _refused(self, stage: reasons.Stage, record: Record, why: Refusal) -> list[Draft]:
        return self.records.of(Refused(record, stage, why))
