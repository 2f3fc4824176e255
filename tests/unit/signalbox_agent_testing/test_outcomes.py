"""Every outcome of a decision and of a dispatch, by the in-memory Signalbox."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from demonstration_agents import ANSWERED, ASKED, Answered, Asked, OneModel, agent, answers, refuses
from routing_in_memory import CAMPAIGN
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import AGENT_REGISTRY, AGENT_ROUTES, AgentId
from signalbox.protocol.reasons import Reason, Stage
from signalbox_agent import Message, Work, bound
from signalbox_agent.testing import InMemorySignalbox, MovableClock
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import CampaignScheduled
from signalbox_decide.decisions import Outcome

ALPHA, BETA = AgentId("alpha"), AgentId("beta")
SCHEDULED = bound(CampaignScheduled, schema_text("sdr.CampaignScheduled"))


class Counting:
    """A handler that counts what it gets, and fails as often as it is told."""

    def __init__(self, failures: int = 0, error: type[Exception] = ValueError) -> None:
        self.failures, self.error, self.got = failures, error, 0

    async def __call__(self, message: Message[Any], work: Work) -> Sequence[BaseModel]:
        self.got += 1
        if self.got <= self.failures:
            raise self.error("model", "it is away") if self.error is Unavailable else self.error("no luck")
        return await answers(message, work)


def refused(box: InMemorySignalbox) -> list[tuple[Stage, Reason]]:
    return [(dead_letter.stage, dead_letter.reason) for dead_letter in box.dead_letters]


async def test_a_message_goes_to_the_agent_that_takes_it_and_its_answer_comes_back() -> None:
    async with InMemorySignalbox([agent()]) as box:
        await box.send(Asked(text="tea"), lead_id="lead-1")
        await box.until_idle()
        asked, answered = box.messages
    assert (asked.record_type, asked.record, asked.source) == ("demo.Asked", Asked(text="tea"), "test")
    assert (answered.datum, answered.source) == ({"text": "about tea"}, "alpha")
    assert answered.envelope.causation_id == asked.envelope.id
    assert box.records(Answered) == [Answered(text="about tea")]
    assert [(route.agent, route.outcome) for route in box.routes] == [
        (ALPHA, Outcome.ROUTED),
        (None, Outcome.TERMINAL),
    ]
    assert box.dead_letters == []


async def test_a_message_that_no_agent_takes_has_no_candidate() -> None:
    async with InMemorySignalbox([agent()]) as box:
        sent = await box.send(Answered())
        await box.until_idle()
    [dead_letter] = box.dead_letters
    assert (dead_letter.stage, dead_letter.reason) == (Stage.ROUTER, Reason.NO_CANDIDATE)
    assert (dead_letter.original.value, dead_letter.original.key) == (sent.value, sent.key)


async def test_a_message_that_the_model_gives_to_no_candidate_is_unroutable() -> None:
    async with InMemorySignalbox([agent()], router=OneModel(refuses=True)) as box:
        await box.send(Asked())
        await box.until_idle()
    [dead_letter] = box.dead_letters
    assert (dead_letter.stage, dead_letter.reason, dead_letter.model_calls) == (
        Stage.ROUTER,
        Reason.UNROUTABLE,
        3,
    )


@pytest.mark.parametrize(
    ("used", "reason", "field"),
    [
        ({"hop": 12}, Reason.HOP_LIMIT, "ce_hop"),
        ({"visits": {ALPHA: 3}}, Reason.VISIT_LIMIT, "ce_visits"),
        ({"tokens": 200_000}, Reason.BUDGET_EXCEEDED, "ce_tokens"),
    ],
)
async def test_each_guard_stops_a_workflow_that_has_used_up_its_limit(
    used: dict[str, Any], reason: Reason, field: str
) -> None:
    handle = Counting()
    async with InMemorySignalbox([agent(handle=handle)]) as box:
        await box.send(Asked(), **used)
        await box.until_idle()
    [dead_letter] = box.dead_letters
    assert (dead_letter.stage, dead_letter.reason, dead_letter.field) == (Stage.GUARD, reason, field)
    assert (handle.got, box.routes) == (0, [])


async def test_a_workflow_that_lasts_too_long_is_stopped() -> None:
    clock = MovableClock()
    async with InMemorySignalbox([agent()], clock=clock) as box:
        await box.send(Asked())
        clock.move(timedelta(hours=24, seconds=1))
        await box.until_idle()
    assert refused(box) == [(Stage.GUARD, Reason.DEADLINE_EXCEEDED)]


async def test_a_refused_message_goes_to_another_agent_and_never_back() -> None:
    async with InMemorySignalbox([agent("alpha", refuses), agent("beta"), agent("gamma")]) as box:
        await box.send(Asked())
        await box.until_idle()
    first, second, _ = box.routes
    assert (first.agent, first.candidates) == (ALPHA, (ALPHA, BETA, AgentId("gamma")))
    assert (second.agent, second.outcome) == (BETA, Outcome.REROUTED)
    assert (second.candidates, second.excluded) == ((BETA, AgentId("gamma")), (ALPHA,))
    assert [message.source for message in box.messages] == ["test", "beta"]


async def test_what_a_workflow_used_up_counts_on_a_second_route_too() -> None:
    async with InMemorySignalbox([agent("alpha", refuses), agent("beta")]) as box:
        used = {"hop": 4, "tokens": 700, "visits": {AgentId("gamma"): 2}}
        await box.send(Answered(), lead_id="lead-1", **used)
        await box.send(Asked(), lead_id="lead-1", hop=5, tokens=800, visits={AgentId("gamma"): 2})
        await box.send(Asked(), lead_id="lead-1")
        await box.until_idle()
    first, second = [route for route in box.routes if route.agent][2:4]
    assert (first.outcome, second.outcome) == (Outcome.REROUTED, Outcome.REROUTED)
    last = [route for route in box.routes if route.agent == BETA][-1].envelope
    assert last.hop >= 5
    assert last.tokens > 800
    assert last.visits[AgentId("gamma")] == 2
    assert last.visits[ALPHA] == 2


@pytest.mark.parametrize("others", [(), ("beta",)])
async def test_a_message_that_all_refuse_is_given_up(others: tuple[str, ...]) -> None:
    async with InMemorySignalbox([agent(name, refuses) for name in ("alpha", *others)]) as box:
        await box.send(Asked())
        await box.until_idle()
    [dead_letter] = box.dead_letters
    assert (dead_letter.stage, dead_letter.reason) == (Stage.DISPATCH, Reason.AGENT_REFUSED)
    assert "not mine" in dead_letter.detail
    assert ("beta refused it, after alpha had" in dead_letter.detail) == bool(others)


async def test_a_refused_message_that_the_model_gives_to_no_other_is_given_up() -> None:
    router = OneModel()

    async def refuses_then_router_is_done(message: Message[Any], work: Work) -> Sequence[BaseModel]:
        router.chooses_none = True
        return await refuses(message, work)

    async with InMemorySignalbox(
        [agent("alpha", refuses_then_router_is_done), agent("beta")], router=router
    ) as box:
        await box.send(Asked())
        await box.until_idle()
    assert refused(box) == [(Stage.DISPATCH, Reason.AGENT_REFUSED)]


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_redelivered_message_is_decided_once(restarted: bool) -> None:
    handle = Counting()
    async with InMemorySignalbox([agent(handle=handle)]) as box:
        await box.send(Asked())
        await box.until_idle()
        if restarted:
            await box.restart()
        await box.redeliver(box.messages[0])
        await box.until_idle()
    assert (handle.got, len(box.routes), box.dead_letters) == (1, 2, [])


async def test_a_redelivered_route_is_answered_by_the_same_bytes_without_work() -> None:
    handle = Counting()
    async with InMemorySignalbox([agent(handle=handle)]) as box:
        await box.send(Asked())
        await box.until_idle()
        await box.redeliver(box.log.on(AGENT_ROUTES)[0])
        await box.until_idle()
    _, first, second = box.messages
    assert (first.at.value, first.envelope) == (second.at.value, second.envelope)
    assert handle.got == 1
    assert [route.outcome for route in box.routes].count(Outcome.TERMINAL) == 1


async def test_a_type_that_is_terminal_by_the_catalog_ends_its_workflow_also_when_an_agent_takes_it() -> None:
    async with InMemorySignalbox([agent(takes=SCHEDULED)]) as box:
        await box.send(CampaignScheduled.model_validate(CAMPAIGN))
        await box.until_idle()
    assert [(route.agent, route.outcome) for route in box.routes] == [(None, Outcome.TERMINAL)]


@pytest.mark.parametrize(("source", "ends"), [("alpha", True), ("beta", False), ("somebody", False)])
async def test_an_agents_word_ends_a_workflow_only_by_what_it_gave_itself(source: str, ends: bool) -> None:
    agents = [agent("alpha"), agent("beta", refuses, takes=ANSWERED, gives=ASKED, terminal=False)]
    async with InMemorySignalbox(agents) as box:
        await box.send(Answered(), source=source)
        await box.until_idle()
    first = box.routes[0]
    assert (first.agent, first.outcome) == ((None, Outcome.TERMINAL) if ends else (BETA, Outcome.ROUTED))


async def test_a_workflow_ends_where_no_condition_holds() -> None:
    async with InMemorySignalbox([agent(when="this.text == 'tea'")]) as box:
        await box.send(Asked(text="coffee"))
        await box.until_idle()
    [route] = box.routes
    assert (route.agent, route.outcome, route.candidates) == (None, Outcome.ENDED, ())
    assert "no condition holds: alpha" in route.reason


async def test_a_workflow_ends_where_the_model_says_so() -> None:
    async with InMemorySignalbox([agent()], router=OneModel(chooses_none=True)) as box:
        await box.send(Asked())
        await box.until_idle()
    [route] = box.routes
    assert (route.agent, route.outcome, route.candidates) == (None, Outcome.ENDED, (ALPHA,))
    assert route.reason == "It is over."


async def test_an_agent_that_fails_every_time_is_given_up_after_its_attempts() -> None:
    handle = Counting(failures=9)
    async with InMemorySignalbox([agent(handle=handle)], attempts=4) as box:
        await box.send(Asked())
        await box.until_idle()
    [dead_letter] = box.dead_letters
    assert (handle.got, dead_letter.stage, dead_letter.reason) == (4, Stage.DISPATCH, Reason.AGENT_FAILED)
    assert dead_letter.detail == "alpha: 4 attempts; the last: ValueError: no luck"


@pytest.mark.parametrize("error", [ValueError, Unavailable])
async def test_an_agent_that_failed_or_was_away_gets_the_message_again(error: type[Exception]) -> None:
    handle = Counting(failures=2, error=error)
    async with InMemorySignalbox([agent(handle=handle)]) as box:
        await box.send(Asked())
        await box.until_idle()
    assert (handle.got, len(box.records(Answered)), box.dead_letters) == (3, 1, [])


async def test_what_is_routed_to_an_agent_that_is_removed_is_given_up() -> None:
    async with InMemorySignalbox([agent()]) as box:
        await box.send(Asked())
        await box.send_record(None, key=b"alpha", topic=AGENT_REGISTRY)
        await box.until_idle()
    assert refused(box) == [(Stage.DISPATCH, Reason.AGENT_REMOVED)]


async def test_an_answer_that_breaks_its_own_contract_is_a_refusal() -> None:
    strict = bound(
        Answered,
        ASKED.schema_text.replace("demo.Asked", "demo.Answered").replace(
            '"fields"',
            '"confluent:rules": [{"name": "long", "doc": "", "expr": "size(this.text) > 99"}], "fields"',
        ),
    )
    async with InMemorySignalbox([agent(gives=strict)]) as box:
        await box.send(Asked())
        await box.until_idle()
    [dead_letter] = box.dead_letters
    assert (dead_letter.stage, dead_letter.reason) == (Stage.DISPATCH, Reason.AGENT_REFUSED)
    assert "long" in dead_letter.detail
