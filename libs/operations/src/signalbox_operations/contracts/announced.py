"""The agents whose announcements count, as the command reads them: by the orchestrator's judgement."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from signalbox.control.models import AgentGranted, AgentRegistered
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.names import AGENT_GRANTS, AGENT_REGISTRY, AgentId
from signalbox.protocol.records import Record
from signalbox.trust import Fault, Grant, Registrations, TrustSettings, Untrusted, agent_of

if TYPE_CHECKING:
    from signalbox.gate.control_records import ControlRecords

TOPICS: Final = (AGENT_GRANTS, AGENT_REGISTRY)
_MODELS: Final[Mapping[str, type[BaseModel]]] = {AGENT_GRANTS: AgentGranted, AGENT_REGISTRY: AgentRegistered}

Decode = Callable[[type[Any], Record], Any]
"""Reads a record as one of the models. Raises Refusal, when it is none, or Unavailable."""


async def decoded_by(control: "ControlRecords", records: Iterable[Record]) -> Decode:
    """Decode the records of both topics at once, and return what gives each as it was read.

    Raises:
        Unavailable: the registry can't be reached.
    """
    read: dict[int, BaseModel | Refusal] = {}
    for record in records:
        if record.value is not None:
            try:
                read[id(record)] = await control.read(_MODELS[record.topic], record)
            except Refusal as refusal:
                read[id(record)] = refusal

    def decoded(_: type[Any], record: Record) -> Any:
        found = read[id(record)]
        if isinstance(found, Refusal):
            raise found
        return found

    return decoded


def announcements_in_force(
    records: Iterable[Record], decode: Decode, settings: TrustSettings | None = None
) -> dict[AgentId, AgentRegistered]:
    """Return what counts of the records of both topics, in whatever order the topics are."""
    in_force = judged(records, decode, settings).in_force
    return {agent: one.said for agent, one in in_force.items()}


def judged(records: Iterable[Record], decode: Decode, settings: TrustSettings | None = None) -> Registrations:
    """Judge the records of both topics, in whatever order the topics are."""
    topics: dict[str, list[Record]] = {AGENT_GRANTS: [], AGENT_REGISTRY: []}
    for record in records:
        topics[record.topic].append(record)
    registrations = Registrations(settings or TrustSettings())
    for record in {record.key: record for record in topics[AGENT_GRANTS]}.values():
        with suppress(Untrusted):
            _grant(registrations, agent_of(record), record, decode)
    for record in topics[AGENT_REGISTRY]:
        with suppress(Untrusted):
            seal = registrations.open(record)
            if seal is not None:
                registrations.accept(seal, _said(record, decode))
    return registrations


def _grant(registrations: Registrations, agent: AgentId, record: Record, decode: Decode) -> None:
    if record.value is None:
        return
    try:
        said: AgentGranted = decode(AgentGranted, record)
        registrations.grant(agent, Grant.of(agent, said))
    except (Refusal, ConfigurationError):
        registrations.grant(agent, None, readable=False)


def _said(record: Record, decode: Decode) -> AgentRegistered | None:
    if record.value is None:
        return None
    try:
        said: AgentRegistered = decode(AgentRegistered, record)
    except Refusal as error:
        raise Untrusted(Fault.RECORD, str(error)) from error
    return said
