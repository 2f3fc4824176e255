"""The contracts in force: for each record type the newest registered version that can be held to.

The registry is the control plane: a version that is registered takes effect at the next refresh, and one
that is soft-deleted gives way to the one before it. A version is adopted only if it is safe, its rules
compile, and it reads the adopted versions before it; one that is not is passed over, with an alert. Which
version holds follows from the registry's list alone, so every process comes to the same answer.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from signalbox.avro.codec import require_readable
from signalbox.avro.form import reader_form
from signalbox.avro.limits import Limits
from signalbox.avro.schema import ParsedSchema, parse
from signalbox.errors import ConfigurationError, Refusal, Unavailable
from signalbox.governance.pii import pii_paths
from signalbox.governance.registry import SchemaRegistry, SchemaVersion
from signalbox.governance.rules import Rules
from signalbox.names import RecordType, SchemaId, Subject

_NONE_FOR_S: Final = 5.0
_log: Final = structlog.get_logger(__name__)

Alert = Callable[[RecordType, int, str], None]
"""Told of a version that was not adopted, once: record type, version, why."""


@dataclass(frozen=True, slots=True, eq=False)
class Contract:
    """One version of a record type's contract, ready to be held against."""

    record_type: RecordType
    version: int
    schema_id: SchemaId
    schema: ParsedSchema
    rules: Rules

    @property
    def tags(self) -> frozenset[str]:
        """The paths of the fields that are tagged as personal data."""
        return pii_paths(self.schema)


def log_refused_version(record_type: RecordType, version: int, why: str) -> None:
    """Log that a version was not adopted; the default alert."""
    _log.error("contract_not_adopted", record_type=record_type, version=version, why=why)


class Contracts:
    """The contracts in force, kept up to date by :meth:`follow`."""

    def __init__(
        self,
        registry: SchemaRegistry,
        *,
        refresh_s: float = 15,
        pins: Mapping[RecordType, int] = {},
        alert: Alert = log_refused_version,
        limits: Limits = Limits(),  # noqa: B008  (a frozen value)
    ) -> None:
        self._registry = registry
        self._refresh_s = refresh_s
        self._pins = dict(pins)
        self._alert = alert
        self._limits = limits
        self._in_force: dict[RecordType, tuple[Contract | None, float]] = {}
        self._built: dict[tuple[RecordType, int, SchemaId], Contract | str] = {}
        self._alerted: set[tuple[RecordType, int, str]] = set()
        self._loading: dict[RecordType, asyncio.Lock] = {}

    async def get(self, record_type: RecordType) -> Contract | None:
        """Return the contract that holds now; None when the subject has no version that can be held to.

        Raises:
            Unavailable: the registry can't be reached and nothing is known of this record type yet.
        """
        if self._is_current(record_type):
            return self._in_force[record_type][0]
        async with self._loading.setdefault(record_type, asyncio.Lock()):
            if not self._is_current(record_type):
                await self._load(record_type)
        return self._in_force[record_type][0]

    async def refresh(self) -> None:
        """Ask the registry about every record type that was asked for so far.

        Raises:
            Unavailable: the registry can't be reached; what was in force stays so.
        """
        for record_type in tuple(self._in_force):
            await self._load(record_type)

    async def follow(self) -> NoReturn:
        """Refresh for ever, every ``refresh_s`` seconds; an unreachable registry is logged and waited for."""
        while True:
            await asyncio.sleep(self._refresh_s)
            try:
                await self.refresh()
            except Unavailable as unavailable:
                _log.warning("contracts_not_refreshed", why=str(unavailable))

    def _is_current(self, record_type: RecordType) -> bool:
        # That there is a contract is refreshed in the background; that there is none is soon asked again.
        contract, since = self._in_force.get(record_type, (None, -_NONE_FOR_S))
        return contract is not None or time.monotonic() - since < _NONE_FOR_S

    async def _load(self, record_type: RecordType) -> None:
        versions = await self._registry.versions(Subject(record_type))
        self._in_force[record_type] = self._newest(record_type, versions), time.monotonic()

    def _newest(self, record_type: RecordType, versions: Iterable[SchemaVersion]) -> Contract | None:
        adopted: list[Contract] = []
        for version in sorted(versions, key=lambda version: version.version):
            contract = self._adoptable(record_type, version, adopted)
            if isinstance(contract, str):
                self._alert_once(record_type, version.version, contract)
            else:
                adopted.append(contract)
        return self._pinned(record_type, adopted)

    def _adoptable(
        self, record_type: RecordType, version: SchemaVersion, adopted: Iterable[Contract]
    ) -> Contract | str:
        key = record_type, version.version, version.schema_id
        contract = self._built.get(key) or _build(record_type, version, self._limits)
        self._built[key] = contract
        return contract if isinstance(contract, str) else _reads_all(contract, adopted)

    def _pinned(self, record_type: RecordType, adopted: list[Contract]) -> Contract | None:
        pin = self._pins.get(record_type)
        if pin is None:
            return adopted[-1] if adopted else None
        held = [contract for contract in adopted if contract.version <= pin]
        if not held or held[-1].version != pin:
            self._alert_once(
                record_type, pin, "the version it is pinned at is not registered, or was not adopted"
            )
        return held[-1] if held else None

    def _alert_once(self, record_type: RecordType, version: int, why: str) -> None:
        if (record_type, version, why) not in self._alerted:
            self._alerted.add((record_type, version, why))
            self._alert(record_type, version, why)


def _build(record_type: RecordType, version: SchemaVersion, limits: Limits) -> Contract | str:
    try:
        schema = parse(version.schema_text, limits)
        if schema.name != record_type:
            return f"it is a schema of {schema.name or 'no record'}, not of {record_type}"
        reader_form(schema)  # raises when a default does not fit
        return Contract(record_type, version.version, version.schema_id, schema, Rules(schema))
    except (Refusal, ConfigurationError) as error:
        return str(error)


def _reads_all(contract: Contract, predecessors: Iterable[Contract]) -> Contract | str:
    for predecessor in predecessors:
        try:
            require_readable(predecessor.schema, contract.schema)
        except Refusal as refusal:
            return f"it does not read version {predecessor.version}: {refusal.detail} (at {refusal.field})"
    return contract
