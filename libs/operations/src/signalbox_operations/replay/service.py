"""What is done about dead letters: they are looked at, sent in again or given up.

Each step can be repeated after a crash: a replay is published before its audit event, and both have ids that
follow from the dead letter's position, so a second attempt finds the first and only adds what is missing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pydantic import Field

from signalbox.catalog import Catalog
from signalbox.gate import Accepted, Contract, Contracts, Gate, Rejected
from signalbox.gate.contracts import Alert
from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import KafkaSettings, Producer, read_at, read_to_end
from signalbox.process.settings import Settings
from signalbox.protocol.dead_letters import DeadLetter, Position
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.lesser_dead_letters import completed, leaves_out
from signalbox.protocol.names import AGENT_MESSAGES, GOVERNANCE_AUDIT, RecordType
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft, Record
from signalbox.registry.client import Registry, RegistrySettings
from signalbox_operations.contracts.announced import TOPICS
from signalbox_operations.replay.admission import KnownAdmission, announced_types
from signalbox_operations.replay.audit import Audit
from signalbox_operations.replay.editing import Editable, editable
from signalbox_operations.replay.held_against import Written, best_effort, contract_at, written_with
from signalbox_operations.replay.renewal import ReplayMessage, ReplayOptions, renewed, replay_id_of, retyped
from signalbox_operations.replay.resolutions import Resolutions, resolutions_of

_SKEW_S: Final = 3600.0
"""Clocks of producers differ; a replay is looked for from this long before its dead letter on, in seconds."""
_AT_ONCE: Final = 100
_READ_S: Final = 600.0
_NOWHERE: Final = -1


class GovernanceSettings(Settings):
    """What the orchestrator holds records against, from the same environment."""

    contract_pins: dict[str, int] = Field(default_factory=dict)
    workflow_deadline_h: float = Field(default=24, gt=0)


@dataclass(frozen=True, slots=True)
class PreparedReplay:
    """A replay that is ready to be sent, and what the gate says of it."""

    dead_letter: DeadLetter
    message: ReplayMessage
    verdict: Accepted | Rejected
    version: int | None = None

    @property
    def record_type(self) -> RecordType | None:
        """What the message is, when the gate could tell."""
        return self.verdict.record_type if isinstance(self.verdict, Accepted) else None


class DeadLetterService:
    """Looks at dead letters and closes them, on behalf of ``who``."""

    def __init__(
        self,
        kafka: KafkaSettings,
        registry: Registry,
        control: ControlRecords,
        catalog: Catalog,
        gate: Gate,
        who: str,
        settings: GovernanceSettings,
    ) -> None:
        self._kafka = kafka
        self._catalog = catalog
        self._settings = settings
        self._registry = registry
        self._control = control
        self._gate = gate
        self._audit = Audit(control, who)
        self._producer: Producer | None = None

    async def dead_letters(self, positions: Iterable[Position]) -> Mapping[Position, DeadLetter | ValueError]:
        """Read the dead letters at ``positions``; one that is not there is missing in the answer.

        What a dead letter leaves out is read from where the record lay, as long as it lies there.
        A record that is no dead letter of ours comes as the ValueError that says why.

        Raises:
            Unavailable: the broker can't be reached, or a topic does not exist.
        """
        wanted = set(positions)
        records = await asyncio.to_thread(_records_at, self._kafka, wanted)
        return {at: await self._whole(_dead_letter(record)) for at, record in records.items()}

    async def resolutions(self, dead_letters: Sequence[DeadLetter]) -> Resolutions:
        """Find out what became of ``dead_letters``, by reading the topics themselves."""
        if not dead_letters:
            return {}
        records = await asyncio.to_thread(_records_about, self._kafka, dead_letters)
        return await resolutions_of(dead_letters, records, self._control)

    async def verdict(self, dead_letter: DeadLetter) -> Accepted | Rejected:
        """Say what the gate would decide about the original now, as it is."""
        return await self._gate.check(dead_letter.original)

    async def written_with(self, dead_letter: DeadLetter) -> Written | None:
        """Return the writer's schema of a dead letter; None when it is not framed."""
        return await written_with(self._registry, dead_letter.original.value)

    async def contract_of(self, record_type: RecordType) -> Contract | None:
        """Return the contract that holds now for ``record_type``."""
        return await self._gate.contracts.get(record_type)

    async def editable(
        self, dead_letter: DeadLetter, record_type: RecordType | None, version: int | None
    ) -> Editable:
        """Open a dead letter's record for editing against ``version`` of its contract, or the one in force.

        Raises:
            Refusal: it is not known what record it should be, or that contract has no such version.
        """
        written = await self.written_with(dead_letter)
        wanted = record_type or self._only_type_on(dead_letter.topic) or type_of(dead_letter, written)
        contract = await contract_at(self._registry, self._gate.contracts, wanted, version)
        datum, problem = best_effort(dead_letter.original.value, written, contract[2])
        return editable(datum, problem, contract, dead_letter.original.value)

    async def prepare(
        self, dead_letter: DeadLetter, options: ReplayOptions, edited: tuple[Editable, bytes] | None = None
    ) -> PreparedReplay:
        """Make the message that ``dead_letter`` comes back as, and hold it against the contract in force."""
        written = await self.written_with(dead_letter)
        record_type = written.record_type if written else None
        if edited is None:
            message = renewed(dead_letter, options, record_type, dead_letter.original.value)
        else:
            message = _edited(renewed(dead_letter, options, edited[0].record_type, edited[1]), edited[0])
        verdict = await self._gate.check(_record(message.draft))
        if isinstance(verdict, Accepted):
            verdict = self._expired(verdict) or verdict
        return PreparedReplay(dead_letter, message, verdict, edited[0].version if edited else None)

    async def send(self, prepared: Sequence[PreparedReplay], why: str) -> AsyncIterator[PreparedReplay]:
        """Publish each replay and its audit event; yields what is done, durably.

        Raises:
            Unavailable: the broker did not acknowledge; repeating the command completes what was begun.
        """
        for start in range(0, len(prepared), _AT_ONCE):
            batch = prepared[start : start + _AT_ONCE]
            # 1. The message. From here on the dead letter is replayed: its id is on the topic.
            await self._publish([one.message.draft for one in batch])
            # 2. The audit event. When only this is missing, the next attempt writes this alone.
            await self.audit(batch, why)
            for one in batch:
                yield one

    async def audit(self, replayed: Sequence[PreparedReplay], why: str) -> None:
        """Publish the audit events of replays that are on their topic."""
        await self._publish(
            [self._audit.replayed(one.dead_letter, one.message.draft, why) for one in replayed]
        )

    async def discard(self, dead_letters: Sequence[DeadLetter], why: str) -> None:
        """Give ``dead_letters`` up: the audit event is what ends their leads."""
        for start in range(0, len(dead_letters), _AT_ONCE):
            batch = dead_letters[start : start + _AT_ONCE]
            await self._publish([self._audit.discarded(dead_letter, why) for dead_letter in batch])

    async def close(self) -> None:
        """Let go of the producer, if there was anything to publish."""
        if self._producer is not None:
            await self._producer.close()

    async def _whole(self, dead_letter: DeadLetter | ValueError) -> DeadLetter | ValueError:
        if isinstance(dead_letter, ValueError) or not leaves_out(dead_letter):
            return dead_letter
        lay_at = (dead_letter.topic, dead_letter.partition, dead_letter.offset)
        return completed(dead_letter, await asyncio.to_thread(read_at, self._kafka, *lay_at))

    def _only_type_on(self, topic: str) -> RecordType | None:
        entry = self._catalog.topics.get(topic)
        return entry.admits[0] if entry is not None and len(entry.admits) == 1 else None

    def _expired(self, message: Accepted) -> Rejected | None:
        entry = self._catalog.record(message.record_type)
        if message.record.topic != AGENT_MESSAGES or (entry is not None and entry.terminal):
            return None
        began = message.envelope.workflow_time or message.envelope.time
        if datetime.now(UTC) - began < timedelta(hours=self._settings.workflow_deadline_h):
            return None
        detail = (
            f"the workflow began at {began.isoformat(timespec='seconds')}; --fresh starts its time afresh"
        )
        return Rejected(Reason.DEADLINE_EXCEEDED, detail, CE.WORKFLOWTIME)

    async def _publish(self, drafts: Sequence[Draft]) -> None:
        if self._producer is None:
            self._producer = Producer(self._kafka, "signalbox-dead-letters")
        await self._producer.publish(*drafts)


def type_of(dead_letter: DeadLetter, written: Written | None) -> RecordType:
    """Say what record a dead letter is: by its writer's schema, else by its ``ce_type``.

    Raises:
        Refusal: neither says it.
    """
    if written is not None and written.record_type:
        return written.record_type
    said = dead_letter.original.header(CE.TYPE)
    if not said:
        detail = "neither its schema nor ce_type says what record it is; name it with --contract"
        raise Refusal(dead_letter.reason, detail, CE.TYPE)
    return RecordType(said.decode(errors="replace"))


@asynccontextmanager
async def open_dead_letter_service(who: str, alert: Alert) -> AsyncIterator[DeadLetterService]:
    """Open the service with the settings of the environment, and the gate as the orchestrator has it.

    Raises:
        Unavailable: the broker or the registry can't be reached.
        ConfigurationError: there is no catalog.
    """
    kafka, settings, catalog = KafkaSettings(), GovernanceSettings(), Catalog.load()
    registry = Registry(RegistrySettings())
    try:
        control = ControlRecords(registry)
        await control.load()
        registrations = await asyncio.to_thread(lambda: list(read_to_end(kafka, TOPICS)))
        announced = await announced_types(control, registrations)
        pins = {RecordType(name): version for name, version in settings.contract_pins.items()}
        contracts = Contracts(registry, pins=pins, alert=alert)
        gate = Gate(registry, contracts, KnownAdmission(catalog, announced))
        service = DeadLetterService(kafka, registry, control, catalog, gate, who, settings)
        try:
            yield service
        finally:
            await service.close()
    finally:
        await registry.close()


def _edited(message: ReplayMessage, edited: Editable) -> ReplayMessage:
    draft = message.draft
    headers = retyped(draft.headers, edited.record_type)
    return ReplayMessage(
        Draft(draft.topic, draft.key, draft.value, headers), message.completed, message.fresh
    )


def _record(draft: Draft) -> Record:
    return Record(draft.topic, _NOWHERE, _NOWHERE, draft.key, draft.value, draft.headers)


def _dead_letter(record: Record) -> DeadLetter | ValueError:
    try:
        return DeadLetter.of(record)
    except ValueError as error:
        return error


def _records_about(kafka: KafkaSettings, dead_letters: Sequence[DeadLetter]) -> list[Record]:
    since = min(dead_letter.record.timestamp_ms for dead_letter in dead_letters) / 1000 - _SKEW_S
    topics = sorted({dead_letter.topic for dead_letter in dead_letters} | {GOVERNANCE_AUDIT})
    ids = {replay_id_of(dead_letter.position).encode() for dead_letter in dead_letters}
    return [
        record
        for record in read_to_end(
            kafka, topics, patience_s=_READ_S, starting=lambda _: since if since > 0 else None
        )
        if record.topic == GOVERNANCE_AUDIT or record.header(CE.ID) in ids
    ]


def _records_at(kafka: KafkaSettings, wanted: set[Position]) -> dict[Position, Record]:
    found: dict[Position, Record] = {}
    for topic, partition in sorted({(at.topic, at.partition) for at in wanted}):
        left = {at for at in wanted if (at.topic, at.partition) == (topic, partition)}
        for record in read_to_end(kafka, [topic], patience_s=_READ_S, partitions=[partition]):
            at = Position(record.topic, record.partition, record.offset)
            if at in left:
                found[at] = record
                left.remove(at)
            if not left:
                break
    return found
