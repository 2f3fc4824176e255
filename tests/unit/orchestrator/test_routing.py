"""Routing with its parts joined: each message has one decision, and each refusal says where it was made."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY

from gate_fuzz import DATA_BY_TYPE
from routing_in_memory import ANSWERED, CAMPAIGN, HOPS, SCHEDULED, RoutingInMemory, agent_of
from signalbox.protocol.envelope import Envelope, replay_id
from signalbox.protocol.headers import ROUTE_AFRESH
from signalbox.protocol.names import AgentId, MessageId, RecordType, dead_letter_topic
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Record, written
from signalbox.protocol.replay_marks import REPLAY_OF

SCORED = RecordType("sdr.LeadScored")


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_redelivered_message_is_not_decided_again(routing: RoutingInMemory, restarted: bool) -> None:
    await routing.announce("alpha")
    message = routing.message()
    [route] = await routing.decides(message)
    assert agent_of(route) == b"alpha"
    if restarted:
        await routing.restart()
    for _ in range(2):
        assert await routing.decides(routing.again(message)) == []


async def test_the_same_id_in_another_workflow_is_another_message(routing: RoutingInMemory) -> None:
    await routing.announce("alpha")
    for workflow in ("c-1", "c-2"):
        assert await routing.decides(routing.message(workflow=workflow))


def not_decodable(routing: RoutingInMemory) -> Record:
    return replace(routing.message(), value=b"no frame")


def at_the_hop_limit(routing: RoutingInMemory) -> Record:
    return routing.message(hop=HOPS)


def not_taken(routing: RoutingInMemory) -> Record:
    return routing.message(ANSWERED)


def not_chosen(routing: RoutingInMemory) -> Record:
    routing.model.refuses = True
    return routing.message()


Making = Callable[[RoutingInMemory], Record]
AFTER_THE_GATE = [
    (at_the_hop_limit, Stage.GUARD, Reason.HOP_LIMIT, 0),
    (not_taken, Stage.ROUTER, Reason.NO_CANDIDATE, 0),
    (not_chosen, Stage.ROUTER, Reason.UNROUTABLE, 3),
]


@pytest.mark.parametrize(
    ("making", "stage", "reason", "calls"),
    [(not_decodable, Stage.GATE, Reason.NOT_FRAMED, 0), *AFTER_THE_GATE],
)
async def test_a_refusal_says_at_which_stage_it_was_made_and_what_it_cost(
    routing: RoutingInMemory, making: Making, stage: Stage, reason: Reason, calls: int
) -> None:
    await routing.announce("alpha")
    dead_letter, audit = routing.dead_letter(await routing.decides(making(routing)))
    assert (dead_letter.stage, dead_letter.reason, dead_letter.model_calls) == (stage, reason, calls)
    assert (audit.stage, audit.reason, audit.model_calls) == (stage, reason, calls)


@pytest.mark.parametrize("making", [case[0] for case in AFTER_THE_GATE])
@pytest.mark.parametrize("restarted", [False, True])
async def test_what_a_guard_or_the_router_refused_is_decided(
    routing: RoutingInMemory, making: Making, restarted: bool
) -> None:
    await routing.announce("alpha")
    message = making(routing)
    assert await routing.decides(message)
    if restarted:
        await routing.restart()
    assert await routing.decides(routing.again(message)) == []


async def test_what_the_gate_refused_takes_no_good_message_its_turn(routing: RoutingInMemory) -> None:
    await routing.announce("alpha")
    await routing.decides(not_decodable(routing))
    await routing.restart()
    [route] = await routing.decides(routing.message())
    assert agent_of(route) == b"alpha"


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_a_workflow_used_up_counts_for_its_next_message(
    routing: RoutingInMemory, restarted: bool
) -> None:
    await routing.announce("alpha")
    await routing.decides(routing.message(hop=4, tokens=700))
    if restarted:
        await routing.restart()
    [route] = await routing.decides(routing.message(message_id="m-2"))
    said = Envelope.parse(route.headers)
    assert (said.hop, said.visits) == (5, {AgentId("alpha"): 2})
    assert said.tokens > 700


async def test_a_terminal_record_ends_a_workflow_only_by_the_word_of_the_agent_that_gave_it(
    routing: RoutingInMemory,
) -> None:
    await routing.announce("alpha", terminal=True)
    await routing.announce("beta", takes=ANSWERED)
    taken = {}
    for source in ("somebody", "beta", "alpha"):
        [route] = await routing.decides(routing.message(ANSWERED, message_id=source, source=source))
        taken[source] = (agent_of(route), routing.decision(route).terminal)
    assert taken == {"somebody": (b"beta", False), "beta": (b"beta", False), "alpha": (None, True)}


async def test_no_agents_word_ends_a_workflow_by_a_type_that_the_catalog_lists(
    routing: RoutingInMemory,
) -> None:
    await routing.announce("alpha", gives=SCORED, terminal=True)
    await routing.announce("beta", takes=SCORED)
    [route] = await routing.decides(routing.message(SCORED, DATA_BY_TYPE[SCORED], source="alpha"))
    assert (agent_of(route), routing.decision(route).terminal) == (b"beta", False)


async def test_a_type_that_is_terminal_by_the_catalog_ends_its_workflow_also_when_an_agent_takes_it(
    routing: RoutingInMemory,
) -> None:
    await routing.announce("beta", takes=SCHEDULED)
    [route] = await routing.decides(routing.message(SCHEDULED, CAMPAIGN))
    assert (agent_of(route), routing.decision(route).terminal) == (None, True)


async def test_the_audit_event_of_a_refusal_says_which_message_it_was_and_where(
    routing: RoutingInMemory,
) -> None:
    message = not_decodable(routing)
    drafts = await routing.decides(message)
    dead_letter, audit = routing.dead_letter(drafts)
    assert (audit.message_id, audit.lead_id, audit.correlation_id) == ("m-1", "lead-1", "c-1")
    assert (audit.topic, audit.partition, audit.offset) == (message.topic, message.partition, message.offset)
    assert (audit.dead_letter_topic, audit.detail) == (dead_letter.record.topic, dead_letter.detail)
    envelope = Envelope.parse(drafts[1].headers)
    assert (envelope.causation_id, envelope.correlation_id) == ("m-1", "c-1")
    assert drafts[1].key == b"lead-1"


async def test_a_refusal_of_what_has_no_headers_has_an_audit_event_that_is_its_own_workflow(
    routing: RoutingInMemory,
) -> None:
    drafts = await routing.decides(replace(routing.message(), headers=(), key=None))
    _, audit = routing.dead_letter(drafts)
    assert (audit.message_id, audit.lead_id, audit.correlation_id) == (None, None, None)
    envelope = Envelope.parse(drafts[1].headers)
    assert (envelope.causation_id, envelope.correlation_id) == (None, envelope.id)


async def test_an_audit_event_has_the_same_id_again_for_the_same_place_and_another_for_any_other(
    routing: RoutingInMemory,
) -> None:
    message = not_decodable(routing)
    elsewhere = [
        message,
        replace(message, topic="incoming_leads"),
        replace(message, partition=message.partition + 1),
        replace(message, offset=message.offset + 1),
    ]

    async def event_id(record: Record) -> str:
        [_, audit] = await routing.decide(record)
        return Envelope.parse(audit.headers).id

    ids = [await event_id(record) for record in elsewhere]
    assert len(set(ids)) == len(elsewhere)
    assert await event_id(message) == ids[0]


async def test_a_route_belongs_to_the_trace_and_the_workflow_of_its_message(routing: RoutingInMemory) -> None:
    await routing.announce("alpha")
    message = routing.message(traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    [route] = await routing.decides(message)
    asked, said = Envelope.parse(message.headers), Envelope.parse(route.headers)
    assert (said.traceparent, said.correlation_id, said.causation_id, said.workflow_time) == (
        asked.traceparent,
        asked.correlation_id,
        asked.id,
        asked.workflow_time,
    )
    assert (route.key, route.partition) == (message.key, message.partition)


async def test_a_route_is_read_back_as_the_message_that_it_carries(routing: RoutingInMemory) -> None:
    for agent in ("alpha", "beta"):
        await routing.announce(agent)
    message = routing.message(message_id="m-7", hop=2)
    [first] = await routing.decides(message)
    [second] = await routing.refused_by("alpha", first)
    for route, refused_by in ((first, ()), (second, ("alpha",))):
        restored = await routing.records.routed(written(route))
        assert (restored.original, restored.message_id) == (message, MessageId("m-7"))
        assert restored.refused_by == refused_by
        assert restored.used is not None
        assert restored.used.hop == 2


async def test_each_decision_is_counted_by_what_it_was_and_a_duplicate_as_none(
    routing: RoutingInMemory,
) -> None:
    def counted() -> list[float]:
        outcomes = ("routed", "terminal", "HOP_LIMIT", "NOT_FRAMED")
        decisions = [("signalbox_decisions_total", {"outcome": outcome}) for outcome in outcomes]
        asked = [*decisions, ("signalbox_message_duplicates_total", {})]
        return [REGISTRY.get_sample_value(name, labels) or 0 for name, labels in asked]

    await routing.announce("alpha")
    before = counted()
    message = routing.message()
    for one in (
        message,
        routing.again(message),
        routing.message(SCHEDULED, CAMPAIGN, message_id="m-2"),
        routing.message(message_id="m-3", hop=HOPS),
        not_decodable(routing),
    ):
        await routing.decides(one)
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 1, 1, 1]


async def stopped(routing: RoutingInMemory, workflow: str) -> tuple[str, Record]:
    """Let a message be stopped for its hops; return the place of its dead letter, and the replay of it."""
    await routing.decides(routing.message(message_id=f"stopped-{workflow}", workflow=workflow, hop=HOPS))
    letter = routing.topics.on(dead_letter_topic("agent_messages"))[-1]
    place = (letter.topic, letter.partition, letter.offset)
    replay = routing.message(message_id=replay_id(*place), workflow=workflow, hop=0)
    named = "/".join(map(str, place))
    return named, replace(replay, headers=(*replay.headers, (REPLAY_OF, named.encode())))


def begins_afresh(route: Record) -> bool:
    return route.header(ROUTE_AFRESH) is not None


async def test_a_replay_lets_its_workflow_begin_afresh_and_what_only_names_it_does_not(
    routing: RoutingInMemory,
) -> None:
    await routing.announce("alpha")
    await routing.decides(routing.message(hop=HOPS - 1))
    named, replay = await stopped(routing, "c-1")
    claims = routing.message(message_id="m-9", hop=0)
    dead_letter, _ = routing.dead_letter(
        await routing.decides(replace(claims, headers=(*claims.headers, (REPLAY_OF, named.encode()))))
    )
    assert dead_letter.reason is Reason.HOP_LIMIT
    [route] = await routing.decides(replay)
    assert begins_afresh(written(route))
    assert Envelope.parse(route.headers).hop == 0
    assert await routing.decides(routing.again(replay)) == []
    [after] = await routing.decides(routing.message(message_id="m-10"))
    assert not begins_afresh(written(after))
    assert Envelope.parse(after.headers).hop == 1


async def test_a_replay_into_a_workflow_that_used_up_nothing_has_nothing_to_begin_afresh(
    routing: RoutingInMemory,
) -> None:
    await routing.announce("alpha")
    _, replay = await stopped(routing, "c-2")
    [route] = await routing.decides(replay)
    assert agent_of(route) == b"alpha"
    assert not begins_afresh(written(route))
