"""The contracts as the registry has them."""

import asyncio
import json
from collections.abc import Iterator

from console.answers import Agent, Contract, ContractVersion
from console.queries import Queries
from signalbox.control import record_types as control_types
from signalbox.protocol.names import Subject
from signalbox.registry.port import SchemaRegistry, SchemaVersion
from signalbox_contracts import record_types as domain_types


class RegisteredContracts:
    """Lists the live versions of each record type that this system knows or an agent announced."""

    def __init__(self, registry: SchemaRegistry, queries: Queries) -> None:
        self._registry = registry
        self._queries = queries

    async def listed(self) -> list[Contract]:
        """Return the contracts by record type.

        Raises:
            Unavailable: the registry can't be reached.
        """
        agents = await asyncio.to_thread(self._queries.agents)
        names = {*control_types(), *domain_types(), *(name for agent in agents for name in _types(agent))}
        return list(await asyncio.gather(*[self._contract(name) for name in sorted(names)]))

    async def _contract(self, record_type: str) -> Contract:
        versions = await self._registry.versions(Subject(record_type))
        return Contract(
            record_type=record_type,
            doc=_doc(versions),
            versions=[ContractVersion(version=one.version, schema_id=one.schema_id) for one in versions],
        )


def _types(agent: Agent) -> Iterator[str]:
    for side in ("input", "output"):
        yield from (one["record_type"] for one in (agent.definition or {}).get(side, []))


def _doc(versions: list[SchemaVersion]) -> str:
    try:
        said = json.loads(versions[-1].schema_text) if versions else {}
    except ValueError:
        return ""  # it is of another kind than Avro
    return str(said.get("doc", "")) if isinstance(said, dict) else ""
