"""What a service passes to the kit, and what its handler gets."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel

from signalbox.avro import parse
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import ConfigurationError, Refusal, SignalboxError
from signalbox.protocol.names import LeadId, RecordType
from signalbox.telemetry import Readiness

if TYPE_CHECKING:
    from signalbox_agent.work import Work

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Message(Generic[T]):
    """One message for the handler; ``record`` is as the agent's own contract reads it."""

    envelope: Envelope
    lead_id: LeadId
    record: T


class Refuse(SignalboxError):
    """Raised by a handler: this message can't be handled by this agent, now or later.

    The router gets to choose another agent once; ``detail`` is what people will read.
    """

    reason = "REFUSED"

    def __init__(self, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field


Handler = Callable[[Message[Any], "Work"], Awaitable[Sequence[BaseModel]]]
"""Does an agent's work: gives at least one record of a declared output type, or raises :class:`Refuse`."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A contract that the service was built with, and the model that its handler sees."""

    record_type: RecordType
    schema_text: str
    model: type[BaseModel]


def bound(model: type[BaseModel], schema_text: str) -> Bound:
    """Bind ``model`` to the self-contained Avro schema of its records, which also names the record type.

    Raises:
        ConfigurationError: when the text is no Avro record schema that is safe to decode with.
    """
    try:
        name = parse(schema_text).name
    except Refusal as error:
        raise ConfigurationError(f"the contract of {model.__name__} can't be used: {error}") from error
    if not name:
        raise ConfigurationError(f"the contract of {model.__name__} is no record")
    return Bound(RecordType(name), schema_text, model)


class Background(Protocol):
    """Work of an agent beside its messages. When it breaks off, the process stops."""

    async def run(self) -> None:
        """Work until :meth:`stop` is called, then finish what is begun and return."""

    def stop(self) -> None:
        """Ask :meth:`run` to return."""


@dataclass(frozen=True)
class Agent:
    """One agent: who it is, the contracts that it takes and gives, its work, and its usual port.

    ``background`` runs as long as the service: it starts with it, and has ended before its parts are closed.
    ``report_to`` takes where that work can say, for ``/readyz``, that it is impaired.
    ``routes`` are what the service answers beside ``POST /messages`` and ``GET /agent``, ``hosts`` further
    names under which these are asked for.

    Raises:
        ConfigurationError: when ``takes`` and ``gives`` aren't what the definition declares.
    """

    definition: AgentDefinition
    takes: Sequence[Bound]
    gives: Sequence[Bound]
    handle: Handler
    port: int = 8100
    background: Background | None = None
    report_to: Callable[[Readiness], None] | None = None
    routes: Sequence[APIRouter] = ()
    hosts: Collection[str] = ()

    def __post_init__(self) -> None:
        _same("input", {entry.record_type for entry in self.definition.input}, self.takes)
        _same("output", {entry.record_type for entry in self.definition.output}, self.gives)


def _same(part: str, declared: set[RecordType], contracts: Sequence[Bound]) -> None:
    found = {contract.record_type for contract in contracts}
    if declared != found:
        raise ConfigurationError(
            f"agent.yaml declares {part} {sorted(declared)}, but the service binds {sorted(found)}"
        )
