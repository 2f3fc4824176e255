"""What an orchestrator says before it has reached anything, and whose name its parts write when joined."""

import json
import time
from contextlib import AsyncExitStack
from dataclasses import replace

from joined_orchestrator import ECHO, Joined, refusing
from limited_broker import Limits
from orchestrator.bootstrap import bootstrap
from orchestrator.settings import OrchestratorSettings
from routing_in_memory import CAMPAIGN, SCHEDULED
from serving import serving
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.headers import ROUTE_AGENT
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_ROUTES,
    INCOMING_LEADS,
    dead_letter_topic,
)
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Record, written


async def test_each_stage_is_waited_for_from_the_first_moment(settings: OrchestratorSettings) -> None:
    # A stage that reports only once it runs leaves a moment in which nothing is waited for: `make up` met it.
    async with AsyncExitStack() as closing:
        orchestrator = bootstrap(settings, closing)
        readiness = orchestrator.readiness
        for part in ("contracts", "grants", "directory", "spending"):
            readiness.done(part)
        assert not readiness.ready
        assert readiness.waiting_for == [
            f"{stage.name}: starting" for stage in (orchestrator.intake, orchestrator.routing)
        ]


async def test_each_stage_refuses_in_its_own_name_what_it_gets(joined: Joined) -> None:
    lead, message = replace(joined.lead(), value=b"no frame"), joined.routing.message(hop=-1)
    route = Record(AGENT_ROUTES, 0, 3, b"lead-1", b"no frame", ((ROUTE_AGENT, ECHO.encode()),))
    assert await joined.refused(lead, message, route) == {
        INCOMING_LEADS: (Stage.INTAKE, Reason.NOT_FRAMED),
        AGENT_MESSAGES: (Stage.GATE, Reason.HEADER_INVALID),
        AGENT_ROUTES: (Stage.DISPATCH, Reason.NOT_FRAMED),
    }


async def test_each_stage_refuses_in_its_own_name_what_its_process_died_of(joined: Joined) -> None:
    lead, message = joined.lead(), joined.routing.message(SCHEDULED, CAMPAIGN)
    route = Record(AGENT_ROUTES, 0, 3, b"lead-1", b"a route", ((ROUTE_AGENT, ECHO.encode()),))
    own = joined.settings.data_dir / "orchestrator" / joined.settings.orchestrator_replica
    own.mkdir(parents=True)
    places = {"intake": lead, "routing": message, f"dispatch.{ECHO}": route}
    deaths = {f"{name} {one.topic}/{one.partition}/{one.offset}@-1": 3 for name, one in places.items()}
    (own / "deaths.json").write_text(json.dumps(deaths))
    assert await joined.refused(lead, message, route) == {
        INCOMING_LEADS: (Stage.INTAKE, Reason.POISON),
        AGENT_MESSAGES: (Stage.GATE, Reason.POISON),
        AGENT_ROUTES: (Stage.DISPATCH, Reason.POISON),
    }


async def test_each_stage_refuses_in_its_own_name_what_the_broker_never_takes(joined: Joined) -> None:
    for topic in (AGENT_MESSAGES, AGENT_ROUTES):
        joined.broker.topics[topic] = Limits(6, 100)
    assert await joined.refused(joined.lead(), joined.routing.message(SCHEDULED, CAMPAIGN)) == {
        INCOMING_LEADS: (Stage.INTAKE, Reason.TOO_LARGE),
        AGENT_MESSAGES: (Stage.ROUTER, Reason.TOO_LARGE),
    }


async def test_dispatch_refuses_in_its_own_name_what_no_second_route_can_be_written_for(
    joined: Joined,
) -> None:
    joined.agents = ("alpha", "beta")
    for agent in joined.agents:
        await joined.routing.announce(agent)
    [route] = await joined.routing.decides(joined.routing.message())
    joined.broker.topics[AGENT_ROUTES] = Limits(6, 100)
    async with serving(refusing(), joined.port):
        await joined.settles(replace(written(route), offset=0))
    [dead_letter] = map(DeadLetter.of, joined.broker.on(dead_letter_topic(AGENT_MESSAGES)))
    assert (dead_letter.stage, dead_letter.reason) == (Stage.DISPATCH, Reason.TOO_LARGE)


async def test_what_was_taken_in_or_decided_before_a_start_is_not_written_again(joined: Joined) -> None:
    lead, message = joined.lead(), joined.routing.message(SCHEDULED, CAMPAIGN)
    await joined.settles(lead, message)
    copies, routes = joined.broker.on(AGENT_MESSAGES), joined.broker.on(AGENT_ROUTES)
    assert (len(copies), len(routes)) == (1, 1)
    assert (copies[0].key, routes[0].key) == (lead.key, message.key)  # a lead's records stay in their order

    now_ms = int(time.time() * 1000)
    joined.routing.topics.records = [replace(one, timestamp_ms=now_ms) for one in (*copies, *routes)]
    await joined.settles(joined.routing.again(lead), joined.routing.again(message))
    assert (joined.broker.on(AGENT_MESSAGES), joined.broker.on(AGENT_ROUTES)) == (copies, routes)


async def test_messages_of_one_workflow_that_come_together_are_counted_one_after_the_other(
    joined: Joined,
) -> None:
    joined.agents = ("alpha",)
    together = [joined.routing.message(message_id=f"m-{number}") for number in range(3)]
    await joined.settles(*together)
    routes = joined.broker.on(AGENT_ROUTES)
    assert [Envelope.parse(route.headers).visits for route in routes] == [{"alpha": n} for n in (1, 2, 3)]
