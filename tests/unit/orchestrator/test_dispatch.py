"""What becomes of a route: done, routed once more, or given up with the reason."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from orchestrator.dispatch.agent_client import Done, Failed
from orchestrator.dispatch.agent_client import Refused as AgentRefused
from orchestrator.dispatch.delivery import Poisoned
from orchestrator.dispatch.dispatch import Dispatch
from routing_in_memory import TOKENS, RoutingInMemory, agent_of
from signalbox.gate import Accepted
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import Paused, Refusal, Unavailable
from signalbox.protocol.names import AGENT_ROUTES, AgentId, MessageId
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness
from signalbox_decide.decider import Decider
from signalbox_decide.decisions import Refused, RoutedMessage

ECHO = AgentId("echo")


class FakeDirectory:
    """The directory's questions; ``remove`` is the tombstone."""

    def __init__(self) -> None:
        self.agents: dict[AgentId, Any] = {
            ECHO: SimpleNamespace(definition=SimpleNamespace(endpoint="http://e"))
        }
        self.unreached = False
        self.reached_at: tuple[AgentId, str] | None = None
        self._changed = asyncio.Event()

    def was_reached(self, _: AgentId) -> bool:
        return not self.unreached

    def reached(self, agent: AgentId, endpoint: str) -> None:
        self.unreached, self.reached_at = False, (agent, endpoint)

    async def change(self, _: float | None) -> None:
        await self._changed.wait()

    def remove(self) -> None:
        self.agents.clear()
        self._changed.set()


class Given:
    """Stands for the parts around the dispatcher and remembers what was written."""

    def __init__(self, accepted: Accepted, outcome: Any, rerouted: Any = None) -> None:
        self.accepted, self.outcome, self.rerouted = accepted, outcome, rerouted
        self.directory = FakeDirectory()
        self.left = self.another_takes_it = False
        self.refused_by: tuple[AgentId, ...] = ()
        self.refusals: list[tuple[Stage, Reason, str]] = []
        self.refused: list[Record] = []
        self.rerouting: list[tuple[AgentId, str]] = []
        self.asked_for: list[tuple[Accepted, AgentId]] = []
        self.deliveries = 0
        self.readiness = Readiness()
        self.spent = False

    def require_budget(self) -> None:
        if self.spent:
            raise Paused("day budget", "all is used")

    async def deliver(self, _: Record, endpoint: Callable[[], str]) -> Any:
        self.deliveries += 1
        endpoint()
        if self.outcome is None:
            await asyncio.sleep(0)
            self.directory.agents.clear()
            endpoint()
        return self.outcome

    def agent_left(self) -> None:
        self.left = True

    async def check(self, _: Record) -> Accepted:
        return self.accepted

    def others(self, message: Accepted, agent: AgentId) -> bool:
        self.asked_for.append((message, agent))
        return self.another_takes_it

    async def reroute(self, _: Accepted, agent: AgentId, why: str) -> Any:
        self.rerouting.append((agent, why))
        if isinstance(self.rerouted, Exception):
            raise self.rerouted
        return self.rerouted

    async def routed(self, _: Record) -> RoutedMessage:
        return RoutedMessage(self.accepted.record, self.accepted.envelope.id, self.refused_by)

    def of(self, decision: Any) -> list[Any]:
        if not isinstance(decision, Refused):
            return [decision]
        self.refused.append(decision.record)
        self.refusals.append((decision.stage, decision.refusal.reason, decision.refusal.detail))
        return ["dead letter"]

    def dispatch(self) -> Dispatch:
        fake: Any = self
        directory: Any = self.directory
        decider = Decider(fake, fake, fake, fake, fake)
        return Dispatch(ECHO, fake, directory, decider, fake, self.readiness, self.require_budget)

    async def settle(self, *refused_by: AgentId) -> list[Any]:
        self.refused_by = refused_by
        own = (("route_agent", ECHO.encode()),)
        return list(await self.dispatch().decide(Record("agent_routes", 0, 0, b"lead-1", b"", own)))


@pytest.mark.parametrize("header", [None, b"another", b""])
async def test_a_route_that_is_not_the_agents_own_is_skipped_unread(
    accepted: Callable[..., Accepted], header: bytes | None
) -> None:
    given = Given(accepted(), Done())
    headers = () if header is None else (("route_agent", header),)
    record = Record("agent_routes", 0, 0, b"lead-1", b"not even framed", headers)
    assert await given.dispatch().decide(record) == []
    assert given.refusals == []


async def test_no_attempt_begins_when_nothing_is_left_for_models_and_the_message_is_waited_with(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), Done())
    given.spent = True
    with pytest.raises(Paused):
        await given.settle()
    given.directory.agents.clear()  # an agent that was removed releases its routes all the same
    assert await given.settle() == ["dead letter"]
    assert given.refusals == [(Stage.DISPATCH, Reason.AGENT_REMOVED, given.refusals[0][2])]


async def test_a_message_that_is_done_writes_nothing(accepted: Callable[..., Accepted]) -> None:
    assert await Given(accepted(), Done()).settle() == []


async def test_a_refused_message_is_routed_once_more(accepted: Callable[..., Accepted]) -> None:
    given = Given(accepted(), AgentRefused("not mine"), rerouted="second route")
    assert await given.settle() == ["second route"]
    assert given.rerouting == [(ECHO, "not mine")]


async def test_a_message_that_a_second_agent_refuses_is_dead_lettered(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), AgentRefused("nor mine"))
    assert await given.settle(AgentId("first")) == ["dead letter"]
    [(stage, reason, detail)] = given.refusals
    assert (stage, reason) == (Stage.DISPATCH, Reason.AGENT_REFUSED)
    assert "first" in detail
    assert "nor mine" in detail


async def test_a_refused_message_that_nobody_else_takes_is_dead_lettered(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), AgentRefused("no"), rerouted=Refusal(Reason.AGENT_REFUSED, "no other takes it"))
    assert await given.settle() == ["dead letter"]
    assert given.refusals[0][1] is Reason.AGENT_REFUSED


async def test_an_agent_that_failed_every_time_is_said_to_have_failed(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), Failed("8 attempts"))
    assert await given.settle() == ["dead letter"]
    assert given.refusals[0][1] is Reason.AGENT_FAILED


async def test_a_message_that_kills_its_agent_is_called_poison(accepted: Callable[..., Accepted]) -> None:
    given = Given(accepted(), Poisoned("died 3 times"))
    assert await given.settle() == ["dead letter"]
    assert given.refusals[0][1] is Reason.POISON


@pytest.mark.parametrize(
    ("outcome", "detail"),
    [
        (Failed("8 attempts"), "echo: 8 attempts"),
        (Poisoned("died 3 times"), "echo: died 3 times"),
        (None, "echo was removed from the directory before it took the message"),
    ],
)
async def test_what_is_given_up_is_the_message_itself_with_the_agent_and_the_cause(
    accepted: Callable[..., Accepted], outcome: Any, detail: str
) -> None:
    given = Given(accepted(), outcome)
    await given.settle()
    assert given.refused == [given.accepted.record]
    [(stage, _, told)] = given.refusals
    assert (stage, told) == (Stage.DISPATCH, detail)


@pytest.mark.parametrize("outcome", [Done(), AgentRefused("no"), Failed("8 attempts"), Poisoned("died")])
async def test_what_becomes_of_an_agents_messages_is_counted_until_the_agent_is_forgotten(
    accepted: Callable[..., Accepted], outcome: Any
) -> None:
    def counted() -> float | None:
        labels = {"agent": "echo", "outcome": type(outcome).__name__.lower()}
        return REGISTRY.get_sample_value("signalbox_dispatched_total", labels)

    given = Given(accepted(), outcome, rerouted="second route")
    given.dispatch().forget()
    for _ in range(2):
        await given.settle()
    assert counted() == 2
    given.dispatch().forget()
    assert counted() is None


async def test_an_agent_that_is_removed_between_two_attempts_releases_its_route(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), None)
    assert await given.settle() == ["dead letter"]
    assert given.refusals[0][1] is Reason.AGENT_REMOVED
    assert given.left


async def test_what_waits_for_an_agent_that_was_never_reached_goes_to_another_that_takes_it(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), Done(), rerouted="second route")
    given.directory.unreached = True

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    given.deliver = never  # type: ignore[method-assign, assignment]
    settling = asyncio.create_task(given.settle())
    await asyncio.sleep(0.01)
    assert not settling.done()
    given.another_takes_it = True
    given.directory._changed.set()
    assert await settling == ["second route"]
    assert given.rerouting == [(ECHO, "it was never reached, and another agent takes this")]


async def test_an_agent_that_took_a_message_was_reached_where_it_lives(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), Done())
    given.directory.unreached = True
    await given.settle()
    assert not given.directory.unreached
    assert given.directory.reached_at == (ECHO, "http://e")


async def test_an_agent_that_is_removed_while_it_takes_its_last_message_is_not_reached(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), Done())

    async def last(*_: object) -> Done:
        given.directory.agents.clear()
        return Done()

    given.deliver = last  # type: ignore[method-assign, assignment]
    assert await given.settle() == []
    assert given.directory.reached_at is None


@pytest.mark.parametrize("never_reached", [True, False])
async def test_while_no_decision_can_be_made_that_is_told_and_the_agent_is_not_asked_again(
    accepted: Callable[..., Accepted], monkeypatch: pytest.MonkeyPatch, never_reached: bool
) -> None:
    monkeypatch.setattr("signalbox.process.retry._BACKOFF", lambda _: 0.0)
    given = Given(accepted(), AgentRefused("not mine"), rerouted="second route")
    given.directory.unreached = given.another_takes_it = never_reached
    told: list[list[str]] = []

    async def check(record: Record) -> Accepted:
        assert record is given.accepted.record
        told.append(given.readiness.waiting_for)
        if len(told) < 3:
            raise Unavailable("registry", "away")
        return given.accepted

    given.check = check  # type: ignore[method-assign, assignment]
    assert await given.settle() == ["second route"]
    assert told[:3] == [[], ["registry: away"], ["registry: away"]]
    assert given.readiness.ready
    assert given.deliveries == 1


async def test_a_message_that_waits_for_its_second_agent_is_for_no_third(
    accepted: Callable[..., Accepted],
) -> None:
    given = Given(accepted(), Done(), rerouted="second route")
    given.directory.unreached = given.another_takes_it = True
    assert await given.settle(AgentId("first")) == []
    assert given.rerouting == []
    given.directory.unreached = True
    assert await given.settle() == ["second route"]
    assert given.asked_for == [(given.accepted, ECHO)]


async def test_a_route_that_cannot_be_read_is_dead_lettered_by_dispatch(routing: RoutingInMemory) -> None:
    await routing.announce("alpha")
    [route] = await routing.decides(routing.message())
    dead_letter, audit = routing.dead_letter(
        await routing.refused_by("alpha", replace(route, value=b"no frame"))
    )
    assert (dead_letter.topic, dead_letter.stage, dead_letter.reason) == (
        AGENT_ROUTES,
        Stage.DISPATCH,
        Reason.NOT_FRAMED,
    )
    assert audit.stage == Stage.DISPATCH


async def test_the_second_route_is_for_another_agent_and_the_last_one(routing: RoutingInMemory) -> None:
    for agent in ("alpha", "beta", "gamma"):
        await routing.announce(agent)
    [first] = await routing.decides(routing.message())
    assert routing.decision(first).candidates == ["alpha", "beta", "gamma"]

    [second] = await routing.refused_by("alpha", first)
    decision = routing.decision(second)
    assert (agent_of(second), decision.candidates, decision.excluded) == (
        b"beta",
        ["beta", "gamma"],
        ["alpha"],
    )
    assert Envelope.parse(second.headers).id != Envelope.parse(first.headers).id

    dead_letter, _ = routing.dead_letter(await routing.refused_by("beta", second))
    assert (dead_letter.stage, dead_letter.reason) == (Stage.DISPATCH, Reason.AGENT_REFUSED)
    assert "beta refused it, after alpha had" in dead_letter.detail


async def test_a_second_route_goes_on_counting_what_the_workflow_used_up(routing: RoutingInMemory) -> None:
    for agent in ("alpha", "beta"):
        await routing.announce(agent)
    began = datetime.now(UTC) - timedelta(hours=1)
    earlier = routing.message(hop=4, tokens=700, visits={AgentId("gamma"): 2}, workflow_time=began)
    await routing.decides(earlier)
    [first] = await routing.decides(routing.message(message_id="m-2", workflow_time=None))

    [second] = await routing.refused_by("alpha", first)
    before, after = Envelope.parse(first.headers), Envelope.parse(second.headers)
    assert after.hop == before.hop == 5
    assert after.tokens > before.tokens > 700
    assert after.visits == {AgentId("gamma"): 2, AgentId("alpha"): 2, AgentId("beta"): 1}
    assert after.workflow_time == before.workflow_time
    assert abs((after.workflow_time or datetime.now(UTC)) - began) < timedelta(seconds=1)


async def test_the_guards_hold_for_a_second_route_too(routing: RoutingInMemory) -> None:
    for agent in ("alpha", "beta"):
        await routing.announce(agent)
    [route] = await routing.decides(routing.message(tokens=TOKENS - 1))
    dead_letter, _ = routing.dead_letter(await routing.refused_by("alpha", route))
    assert (dead_letter.stage, dead_letter.reason) == (Stage.DISPATCH, Reason.BUDGET_EXCEEDED)


async def test_what_an_agent_refused_and_the_router_gives_to_no_other_is_dead_lettered(
    routing: RoutingInMemory,
) -> None:
    for agent in ("alpha", "beta"):
        await routing.announce(agent)
    [route] = await routing.decides(routing.message())
    routing.model.chooses_none = True
    dead_letter, _ = routing.dead_letter(await routing.refused_by("alpha", route))
    assert (dead_letter.stage, dead_letter.reason) == (Stage.DISPATCH, Reason.AGENT_REFUSED)


async def test_a_second_route_that_the_model_refuses_says_how_often_it_was_asked(
    routing: RoutingInMemory,
) -> None:
    for agent in ("alpha", "beta"):
        await routing.announce(agent)
    [route] = await routing.decides(routing.message())
    routing.model.refuses = True
    dead_letter, _ = routing.dead_letter(await routing.refused_by("alpha", route))
    assert (dead_letter.stage, dead_letter.reason, dead_letter.model_calls) == (
        Stage.DISPATCH,
        Reason.UNROUTABLE,
        3,
    )


async def test_a_refused_message_that_the_gate_lets_pass_no_more_ends_at_dispatch(
    routing: RoutingInMemory,
) -> None:
    for agent in ("alpha", "beta"):
        await routing.announce(agent)
    message = replace(routing.message(), value=b"no record")
    decision = await routing.decider.decide_again(
        RoutedMessage(message, MessageId("m-1"), ()), AgentId("alpha"), "no"
    )
    assert isinstance(decision, Refused)
    assert (decision.record, decision.stage, decision.refusal.reason, decision.model_calls) == (
        message,
        Stage.DISPATCH,
        Reason.NOT_FRAMED,
        0,
    )


async def test_a_message_is_for_another_when_one_that_was_reached_takes_it(routing: RoutingInMemory) -> None:
    await routing.announce("alpha")
    message = routing.message()
    assert not await routing.decider.is_for_another(message, AgentId("alpha"))
    assert await routing.decider.is_for_another(message, AgentId("beta"))
    assert not await routing.decider.is_for_another(replace(message, value=b"no record"), AgentId("beta"))
