"""One budget a day for all models: counted from the topics, waited for, and no workflow grows old by it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from given_clock import GivenClock
from orchestrator.settings import OrchestratorSettings
from orchestrator.spending import Spending
from routing_in_memory import GUARDS, RoutingInMemory
from signalbox.control.models import DayBudgetSpent
from signalbox.gate import Accepted
from signalbox.models import NANOS
from signalbox.protocol.dead_letters import dead_letter_of
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import Paused, Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.names import AGENT_ROUTES, GOVERNANCE_AUDIT, Headers
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness
from signalbox_agent.testing import MemoryLog
from signalbox_decide.day_budget import (
    MOST,
    DayBudget,
    Limits,
    Pause,
    Used,
    WithinBudget,
    used_by,
    used_in_vain,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.fixture
def clock() -> GivenClock:
    return GivenClock(NOON)


@pytest.fixture
def budget(clock: GivenClock) -> DayBudget:
    return DayBudget(Limits(tokens=1000, cost=NANOS), clock)


@pytest.mark.parametrize(
    ("used", "share"),
    [(Used(), 0), (Used(tokens=999), 0.999), (Used(cost=NANOS // 4), 0.25), (Used(500, 2 * NANOS), 2)],
)
async def test_the_limit_that_is_nearer_counts(budget: DayBudget, used: Used, share: float) -> None:
    budget.count(used, NOON)
    assert (budget.share, budget.is_spent) == (share, share >= 1)


async def test_a_budget_is_for_one_day_and_of_all_that_was_told_in_it(
    budget: DayBudget, clock: GivenClock
) -> None:
    for at in (NOON - 13 * HOUR, NOON - 12 * HOUR, NOON, NOON + 11 * HOUR):
        budget.count(Used(tokens=500), at)  # the first of them is yesterday's
    assert budget.today == Used(tokens=1500)
    with pytest.raises(Paused, match=r"1500 of 1000 tokens and 0.0000 USD of 1.0000 USD are used"):
        budget.require()
    clock.at = MIDNIGHT
    budget.require()


async def test_what_says_that_it_was_told_on_a_day_to_come_counts_today(budget: DayBudget) -> None:
    budget.count(Used(tokens=600), NOON)
    budget.count(Used(tokens=500), NOON + 50 * HOUR)
    assert budget.today == Used(tokens=1100)


async def test_without_limits_there_is_no_end(clock: GivenClock) -> None:
    boundless = DayBudget(Limits.of(None, None, 0.8), clock)
    boundless.count(Used(10**15, 10**15), NOON)
    boundless.require()
    assert not boundless.limits.are_set


@pytest.mark.parametrize(
    ("pauses", "hours"),
    [
        ([], 0),
        ([Pause("0", NOON - HOUR, NOON)], 1),
        ([Pause("0", NOON - 3 * HOUR, NOON), Pause("1", NOON - 2 * HOUR, NOON - HOUR)], 3),
        ([Pause("0", NOON - 3 * HOUR, NOON - 2 * HOUR), Pause("1", NOON - HOUR)], 2),
        ([Pause("0", NOON - 8 * HOUR)], 5),  # it began before the workflow, and goes on
        ([Pause("0", NOON - 30 * HOUR)], 0),  # no one ended it: that day did
        ([Pause("0", NOON - 2 * HOUR), Pause("0", NOON - 2 * HOUR, NOON - HOUR)], 1),
    ],
)
def test_a_workflow_waited_while_any_replica_did(
    budget: DayBudget, pauses: Sequence[Pause], hours: int
) -> None:
    for pause in pauses:
        budget.note(pause)
    assert budget.waited(NOON - 5 * HOUR, NOON) == hours * HOUR


def test_waiting_for_a_budget_is_not_held_against_a_workflow(budget: DayBudget, clock: GivenClock) -> None:
    guards = replace(GUARDS, clock=clock, age=24 * HOUR, waited=budget.waited)
    began = NOON - 25 * HOUR
    old: Any = Envelope(
        id="m", source="s", type="t", time=began, correlation_id="c", workflow_time=began  # type: ignore[arg-type]
    )  # fmt: skip
    with pytest.raises(Refusal, match="may take 1 day"):
        guards.check(old)
    budget.note(Pause("0", began + HOUR, began + 2 * HOUR))
    guards.check(old)


async def test_no_model_is_asked_beyond_the_budget(budget: DayBudget, accepted: Any) -> None:
    asked = []

    class Asked:
        async def choose(self, message: Accepted, candidates: Any) -> Any:
            asked.append(message)

    within = WithinBudget(Asked(), budget)
    await within.choose(accepted(), [])
    budget.count(Used(tokens=1000), NOON)
    with pytest.raises(Paused, match="day budget"):
        await within.choose(accepted(), [])
    assert len(asked) == 1


@pytest.mark.parametrize("value", [b"", b"-1", b"1.5", b"x", b"1" * 16, "\u0663".encode(), None])
def test_what_is_no_count_counts_nothing(value: bytes | None) -> None:
    assert used_by(((CE.USEDTOKENS, value), (CE.USEDCOST, b"7"))) == Used(0, 7)


# What the records of decisions tell.


@pytest.fixture
async def asking(routing: RoutingInMemory) -> RoutingInMemory:
    await routing.announce("alpha")
    return routing


async def test_a_route_tells_once_what_its_decision_and_its_message_took(asking: RoutingInMemory) -> None:
    [route] = await asking.decides(asking.message(used_tokens=700, used_cost=9, tokens=900, cost=20))
    said, envelope = asking.decision(route), Envelope.parse(route.headers)
    own = said.input_tokens + said.output_tokens
    assert own > 0
    assert used_by(route.headers) == Used(700 + own, 9)
    assert (envelope.tokens, envelope.cost) == (900 + own, 20)

    await asking.announce("beta")
    [second] = await asking.refused_by("alpha", route)
    said = asking.decision(second)
    assert used_by(second.headers) == Used(said.input_tokens + said.output_tokens, 0)


async def test_a_dead_letter_tells_what_no_route_does(asking: RoutingInMemory) -> None:
    asking.model.refuses = True
    dead_letter, _ = await asking.decides(asking.message(used_tokens=700, used_cost=9))
    took = used_in_vain(dead_letter.headers)
    assert (took.tokens > 700, took.cost) == (True, 9)
    stopped, _ = await asking.decides(asking.message(message_id="m-2", hop=99, used_tokens=5))
    assert used_in_vain(stopped.headers) == Used(5, 0)


async def test_what_the_gate_rejects_claims_nothing(asking: RoutingInMemory) -> None:
    rejected, _ = await asking.decides(
        replace(asking.message(used_tokens=700, used_cost=9), value=b"no frame")
    )
    assert used_in_vain(rejected.headers) == Used()


async def test_no_message_can_claim_more_than_one_can_have_taken(asking: RoutingInMemory) -> None:
    most = 10**15 - 1
    [route] = await asking.decides(asking.message(used_tokens=most, used_cost=most, cost=most))
    took, envelope = used_by(route.headers), Envelope.parse(route.headers)
    assert (took, envelope.cost) == (MOST, most)


async def test_what_agents_took_comes_on_top_of_what_decisions_took(asking: RoutingInMemory) -> None:
    [route] = await asking.decides(asking.message(tokens=0))
    decided = Envelope.parse(route.headers).tokens
    answer = {
        "message_id": "m-2",
        "tokens": 100,
        "used_tokens": 100,
        "cost": 7,
        "used_cost": 7,
    }  # of the agent
    [second] = await asking.decides(asking.message(**answer))
    own = asking.decision(second)
    counted = Envelope.parse(second.headers)
    assert counted.tokens == decided + 100 + own.input_tokens + own.output_tokens
    assert counted.cost == 7


async def test_a_workflow_stops_at_what_its_models_may_cost(asking: RoutingInMemory) -> None:
    guards = replace(GUARDS, cost=NANOS // 2)
    message: Any = Envelope.parse(asking.message(cost=NANOS // 2).headers)
    with pytest.raises(Refusal, match=r"0\.5000 USD of 0\.5000 USD are spent on models") as stopped:
        guards.check(message)
    assert (stopped.value.reason, stopped.value.field) == (Reason.BUDGET_EXCEEDED, CE.COST)
    guards.check(replace(message, cost=NANOS // 2 - 1))


# Following the topics.


@dataclass
class Following:
    """Spending over topics in memory."""

    clock: GivenClock
    topics: MemoryLog
    control: Any
    dollars: float | None = 1.0

    def begin(self, replica: str = "0") -> Spending:
        """Start the replica, with the budget that is set by now."""
        settings = OrchestratorSettings(llm_day_budget_usd=self.dollars, orchestrator_replica=replica)
        self.readiness = Readiness()
        self.spending = Spending.of(settings, self.control, self.readiness, self.clock)
        return self.spending

    def route(self, cost: int) -> None:
        """Write a decision that cost so much."""
        headers: Headers = ((CE.USEDCOST, str(cost).encode()),)
        self.topics.append(Draft(AGENT_ROUTES, b"lead-1", b"", headers, partition=0))

    async def read(self, *, caught_up: bool = True) -> None:
        """Read all that is on the topics."""
        await self.spending.take(list(self.topics.records), self.topics.publish, caught_up=caught_up)

    @property
    def events(self) -> list[DayBudgetSpent]:
        audits = [record for record in self.topics.records if record.topic == GOVERNANCE_AUDIT]
        return [self.control.reread(DayBudgetSpent, record.value) for record in audits]


@pytest.fixture
def following(clock: GivenClock, routing: RoutingInMemory, settings: OrchestratorSettings) -> Following:
    return Following(clock, MemoryLog(clock.now), routing.control)


async def test_what_the_topics_tell_is_counted_once_however_often_they_are_read(following: Following) -> None:
    spending = following.begin()
    assert following.readiness.waiting_for == ["spending: starting"]
    following.route(cost=NANOS // 4)
    lost = Record("agent_messages", 0, 0, b"k", b"v")
    refusal = Refusal(Reason.UNROUTABLE, "no one")
    following.topics.append(dead_letter_of(lost, Stage.ROUTER, refusal, tokens=3, cost=NANOS // 4))
    await following.read(caught_up=False)
    assert not spending.is_read.is_set()
    for _ in range(2):
        await following.read()
    assert spending.is_read.is_set()
    assert spending.budget.today == Used(3, NANOS // 2)
    assert (following.readiness.ready, following.readiness.impaired) == (True, [])


async def test_people_are_warned_before_the_end_and_told_of_it(following: Following) -> None:
    following.begin()
    following.route(cost=NANOS * 8 // 10)
    await following.read()
    assert following.readiness.impaired == [
        "day budget: 0.8000 USD of 1.0000 USD are used, 80% of this day's"
    ]
    assert following.events == []
    following.route(cost=NANOS * 2 // 10)
    for _ in range(3):
        await following.read()
    [event] = following.events
    assert (event.replica, event.since, event.until) == ("0", NOON, None)
    assert (event.cost_nano_usd, event.cost_budget_nano_usd, event.token_budget) == (NANOS, NANOS, None)
    [impaired] = following.readiness.impaired
    assert impaired.startswith("day budget: 1.0000 USD of 1.0000 USD are used: messages wait until 00:00 UTC")
    assert following.readiness.details == {"day budget": "1.0000 USD of 1.0000 USD"}


async def test_a_higher_budget_goes_on_after_a_restart_and_the_wait_is_known(
    following: Following, clock: GivenClock
) -> None:
    following.begin()
    following.route(cost=NANOS)
    await following.read()
    clock.at = NOON + HOUR
    spending = following.begin()  # with the same budget: it is the same wait
    await following.read()
    assert len(following.events) == 1

    clock.at, following.dollars = NOON + 3 * HOUR, 2.0
    spending = following.begin()
    for _ in range(3):
        await following.read()
    spending.budget.require()
    _, ended = following.events
    assert (ended.since, ended.until) == (NOON, NOON + 3 * HOUR)
    assert spending.budget.waited(NOON - HOUR, NOON + 9 * HOUR) == 3 * HOUR
    assert following.readiness.impaired == []


async def test_a_budget_that_is_taken_away_ends_the_wait_and_the_wait_is_known(
    following: Following, clock: GivenClock
) -> None:
    following.begin()
    following.route(cost=NANOS)
    await following.read()
    clock.at, following.dollars = NOON + 2 * HOUR, None
    spending = following.begin()
    await following.read()
    assert following.readiness.ready
    assert spending.budget.waited(NOON - HOUR, NOON + 9 * HOUR) == 2 * HOUR
    assert [event.until for event in following.events] == [None, NOON + 2 * HOUR]


async def test_the_next_day_begins_with_nothing_used_and_tells_a_wait_of_its_own(
    following: Following, clock: GivenClock
) -> None:
    spending = following.begin()
    following.route(cost=NANOS)
    await following.read()
    clock.at = MIDNIGHT + HOUR
    await following.read()
    spending.budget.require()
    assert len(following.events) == 1
    following.route(cost=NANOS)
    await following.read()
    assert [event.since for event in following.events] == [NOON, MIDNIGHT + HOUR]
    assert spending.budget.waited(NOON - HOUR, MIDNIGHT + 2 * HOUR) == 13 * HOUR


async def test_the_other_replicas_waits_are_known(following: Following) -> None:
    following.begin("1")
    following.route(cost=NANOS)
    await following.read()
    other = following.begin("2")
    await following.read()
    assert [event.replica for event in following.events] == ["1", "2"]
    assert other.budget.waited(NOON - HOUR, NOON + HOUR) == HOUR


async def test_figures_that_no_record_can_hold_end_nothing(following: Following) -> None:
    spending = following.begin()
    for _ in range(3):
        spending.budget.count(Used(2**62, 2**62), NOON)
    await following.read()
    [event] = following.events
    assert (event.tokens, event.cost_nano_usd) == (2**63 - 1, 2**63 - 1)


async def test_a_wait_is_known_before_it_is_told(following: Following, clock: GivenClock) -> None:
    spending = following.begin()
    following.route(cost=NANOS)

    async def away(*_: Draft) -> None:
        clock.at += HOUR
        assert spending.budget.waited(NOON, clock.at) == HOUR

    await spending.take(list(following.topics.records), away, caught_up=True)
    assert clock.at == NOON + HOUR


async def test_a_pause_that_cant_be_read_is_left_out(following: Following) -> None:
    following.begin()
    headers: Headers = ((CE.TYPE, b"control.DayBudgetSpent"),)
    following.topics.append(Draft(GOVERNANCE_AUDIT, b"0", b"no frame", headers))
    following.topics.append(Draft(GOVERNANCE_AUDIT, b"0", b"no frame", ((CE.TYPE, b"control.Other"),)))
    await following.read()
    assert following.readiness.ready
