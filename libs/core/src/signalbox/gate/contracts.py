"""The contracts in force: for each record type the newest registered version that can be held to.

The registry is the control plane: a version that is registered takes effect at the next refresh, and one
that is soft-deleted gives way to the one before it. A version is adopted only if it is safe, its rules
compile, and it reads the adopted versions before it; one that is not is passed over, with an alert. Which
version holds follows from the registry's list alone, so every process comes to the same answer.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog
from prometheus_client import Gauge

from signalbox.avro.limits import Limits
from signalbox.avro.schema import ParsedSchema
from signalbox.gate.adoption import Adoption, Judged, Readable
from signalbox.gate.pii import pii_paths
from signalbox.gate.rules import Rules
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import RecordType, SchemaId, Subject
from signalbox.registry.port import SchemaRegistry, SchemaVersion
from signalbox.registry.presence import RegistryPresence

_NONE_FOR_S: Final = 5.0
_ALWAYS_THERE: Final = RecordType("control.AgentRegistered")
"""Asked about where nothing else was asked for yet."""
_log: Final = structlog.get_logger(__name__)
_VERSION = Gauge(
    "signalbox_contract_in_force", "The version of a record type that is held to; 0: none is", ["record_type"]
)

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


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a record type stands: its live versions, and which of them is held to.

    ``passed_over`` says why a version was not adopted. ``pin`` is the version that it is held back at.
    """

    record_type: RecordType
    registered: tuple[int, ...]
    in_force: int | None
    passed_over: tuple[tuple[int, str], ...] = ()
    pin: int | None = None

    @property
    def remarks(self) -> list[str]:
        """What an operator may not expect, one remark each."""
        aside = [f"version {version} was not adopted: {why}" for version, why in self.passed_over]
        pinned = [] if self.pin is None else [f"pinned at version {self.pin}"]
        return [*aside, *pinned]

    def __str__(self) -> str:
        """Write it in a few words: the version in force, of which newest one, and what is odd about it."""
        held = "none" if self.in_force is None else self.in_force
        newest = self.registered[-1] if self.registered else None
        behind = "" if newest == self.in_force else f" of {newest}"
        remarks = f" ({'; '.join(self.remarks)})" if self.remarks else ""
        return f"{self.record_type} {held}{behind}{remarks}"


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
        self._adoption = Adoption(limits)
        self._in_force: dict[RecordType, tuple[Contract | None, float]] = {}
        self._standings: dict[RecordType, Standing] = {}
        self._alerted: set[tuple[RecordType, int, str]] = set()
        self._loading: dict[RecordType, asyncio.Lock] = {}
        self._judging = asyncio.Semaphore(1)

    async def get(self, record_type: RecordType) -> Contract | None:
        """Return the contract that holds now; None when the subject has no version that can be held to.

        Raises:
            Unavailable: the registry can't be reached and nothing is known of this record type yet.
        """
        if self._is_current(record_type):
            return self._in_force[record_type][0]
        async with self._lock(record_type):
            if not self._is_current(record_type):
                await self._load(record_type)
        return self._in_force[record_type][0]

    async def refresh(self) -> None:
        """Ask the registry about every record type that was asked for so far.

        Raises:
            Unavailable: it has no answer about one of them at least, whose contract stays in force.
        """
        # At the same time: a registry that hangs is known after one time-out, not after one for each type.
        asked = map(self._renew, tuple(self._in_force))
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        for failure in sorted(failures, key=lambda failure: isinstance(failure, Unavailable)):
            raise failure

    async def follow(self, presence: RegistryPresence) -> NoReturn:
        """Refresh forever, every ``refresh_s`` seconds; ``presence`` tells of a registry that is away."""
        await presence.follow(self.look, self._refresh_s)

    async def look(self) -> None:
        """Refresh; where nothing was asked for yet, ask for something, so that a registry that went is seen.

        Raises:
            Unavailable: as :meth:`refresh`.
        """
        if not self._in_force:
            await self._registry.versions(Subject(_ALWAYS_THERE))
        await self.refresh()

    async def _renew(self, record_type: RecordType) -> None:
        async with self._lock(record_type):
            await self._load(record_type)

    @property
    def standings(self) -> list[Standing]:
        """Where each record type stands that was asked for so far."""
        return [self._standings[name] for name in sorted(self._standings)]

    def told(self) -> str:
        """Say which version of each record type is in force, for the operator."""
        return ", ".join(map(str, self.standings)) or "none was asked for yet"

    def _lock(self, record_type: RecordType) -> asyncio.Lock:
        return self._loading.setdefault(record_type, asyncio.Lock())

    def _is_current(self, record_type: RecordType) -> bool:
        # That there is a contract is refreshed in the background; that there is none is soon asked again.
        contract, since = self._in_force.get(record_type, (None, -_NONE_FOR_S))
        return contract is not None or time.monotonic() - since < _NONE_FOR_S

    async def _load(self, record_type: RecordType) -> None:
        versions = await self._registry.versions(Subject(record_type))
        versions = sorted(versions, key=lambda version: version.version)
        judged = await self._judged(record_type, versions)
        held, unheld = self._pinned(record_type, judged.adopted)
        passed_over = (*judged.passed_over, *unheld)
        for version, why in passed_over:
            self._alert_once(record_type, version, why)
        before, _ = self._in_force.get(record_type, (None, 0.0))
        if held is None:
            contract = None
        elif before is not None and (before.version, before.schema_id) == (held.version, held.schema_id):
            contract = before
        else:
            contract = Contract(record_type, held.version, held.schema_id, held.schema, Rules(held.schema))
        self._in_force[record_type] = contract, time.monotonic()
        self._note(
            Standing(
                record_type,
                tuple(version.version for version in versions),
                held.version if held else None,
                passed_over,
                self._pins.get(record_type),
            )
        )

    def _note(self, standing: Standing) -> None:
        name = standing.record_type
        before = self._standings.get(name)
        self._standings[name] = standing
        _VERSION.labels(name).set(standing.in_force or 0)
        if before is not None and before.in_force != standing.in_force:
            _log.warning(
                "contract_in_force", record_type=name, version=standing.in_force, before=before.in_force
            )

    async def _judged(self, record_type: RecordType, versions: Sequence[SchemaVersion]) -> Judged:
        # Off the loop, one at a time: hundreds of versions take long, and the loop has others to serve.
        if (known := self._adoption.known(record_type, versions)) is not None:
            return known
        async with self._judging:
            stopped = threading.Event()
            try:
                return await asyncio.to_thread(self._adoption.judge, record_type, versions, stopped)
            except asyncio.CancelledError:
                stopped.set()  # so that no thread outlives us
                raise

    def _pinned(
        self, record_type: RecordType, adopted: Sequence[Readable]
    ) -> tuple[Readable | None, list[tuple[int, str]]]:
        """Return the version to hold to, and what is against the one that is pinned."""
        pin = self._pins.get(record_type)
        if pin is None:
            return (adopted[-1] if adopted else None), []
        held = [version for version in adopted if version.version <= pin]
        if held and held[-1].version == pin:
            return held[-1], []
        why = "the version it is pinned at is not registered, or was not adopted"
        return (held[-1] if held else None), [(pin, why)]

    def _alert_once(self, record_type: RecordType, version: int, why: str) -> None:
        if (record_type, version, why) not in self._alerted:
            self._alerted.add((record_type, version, why))
            self._alert(record_type, version, why)
