"""What a service was built against: the record types it reads and writes, and their texts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import yaml

import signalbox.control
import signalbox_contracts
from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType

_ANNOUNCEMENT = RecordType("control.AgentRegistered")


@dataclass(frozen=True, slots=True)
class Built:
    """A service with the record types that it reads and writes; ``texts`` has those that it knows."""

    service: str
    reads: tuple[RecordType, ...]
    writes: tuple[RecordType, ...]
    texts: Mapping[RecordType, str]


def built(service: str, catalog: Catalog) -> Built:
    """Find out what ``service`` reads and writes: an agent by its definition, others by the catalog.

    Raises:
        ConfigurationError: there is no such service; the text lists those that there are.
    """
    definition = _definition(service, catalog)
    if definition is not None:
        # Not by signalbox_agent: that takes two seconds to import, and redeploying waits for this.
        reads, writes = (_record_types(definition, part) for part in ("input", "output"))
        writes.append(_ANNOUNCEMENT)
    else:
        reads = [name for name, entry in catalog.records.items() if service in entry.consumers]
        writes = [name for name, entry in catalog.records.items() if service in entry.producers]
    if not reads and not writes:
        raise ConfigurationError(
            f"no service is called {service!r}; there are {', '.join(services(catalog))}"
        )
    return Built(service, tuple(reads), tuple(writes), _texts({*reads, *writes}))


def services(catalog: Catalog) -> list[str]:
    """Name the services that the catalog lists and the agents that have a folder beside it."""
    listed = {name for entry in catalog.records.values() for name in (*entry.producers, *entry.consumers)}
    folders = {path.parent.name for path in _services_folder(catalog).glob("*/src/*/agent.yaml")}
    return sorted(listed | folders)


def _texts(names: Collection[RecordType]) -> dict[RecordType, str]:
    return {
        RecordType(name): package.schema_text(name)
        for package in (signalbox.control, signalbox_contracts)
        for name in package.record_types()
        if name in names
    }


def _definition(service: str, catalog: Catalog) -> Path | None:
    """Find the agent's ``agent.yaml``: that of the installed package, else that of its folder."""
    if not service.isidentifier():
        return None
    spec = find_spec(service)
    places = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    places.append(_services_folder(catalog) / service / "src" / service)
    return next((place / "agent.yaml" for place in places if (place / "agent.yaml").is_file()), None)


def _record_types(definition: Path, part: str) -> list[RecordType]:
    try:
        entries = yaml.safe_load(definition.read_text(encoding="utf-8"))[part]
        return [RecordType(one if isinstance(one, str) else one["record_type"]) for one in entries]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{definition} can't be read: {error!r}") from error


def _services_folder(catalog: Catalog) -> Path:
    return catalog.directory.resolve().parent / "services"
