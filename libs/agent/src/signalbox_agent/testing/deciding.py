"""Intake and decider over a log and a registry in memory, joined as the orchestrator joins them."""

from collections.abc import Sequence
from typing import Final

from signalbox.catalog import Catalog
from signalbox.gate import Contracts, Gate, Limits
from signalbox.gate.control_records import ControlRecords
from signalbox.gate.schemas import WriterSchemas
from signalbox.models import Model
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import INCOMING_LEADS, AgentId
from signalbox.protocol.records import Draft, Record
from signalbox_agent.testing.log import MemoryLog
from signalbox_agent.testing.registry import MemoryRegistry
from signalbox_decide.admission import Admission
from signalbox_decide.decider import Decider
from signalbox_decide.directory import Directory
from signalbox_decide.guards import Guards
from signalbox_decide.history import DecisionHistory, IntakeHistory
from signalbox_decide.intake import Intake
from signalbox_decide.records import DecisionRecords
from signalbox_decide.reporting import Report, untold
from signalbox_decide.router import Router
from signalbox_decide.selection import Selection, Waiting
from signalbox_decide.workflow_usage import WorkflowUsages

_ANY_ENDPOINT: Final = ".*"


class RecordDecider:
    """Decides on what lies in ``log``. Its clock is the guards'; no agent is waited for once there is one."""

    def __init__(
        self,
        log: MemoryLog,
        registry: MemoryRegistry,
        catalog: Catalog,
        router: Model,
        guards: Guards,
        report: Report = untold,
    ) -> None:
        self._log = log
        self._clock = guards.clock
        self.control = ControlRecords(registry)
        self.contracts = Contracts(registry)
        self.directory = Directory(self.control, _ANY_ENDPOINT, clock=self._clock)
        # What was unknown is asked again without waiting, and forgotten at once.
        schemas = WriterSchemas(registry, Limits(), ask_again_s=0, unknown_for_s=0, usages_for_s=0)
        self.gate = Gate(registry, self.contracts, Admission(catalog, self.directory), schemas=schemas)
        waiting = Waiting(0, report, self._clock)
        self.selection = Selection(self.directory, catalog, guards, Router(router), waiting)
        self.records = DecisionRecords(self.control, self._clock)
        self._begin()

    def _begin(self) -> None:
        workflows = WorkflowUsages(clock=self._clock)
        self._taken_in = IntakeHistory(self._log.recent, self._clock)
        self._decided = DecisionHistory(self._log.recent, workflows, self._clock)
        self.intake = Intake(self.gate, self._taken_in)
        self.decider = Decider(self.gate, self._decided, workflows, self.selection, self._log.at)

    async def restart(self) -> None:
        """Forget what is not in the log, and read back what is there."""
        self._begin()
        await self._taken_in.read_back()
        await self._decided.read_back({record.partition for record in self._log.records})

    async def decide(self, record: Record) -> Sequence[Draft]:
        """Decide on a record of ``incoming_leads`` or ``agent_messages``.

        Raises:
            Unavailable: registry or model can't be reached.
        """
        stage = self.intake if record.topic == INCOMING_LEADS else self.decider
        return self.records.of(await stage.decide(record))

    async def announced(self, record: Record) -> None:
        """Take an announcement or a tombstone into the directory; who is announced was reached.

        Raises:
            ConfigurationError: it is left out; the text says why.
        """
        if (why := await self.directory.apply(record)) is not None:
            raise ConfigurationError(f"an announcement is left out: {why}")
        agent = self.directory.agents.get(AgentId((record.key or b"").decode()))
        if agent is not None:
            self.directory.reached(agent.definition.id, agent.definition.endpoint)
