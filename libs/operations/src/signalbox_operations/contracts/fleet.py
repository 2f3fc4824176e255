"""Who runs now: the agents that announced themselves, and the contract versions they announced."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ValidationError

from signalbox.avro import ParsedSchema, decode, parse, unframe
from signalbox.catalog import CatalogRecord
from signalbox.control import schema_text
from signalbox.control.models import AgentRegistered
from signalbox.protocol.errors import Refusal, Unavailable
from signalbox.protocol.names import AgentId, RecordType, SchemaId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox.trust import TrustSettings
from signalbox_operations.contracts.announced import TOPICS, announcements_in_force
from signalbox_operations.contracts.registry_api import RegistryApi

_PATIENCE_S: Final = 15.0

SchemaById = Callable[[SchemaId], ParsedSchema]
"""Gives the schema of an id. Raises Refusal, when the registry does not know it, or Unavailable."""


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """An agent by its newest announcement; ``versions`` are of the contracts it was built with."""

    id: AgentId
    takes: frozenset[RecordType]
    gives: frozenset[RecordType]
    versions: Mapping[RecordType, int]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The agents that announced themselves and were not removed.

    An announcement says what an agent was built with, not that its process lives at this moment.
    """

    agents: tuple[RunningAgent, ...] = ()

    def __iter__(self) -> Iterator[RunningAgent]:
        return iter(self.agents)

    def writers(self, record_type: RecordType) -> list[RunningAgent]:
        """Return the agents that give ``record_type``."""
        return [agent for agent in self.agents if record_type in agent.gives]

    def readers(self, record_type: RecordType) -> list[RunningAgent]:
        """Return the agents that take ``record_type``."""
        return [agent for agent in self.agents if record_type in agent.takes]


def read_fleet(schemas: SchemaById) -> Fleet:
    """Read the announcements from the broker of the environment.

    Raises:
        Unavailable: the broker or the registry can't be reached, or no agent ever announced itself there.
    """
    from signalbox.kafka import KafkaSettings, read_to_end

    return announced(read_to_end(KafkaSettings(), TOPICS, patience_s=_PATIENCE_S), schemas)


def fleet_unless_away(schemas: SchemaById) -> tuple[Fleet | None, Unavailable | None]:
    """Read the announcements; or say why it is not known who runs."""
    try:
        return read_fleet(schemas), None
    except Unavailable as error:
        return None, error


def announced(records: Iterable[Record], schemas: SchemaById, settings: TrustSettings | None = None) -> Fleet:
    """Make the fleet of the records of ``agent_grants`` and ``agent_registry``.

    An announcement that does not count for the orchestrator is passed over here, too.
    """

    def decoded(model: type[BaseModel], record: Record) -> BaseModel:
        schema_id, body = unframe(record.value)
        reader = parse(schema_text(f"control.{model.__name__}"))
        try:
            return model.model_validate(decode(body, schemas(schema_id), reader))
        except ValidationError as error:
            raise Refusal(Reason.MALFORMED, str(error)) from error

    found = announcements_in_force(records, decoded, settings)
    return Fleet(tuple(_agent(found[agent]) for agent in sorted(found)))


def schemas_by_id(registry: RegistryApi) -> SchemaById:
    """Return a look-up that asks ``registry`` once for each id."""
    known: dict[SchemaId, ParsedSchema] = {}

    def of(schema_id: SchemaId) -> ParsedSchema:
        if schema_id not in known:
            text = registry.schema_text(schema_id)
            if text is None:
                raise Refusal(Reason.UNKNOWN_SCHEMA, f"the registry does not know schema id {schema_id}")
            known[schema_id] = parse(text)
        return known[schema_id]

    return of


def _agent(announcement: AgentRegistered) -> RunningAgent:
    return RunningAgent(
        id=AgentId(announcement.agent_id),
        takes=frozenset(RecordType(one.record_type) for one in announcement.input),
        gives=frozenset(RecordType(one.record_type) for one in announcement.output),
        versions={RecordType(one.record_type): one.version for one in announcement.contracts},
    )


@dataclass(frozen=True, slots=True)
class Parties:
    """Who writes and reads one record type: by the catalog, and by the agents' announcements.

    ``fleet`` is None when it is not known who runs.
    """

    record_type: RecordType
    entry: CatalogRecord
    fleet: Fleet | None = field(default=None)

    def readers(self, version: int | None) -> tuple[str, ...]:
        """Name who reads with ``version``; without announcements, everybody whom the catalog lists."""
        running = self.fleet.readers(self.record_type) if self.fleet else []
        return self._named("reader", self.entry.consumers, running, version)

    def writers(self, version: int | None) -> tuple[str, ...]:
        """Name who writes with ``version``; without announcements, everybody whom the catalog lists."""
        running = self.fleet.writers(self.record_type) if self.fleet else []
        return self._named("writer", self.entry.producers, running, version)

    def listed_readers(self) -> tuple[str, ...]:
        """Name everybody who will read by a new contract once it is deployed: the catalog's consumers."""
        return tuple(f"reader {name}" for name in self.entry.consumers)

    def everybody(self) -> tuple[str, ...]:
        """Name all writers and readers, each with the version that it announced."""
        return (*self.writers(None), *self.readers(None))

    def _named(
        self, part: str, listed: Iterable[str], running: list[RunningAgent], version: int | None
    ) -> tuple[str, ...]:
        known = {agent.id: agent.versions.get(self.record_type) for agent in running}
        silent = [f"{part} {name}" for name in listed if AgentId(name) not in known]
        told = [
            f"{part} {name} running version {built_with}"
            for name, built_with in known.items()
            if version is None or built_with == version
        ]
        return (*silent, *told)
