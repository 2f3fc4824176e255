"""Which announcements the console shows: those that count for the orchestrator, too."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from console.facts import Decoded
from signalbox.control.models import AgentGranted, AgentRegistered
from signalbox.protocol import names
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox.telemetry import logger
from signalbox.trust import Fault, Grant, Registrations, TrustSettings, Untrusted, agent_of

_log = logger(__name__)


class TrustedRegistrations:
    """Lets pass what is no registration, and registrations that count and say something new.

    Registrations are kept back until the grants were read once, whichever topic is read faster.
    """

    def __init__(self, settings: TrustSettings, decode: Callable[[Record], Decoded | None]) -> None:
        self._decode = decode
        self._registrations = Registrations(settings)
        self._kept_back: list[Record] = []
        self._last = -1

    def passing(self, records: Iterable[Record], *, caught_up: bool) -> list[Record]:
        """Return what of ``records`` is to be shown, with tombstones of agents that are granted no more."""
        passed: list[Record] = []
        for record in records:
            match record.topic:
                case names.AGENT_REGISTRY:
                    self._kept_back.append(record)
                case names.AGENT_GRANTS:
                    passed.extend(self._granted(record))
                case _:
                    passed.append(record)
        if caught_up:
            passed.extend(self._placed(record) for record in self._kept_back if self._counts(record))
            self._kept_back.clear()
        return passed

    def _granted(self, record: Record) -> Iterator[Record]:
        try:
            agent = agent_of(record)
        except Untrusted:
            return
        if self._withdraws(agent, record) or self._registrations.was_removed(agent):
            between = 2 * self._last + 1
            yield Record(names.AGENT_REGISTRY, 0, between, record.key, None, (), record.timestamp_ms)

    def _placed(self, record: Record) -> Record:
        """Give a record of the topic an even place, so that a tombstone of ours has one behind it."""
        self._last = max(self._last, record.offset)
        return replace(record, offset=2 * record.offset)

    def _withdraws(self, agent: AgentId, record: Record) -> bool:
        if record.value is None:
            return self._registrations.grant(agent, None)
        decoded = self._decode(record)
        try:
            if decoded is None:
                raise ConfigurationError("it is no control.AgentGranted")
            said = AgentGranted.model_validate(decoded.datum)
            return self._registrations.grant(agent, Grant.of(agent, said))
        except (ConfigurationError, ValueError) as error:
            _log.error("grant can't be read", agent=agent, why=str(error))
            return self._registrations.grant(agent, None, readable=False)

    def _counts(self, record: Record) -> bool:
        try:
            seal = self._registrations.open(record)
            if seal is None:
                return False
            return self._registrations.accept(seal, self._said(record))
        except Untrusted as error:
            _log.info("registration not shown", why=str(error), fault=error.fault.value, offset=record.offset)
            return False

    def _said(self, record: Record) -> AgentRegistered | None:
        if record.value is None:
            return None
        decoded = self._decode(record)
        try:
            if decoded is None:
                raise Untrusted(Fault.RECORD, "it is no control.AgentRegistered")
            return AgentRegistered.model_validate(decoded.datum)
        except ValueError as error:
            raise Untrusted(Fault.RECORD, "it is no control.AgentRegistered") from error
