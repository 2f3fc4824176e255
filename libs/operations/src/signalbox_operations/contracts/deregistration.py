"""Takes a version of a contract back, after a look at what still depends on it.

Soft deletion is the way to roll a contract back: the gate goes on with the version before, and messages that
were written with it can still be read, since the registry still knows the id. Deleting for good makes them
unreadable, so that is refused while a topic holds any.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from signalbox.avro import unframe
from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError, Refusal, Unavailable
from signalbox.protocol.names import AGENT_ROUTES, RecordType, SchemaId, Subject
from signalbox.protocol.records import Record
from signalbox_operations.contracts.accepted import decision_of
from signalbox_operations.contracts.fleet import Fleet, SchemaById, fleet_unless_away, schemas_by_id
from signalbox_operations.contracts.registry_api import Registered, RegistryApi

LATEST: Final = "latest"
"""Stands for the newest live version, whatever its number is."""


@dataclass(frozen=True, slots=True)
class Held:
    """Messages of one version in one partition; ``first`` and ``last`` are their offsets."""

    version: int
    topic: str
    partition: int
    count: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}: {self.count} from offset {self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Deregistration:
    """What taking versions back means. ``built_with_it`` are agents that can't start again afterwards."""

    record_type: RecordType
    versions: tuple[int, ...]
    left: tuple[int, ...]
    held: tuple[Held, ...] = ()
    built_with_it: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self)

    def forbids_for_good(self) -> str | None:
        """Say why the versions must not be deleted for good; None when they may."""
        if self.unknown:
            return f"it is not known whether messages still need it: {'; '.join(self.unknown)}"
        if self.held:
            count = sum(held.count for held in self.held)
            return f"{count} messages could not be read any more; wait until their retention has passed"
        return None


def consider(
    record_type: RecordType,
    version: int | Literal["latest"] | None,
    catalog: Catalog,
    registry: RegistryApi,
    *,
    permanently: bool,
) -> Deregistration:
    """Find out what deregistering one version, the latest or all, would mean; changes nothing.

    Raises:
        ConfigurationError: there is no such version.
        Unavailable: the registry can't be reached. A broker that can't be is told in ``unknown``.
    """
    subject = Subject(record_type)
    live = registry.versions(subject)
    there = [*registry.deleted_versions(subject), *live] if permanently else live
    chosen = live[-1:] if version == LATEST else [one for one in there if version in (None, one.version)]
    if not chosen:
        listed = ", ".join(str(one.version) for one in there) or "none"
        what = f"version {version}" if version else "version"
        raise ConfigurationError(f"{record_type} has no {what} to deregister; there are: {listed}")
    numbers = tuple(one.version for one in chosen)
    schemas = schemas_by_id(registry)
    held, unread = _held(catalog, chosen, schemas)
    fleet, no_fleet = _fleet(schemas) if not unread else (Fleet(), [])
    return Deregistration(
        record_type,
        numbers,
        left=tuple(one.version for one in live if one.version not in numbers),
        held=tuple(held),
        built_with_it=tuple(
            f"{agent.id} (version {agent.versions[record_type]})"
            for agent in fleet
            if agent.versions.get(record_type) in numbers
        ),
        unknown=(*unread, *no_fleet),
    )


def deregister(considered: Deregistration, registry: RegistryApi, *, permanently: bool) -> None:
    """Delete the versions that were considered, softly unless ``permanently``.

    Raises:
        ConfigurationError: messages still need them, or that is not known, and they would be gone for good.
        Unavailable: the registry can't be reached.
    """
    why_not = considered.forbids_for_good() if permanently else None
    if why_not:
        raise ConfigurationError(f"{considered.record_type} is not deleted for good: {why_not}")
    for version in considered.versions:
        registry.delete(Subject(considered.record_type), version, permanently=permanently)


def holding(
    records: Iterable[Record], versions: Mapping[SchemaId, int], schemas: SchemaById
) -> Iterator[Held]:
    """Count the records that hold a message of ``versions``: as their value, or inside a decision."""
    found: dict[tuple[str, int, int], Held] = {}
    for record in records:
        for version in {versions[one] for one in _schema_ids(record, schemas) if one in versions}:
            place = (record.topic, record.partition, version)
            so_far = found.get(place) or Held(version, record.topic, record.partition, 0, record.offset, 0)
            found[place] = replace(so_far, count=so_far.count + 1, last=record.offset)
    yield from (found[place] for place in sorted(found))


def _schema_ids(record: Record, schemas: SchemaById) -> Iterator[SchemaId]:
    decision = decision_of(record, schemas) if record.topic == AGENT_ROUTES else None
    for value in (record.value, decision["payload"] if decision else None):
        try:
            yield unframe(value)[0]
        except Refusal:
            continue  # no Avro message, so of no schema


def _held(
    catalog: Catalog, chosen: Sequence[Registered], schemas: SchemaById
) -> tuple[list[Held], list[str]]:
    from signalbox.kafka import KafkaSettings, read_to_end

    held: list[Held] = []
    versions = {one.schema_id: one.version for one in chosen}
    for topic in catalog.topics:
        try:
            held += holding(read_to_end(KafkaSettings(), [topic]), versions, schemas)
        except Unavailable as error:
            if "does not exist" not in error.detail:
                return held, [f"who needs it is not known: {error}"]
    return held, []


def _fleet(schemas: SchemaById) -> tuple[Fleet, list[str]]:
    fleet, why = fleet_unless_away(schemas)
    return fleet or Fleet(), [] if why is None else [f"who runs with it is not known: {why}"]
