"""What a registration would mean for what runs: who would break, and which accepted messages would fail."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from signalbox.catalog import Catalog
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.accepted import NO_REPLAY, Lookback, read_accepted
from signalbox_operations.contracts.compatibility import judge
from signalbox_operations.contracts.fleet import Fleet, read_fleet, schemas_by_id
from signalbox_operations.contracts.registration import Step
from signalbox_operations.contracts.registry_api import RegistryApi
from signalbox_operations.contracts.replay import Replay, replay

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outlook:
    """``steps`` name who runs; ``unknown`` says what could not be found out, and why."""

    steps: tuple[Step, ...]
    fleet: Fleet | None = None
    replays: Mapping[RecordType, Replay] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def failing(self) -> int:
        """How many of the accepted messages would fail, over all contracts."""
        return sum(replayed.failed for replayed in self.replays.values())


def look_ahead(
    steps: Sequence[Step],
    catalog: Catalog,
    registry: RegistryApi,
    *,
    drop_rules: bool,
    lookback: Lookback = NO_REPLAY,
) -> Outlook:
    """Ask the broker about the steps that change a contract; with none of them, nothing is asked.

    The accepted messages of each changed record type, by ``lookback``, are held against its new text.
    """
    changing = [step for step in steps if step.changes_text]
    if not changing:
        return Outlook(tuple(steps))
    schemas = schemas_by_id(registry)
    fleet, no_fleet = _tried("who runs now", lambda: read_fleet(schemas))
    told = tuple(_told(step, catalog, fleet, drop_rules=drop_rules) for step in steps)

    def replayed() -> dict[RecordType, Replay]:
        accepted = read_accepted([step.record_type for step in changing], lookback, schemas)
        texts = {step.record_type: step.text for step in changing}
        return {name: replay(texts[name], found, schemas) for name, found in accepted.items()}

    if no_fleet or not lookback.count:  # a broker that is away need not be waited for twice
        return Outlook(
            told, fleet, unknown=tuple(f"{one}; nor which messages would fail" for one in no_fleet)
        )
    replays, no_replay = _tried("which messages would fail", replayed)
    return Outlook(told, fleet, replays or {}, no_replay)


def _told(step: Step, catalog: Catalog, fleet: Fleet | None, *, drop_rules: bool) -> Step:
    if fleet is None or not step.changes_text:
        return step
    verdict = judge(step.record_type, step.text, step.earlier, catalog, drop_rules=drop_rules, fleet=fleet)
    return replace(step, verdict=verdict)


def _tried(what: str, find_out: Callable[[], T]) -> tuple[T | None, tuple[str, ...]]:
    try:
        return find_out(), ()
    except Unavailable as error:
        return None, (f"{what} is not known: {error}",)
