import asyncio
import json
from typing import Any

import pytest

from memory_registry import MemoryRegistry
from signalbox.errors import Unavailable
from signalbox.governance import Contracts
from signalbox.names import RecordType

T = RecordType("t.R")


def version(*fields: tuple[str, Any], rule: str = "true", name: str = "R") -> str:
    declared = [{"name": field, "type": kind} for field, kind in fields]
    rules = [{"name": "rule", "expr": rule}]
    return json.dumps(
        {"type": "record", "name": name, "namespace": "t", "fields": declared, "confluent:rules": rules}
    )


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def alerts() -> list[tuple[str, int, str]]:
    return []


@pytest.fixture
def contracts(registry: MemoryRegistry, alerts: list[tuple[str, int, str]]) -> Contracts:
    return Contracts(registry, alert=lambda *alert: alerts.append(alert))


async def held(contracts: Contracts) -> int | None:
    contract = await contracts.get(T)
    return contract and contract.version


async def test_the_newest_version_holds(registry: MemoryRegistry, contracts: Contracts) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, version(("a", "int"), rule="this.a > 0"))
    assert await held(contracts) == 2


async def test_a_version_takes_effect_at_the_next_refresh(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", "int")))
    assert await held(contracts) == 1
    registry.register(T, version(("a", "int"), rule="this.a > 0"))
    assert await held(contracts) == 1
    await contracts.refresh()
    assert await held(contracts) == 2


async def test_following_refreshes_by_itself_and_outlives_an_unreachable_registry(
    registry: MemoryRegistry,
) -> None:
    contracts = Contracts(registry, refresh_s=0.001)
    registry.register(T, version(("a", "int")))
    assert await held(contracts) == 1
    registry.available = False
    following = asyncio.create_task(contracts.follow())
    try:
        async with asyncio.timeout(10):
            asked = len(registry.asked)
            while len(registry.asked) < asked + 3:
                await asyncio.sleep(0.001)
            registry.register(T, version(("a", "int"), rule="this.a > 0"))
            registry.available = True
            while await held(contracts) != 2:
                await asyncio.sleep(0.001)
    finally:
        following.cancel()


@pytest.mark.parametrize(
    "bad",
    [
        version(("b", "int")),
        version(("a", "string")),
        version(("a", "int"), rule="this.a >"),
        version(("a", "int"), rule="this.x.matches('(')"),
        version(("a", "int"), ("next", ["null", "t.R"])),
        version(("a", "int"), ("x", {"type": "array", "items": "null"})),
        version(("a", "int"), name="Other"),
        '{"type": "record"',
        '"string"',
    ],
)
async def test_a_version_that_cannot_be_held_to_is_passed_over_with_one_alert(
    registry: MemoryRegistry, contracts: Contracts, alerts: list[tuple[str, int, str]], bad: str
) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, bad)
    assert await held(contracts) == 1
    await contracts.refresh()
    assert [(record_type, number) for record_type, number, _ in alerts] == [(T, 2)]


async def test_a_version_after_a_bad_one_need_not_read_it(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, version(("a", "string")))
    registry.register(T, version(("a", "long")))
    assert await held(contracts) == 3


async def test_soft_deleting_the_newest_version_rolls_back(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, version(("a", "int"), rule="this.a > 0"))
    assert await held(contracts) == 2
    registry.soft_delete(T, 2)
    await contracts.refresh()
    assert await held(contracts) == 1
    registry.soft_delete(T, 1)
    await contracts.refresh()
    assert await held(contracts) is None


async def test_a_pin_holds_a_record_type_at_a_version(registry: MemoryRegistry) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, version(("a", "int"), rule="this.a > 0"))
    assert await held(Contracts(registry, pins={T: 1})) == 1


async def test_a_pin_on_a_version_that_is_not_there_holds_the_one_below_and_alerts(
    registry: MemoryRegistry, alerts: list[tuple[str, int, str]]
) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, version(("a", "int"), rule="this.a > 0"), version=5)
    assert await held(Contracts(registry, pins={T: 3}, alert=lambda *alert: alerts.append(alert))) == 1
    assert [number for _, number, _ in alerts] == [3]


async def test_an_unreachable_registry_leaves_what_holds_in_force(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", "int")))
    await contracts.get(T)
    registry.available = False
    with pytest.raises(Unavailable):
        await contracts.refresh()
    assert await held(contracts) == 1


async def test_an_unreachable_registry_is_unavailable_when_nothing_is_known(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.available = False
    with pytest.raises(Unavailable):
        await contracts.get(T)


async def test_many_who_ask_at_once_cause_one_question(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", "int")))
    await asyncio.gather(*(contracts.get(T) for _ in range(10)))
    assert len(registry.asked) == 1


async def test_tags_tell_the_paths_of_personal_data(registry: MemoryRegistry, contracts: Contracts) -> None:
    registry.register(
        T,
        {
            "type": "record",
            "name": "t.R",
            "fields": [
                {"name": "a", "type": "string", "confluent:tags": ["PII"]},
                {"name": "b", "type": "int"},
            ],
        },
    )
    contract = await contracts.get(T)
    assert contract is not None
    assert contract.tags == {"a"}
