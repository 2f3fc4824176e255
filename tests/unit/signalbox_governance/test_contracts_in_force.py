import asyncio
import json
import threading
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from signalbox.gate import Contracts, adoption
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import RecordType, Subject
from signalbox.registry.port import SchemaVersion
from signalbox.registry.presence import RegistryPresence
from signalbox.telemetry import Readiness
from signalbox_agent.testing import MemoryRegistry

from .conftest import Clock

T = RecordType("t.R")


def version(*fields: tuple[str, Any], rule: str = "true", name: str = "R") -> str:
    declared = [{"name": field, "type": kind} for field, kind in fields]
    rules = [{"name": "rule", "expr": rule}]
    return json.dumps(
        {"type": "record", "name": name, "namespace": "t", "fields": declared, "confluent:rules": rules}
    )


def with_defaults(text: str) -> str:
    said = json.loads(text)
    for field in said["fields"]:
        field["default"] = None
    return json.dumps(said)


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
    following = asyncio.create_task(contracts.follow(RegistryPresence(Readiness().degraded)))
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
    ("bad", "why"),
    [
        (
            version(("b", "int")),
            "it does not read version 1: the writer has no such field and it has no default (at b)",
        ),
        (version(("a", "string")), "it does not read version 1: int can't be read as string (at a)"),
        (
            version(("a", "string"), ("b", "int"), ("c", "int")),
            "it does not read version 1: int can't be read as string (and 2 more) (at a)",
        ),
        (version(("a", "int"), rule="this.a >"), "t.R, rule rule: the rule 'this.a >' does not compile: "),
        (
            version(("a", "int"), rule="this.x.matches('(')"),
            "t.R, rule rule: the regular expression '(' does not compile: ",
        ),
        (version(("a", "int"), ("next", ["null", "t.R"])), "UNSAFE_SCHEMA: the schema is recursive: "),
        (
            version(("a", "int"), ("x", {"type": "array", "items": "null"})),
            "UNSAFE_SCHEMA: its items take no bytes, ",
        ),
        (version(("a", "int"), name="Other"), "it is a schema of t.Other, not of t.R"),
        ('{"type": "record"', "UNSAFE_SCHEMA: the schema text is not JSON: "),
        ('"string"', "it is a schema of no record, not of t.R"),
    ],
)
async def test_a_version_that_cannot_be_held_to_is_passed_over_with_one_alert_that_says_why(
    registry: MemoryRegistry, contracts: Contracts, alerts: list[tuple[str, int, str]], bad: str, why: str
) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, bad)
    assert await held(contracts) == 1
    await contracts.refresh()
    [(record_type, number, told)] = alerts
    assert (record_type, number) == (T, 2)
    assert told.startswith(why)


async def test_a_version_whose_default_does_not_fit_is_passed_over(
    registry: MemoryRegistry, contracts: Contracts, alerts: list[tuple[str, int, str]]
) -> None:
    fields = [{"name": "a", "type": "int", "default": "x"}]
    registry.register(T, {"type": "record", "name": "t.R", "fields": fields})
    assert await held(contracts) is None
    assert alerts == [(T, 1, "UNSAFE_SCHEMA: the default does not fit the field: 'x' is no int (at a)")]


OPTIONAL = ["null", "int"]


@pytest.mark.parametrize(
    ("newest", "unread"),
    [
        (version(("a", OPTIONAL), ("b", OPTIONAL)), 1),
        (with_defaults(version(("a", OPTIONAL), ("b", ["null", "string"]))), 2),
    ],
    ids=["it does not read the first", "it does not read the last"],
)
async def test_a_version_has_to_read_all_those_before_it(
    registry: MemoryRegistry,
    contracts: Contracts,
    alerts: list[tuple[str, int, str]],
    newest: str,
    unread: int,
) -> None:
    registry.register(T, with_defaults(version(("a", OPTIONAL))))
    registry.register(T, with_defaults(version(("a", OPTIONAL), ("b", OPTIONAL))))
    registry.register(T, newest)
    assert await held(contracts) == 2
    [(_, passed_over, why)] = alerts
    assert (passed_over, why.partition(":")[0]) == (3, f"it does not read version {unread}")


async def test_a_version_that_reads_the_one_before_it_need_not_be_read_by_it(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, version(("a", "long")))
    registry.register(T, version(("a", "int"), rule="this.a > 0"))
    assert await held(contracts) == 2


async def test_a_version_that_lacked_a_default_is_adopted_when_it_has_one(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", OPTIONAL)))
    registry.register(T, version(("a", OPTIONAL), ("b", OPTIONAL)))
    assert await held(contracts) == 1
    registry.register(T, with_defaults(version(("a", OPTIONAL), ("b", OPTIONAL))))
    await contracts.refresh()
    assert await held(contracts) == 3


async def test_a_record_type_without_a_version_is_asked_for_again_after_a_while_and_not_before(
    registry: MemoryRegistry, contracts: Contracts, clock: Clock
) -> None:
    assert await held(contracts) is None
    registry.register(T, version(("a", "int")))
    clock.now += 4
    assert await held(contracts) is None
    clock.now += 2
    assert await held(contracts) == 1


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
    assert alerts == [(T, 3, "the version it is pinned at is not registered, or was not adopted")]


async def test_a_pin_below_all_that_is_adopted_holds_nothing(
    registry: MemoryRegistry, alerts: list[tuple[str, int, str]]
) -> None:
    registry.register(T, version(("a", "int")), version=2)
    assert await held(Contracts(registry, pins={T: 1}, alert=lambda *alert: alerts.append(alert))) is None
    assert [number for _, number, _ in alerts] == [1]


async def test_a_pin_that_holds_alerts_no_one(
    registry: MemoryRegistry, alerts: list[tuple[str, int, str]]
) -> None:
    registry.register(T, version(("a", "int")))
    assert await held(Contracts(registry, pins={T: 1}, alert=lambda *alert: alerts.append(alert))) == 1
    assert alerts == []


async def test_a_contract_is_made_once_for_as_long_as_it_holds(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", "int")))
    first = await contracts.get(T)
    await contracts.refresh()
    assert await contracts.get(T) is first
    assert first is not None
    assert (first.record_type, first.version, first.schema_id, first.schema.name) == (T, 1, 1, T)


async def test_versions_hold_in_the_order_of_their_numbers_whatever_order_they_are_told_in(
    contracts: Contracts, registry: MemoryRegistry
) -> None:
    registry.register(T, version(("a", "int"), rule="this.a > 0"), version=10)
    registry.register(T, version(("a", "int")), version=9)
    assert await held(contracts) == 10


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


class Counted:
    """Counts how often ``what`` of a module is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
        self.count = 0
        real = getattr(adoption, what)

        def counted(*given: Any) -> Any:
            self.count += 1
            return real(*given)

        monkeypatch.setattr(adoption, what, counted)


def grown(number: int) -> str:
    """Give a version that adds a field to the one before it."""
    return version(*((f"f{at}", ["null", "int"]) for at in range(number)))


async def test_a_refresh_judges_only_what_is_new(
    registry: MemoryRegistry, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 61):
        registry.register(T, with_defaults(grown(number)))
    built, compared = Counted(monkeypatch, "parse"), Counted(monkeypatch, "mismatches")
    assert await held(contracts) == 60
    assert (built.count, compared.count) == (60, 60 * 59 // 2)
    built.count = compared.count = 0
    for _ in range(5):
        await contracts.refresh()
    assert (built.count, compared.count) == (0, 0)
    registry.register(T, with_defaults(grown(61)))
    await contracts.refresh()
    assert await held(contracts) == 61
    assert (built.count, compared.count) == (1, 60)


async def test_versions_that_differ_in_rules_alone_are_compared_once(
    registry: MemoryRegistry, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = Counted(monkeypatch, "mismatches")
    for number in range(450):
        registry.register(T, version(("a", "int"), rule=f"this.a > {number}"))
    assert await held(contracts) == 450
    assert compared.count <= 1


async def test_a_version_that_is_taken_out_of_the_middle_changes_what_follows_from_it(
    registry: MemoryRegistry, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.register(T, version(("a", "int")))
    registry.register(T, version(("a", "int"), ("b", "int")))  # is not adopted: it does not read the first
    registry.register(T, version(("a", "long")))
    registry.register(T, version(("b", "int")))  # could be the newest, were the others not there
    assert await held(contracts) == 3
    for number in (1, 3):
        registry.soft_delete(T, number)
    await contracts.refresh()
    assert await held(contracts) == 4


async def test_a_rollback_and_a_second_try_judge_nothing_twice(
    registry: MemoryRegistry, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 21):
        registry.register(T, with_defaults(grown(number)))
    assert await held(contracts) == 20
    compared = Counted(monkeypatch, "mismatches")
    registry.soft_delete(T, 20)
    await contracts.refresh()
    assert await held(contracts) == 19
    assert compared.count == 0


async def test_hundreds_of_versions_leave_the_loop_free(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    for number in range(1, 121):
        registry.register(T, with_defaults(grown(number)))
    loop, gaps, done = asyncio.get_running_loop(), [0.0], asyncio.Event()

    async def tick() -> None:
        last = loop.time()
        while not done.is_set():
            await asyncio.sleep(0.005)
            gaps.append(loop.time() - last)
            last = loop.time()

    ticking = asyncio.create_task(tick())
    assert await held(contracts) == 120
    done.set()
    await ticking
    assert len(gaps) > 5  # it took a while, and the loop went on meanwhile
    assert max(gaps) < sum(gaps) / 3


async def test_judging_ends_when_nobody_waits_for_it_any_more(
    registry: MemoryRegistry, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 121):
        registry.register(T, with_defaults(grown(number)))
    began, compared = threading.Event(), Counted(monkeypatch, "mismatches")
    real = adoption.mismatches

    def slow(*given: Any) -> Any:
        began.set()
        return real(*given)

    monkeypatch.setattr(adoption, "mismatches", slow)
    asking = asyncio.create_task(contracts.get(T))
    await asyncio.to_thread(began.wait, 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert compared.count < 120 * 119 // 2


async def test_one_subject_without_an_answer_does_not_keep_the_others_from_being_refreshed(
    alerts: list[tuple[str, int, str]],
) -> None:
    class Moody(MemoryRegistry):
        refused = ""

        async def versions(self, subject: Subject) -> list[SchemaVersion]:
            if subject == self.refused:
                raise Unavailable("registry", "a page")
            return await super().versions(subject)

    registry, other = Moody(), RecordType("t.A")
    contracts = Contracts(registry)
    registry.register(other, version(("a", "int"), name="A"))
    registry.register(T, version(("a", "int")))
    assert await contracts.get(other) is not None
    assert await held(contracts) == 1
    registry.refused = other
    registry.register(T, version(("a", "int"), rule="this.a > 0"))
    with pytest.raises(Unavailable):
        await contracts.refresh()
    assert await held(contracts) == 2
    assert await contracts.get(other) is not None


async def test_where_a_record_type_stands_is_told_with_what_is_odd_about_it(registry: MemoryRegistry) -> None:
    contracts = Contracts(registry, pins={RecordType("t.Pinned"): 1}, alert=lambda *_: None)
    assert contracts.told() == "none was asked for yet"
    for rule in ("true", "this.a > 0"):
        registry.register(T, version(("a", "int"), rule=rule))
        registry.register("t.Pinned", version(("a", "int"), rule=rule, name="Pinned"))
    registry.register(T, version(("b", "int")))
    for name in ("t.R", "t.Pinned", "t.Absent"):
        await contracts.get(RecordType(name))
    assert [(one.record_type, one.registered, one.in_force) for one in contracts.standings] == [
        ("t.Absent", (), None),
        ("t.Pinned", (1, 2), 1),
        ("t.R", (1, 2, 3), 2),
    ]
    assert contracts.told() == (
        "t.Absent none, t.Pinned 1 of 2 (pinned at version 1), t.R 2 of 3 (version 3 was not adopted:"
        " it does not read version 1: the writer has no such field and it has no default (at b))"
    )


async def test_a_pin_that_is_not_there_is_odd(registry: MemoryRegistry) -> None:
    registry.register(T, version(("a", "int")))
    contracts = Contracts(registry, pins={T: 4}, alert=lambda *_: None)
    await contracts.get(T)
    [standing] = contracts.standings
    assert standing.passed_over == ((4, "the version it is pinned at is not registered, or was not adopted"),)


async def test_a_version_that_comes_into_force_is_logged_and_measured(
    registry: MemoryRegistry, contracts: Contracts
) -> None:
    registry.register(T, version(("a", "int")))
    with capture_logs() as logged:
        await contracts.get(T)
        registry.register(T, version(("a", "int"), rule="this.a > 0"))
        await contracts.refresh()
        await contracts.refresh()
    assert [(line["event"], line["record_type"], line["before"], line["version"]) for line in logged] == [
        ("contract_in_force", T, 1, 2)
    ]
    assert REGISTRY.get_sample_value("signalbox_contract_in_force", {"record_type": T}) == 2
