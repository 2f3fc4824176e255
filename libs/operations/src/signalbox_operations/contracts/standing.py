"""Where each record type stands: its versions, the one in force, and who was built with which."""

import asyncio
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from signalbox.gate import Contract, Contracts, Standing
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType, SchemaId, Subject
from signalbox.registry.port import SchemaVersion
from signalbox_operations.contracts.fleet import Fleet
from signalbox_operations.contracts.registry_api import Registered, RegistryApi


@dataclass(frozen=True, slots=True)
class Stands:
    """Where a record type stands, and which version each agent that runs was built with.

    ``agents`` is None when it is not known who runs.
    """

    standing: Standing
    agents: Mapping[str, int] | None

    @property
    def is_as_expected(self) -> bool:
        """True when the newest version is in force, and nothing was passed over or pinned."""
        standing = self.standing
        return not standing.remarks and standing.registered[-1:] == (standing.in_force,)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        passed_over = [{"version": version, "why": why} for version, why in self.standing.passed_over]
        agents = None if self.agents is None else dict(self.agents)
        return {**asdict(self.standing), "passed_over": passed_over, "agents": agents}


def stands(record_types: Iterable[RecordType], registry: RegistryApi, fleet: Fleet | None) -> list[Stands]:
    """Say where each of ``record_types`` stands.

    Raises:
        Unavailable: the registry can't be reached.
        ConfigurationError: it denies access; or ``CONTRACT_PINS`` is malformed.
    """
    found = []
    for name in record_types:
        _, standing = held_to(name, registry.versions(Subject(name)))
        built = {str(agent.id): agent.versions[name] for agent in fleet or () if name in agent.versions}
        found.append(Stands(standing, None if fleet is None else built))
    return found


def held_to(record_type: RecordType, live: Sequence[Registered]) -> tuple[Contract | None, Standing]:
    """Return the one of the ``live`` versions that the gate holds records to, and where the type stands.

    Raises:
        ConfigurationError: ``CONTRACT_PINS``, the orchestrator's setting, is malformed.
    """
    known = _Known(Subject(record_type), list(live))
    contracts = Contracts(known, pins=_pins(), alert=lambda *_: None)  # what it would say is in the standing
    contract = asyncio.run(contracts.get(record_type))
    [standing] = contracts.standings
    return contract, standing


def _pins() -> dict[RecordType, int]:
    given = os.environ.get("CONTRACT_PINS") or "{}"
    try:
        return {RecordType(name): int(version) for name, version in json.loads(given).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            f'CONTRACT_PINS is {given!r}, expected such as {{"sdr.LeadScored": 2}}'
        ) from error


@dataclass(frozen=True, slots=True)
class _Known:
    """The registry's port over versions that were read already: all that choosing the one in force takes."""

    subject: Subject
    live: list[Registered]

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        return [SchemaVersion(subject, one.version, one.schema_id, one.text) for one in self.live]

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        return next((one.text for one in self.live if one.schema_id == schema_id), None)

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        return frozenset((self.subject, one.version) for one in self.live if one.schema_id == schema_id)

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        return next((one.schema_id for one in self.live if one.text == schema_text), None)
