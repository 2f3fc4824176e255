"""The in-memory Signalbox and the orchestrator's own wiring decide equally, intake to refusal."""

from collections.abc import Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Any

from demonstration_agents import ANSWERED, ASKED, agent, refuses
from joined_orchestrator import Joined, refusing
from memory_registry import SDR
from routing_in_memory import CAMPAIGN, HOPS, SCHEDULED, RoutingInMemory
from serving import serving
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, INCOMING_LEADS, dead_letter_topic
from signalbox.protocol.records import Record
from signalbox_agent import bound
from signalbox_agent.testing import InMemorySignalbox
from signalbox_agent.testing.routes import route_of
from signalbox_contracts import schema_text, sdr

SDR_CONTRACTS = [bound(getattr(sdr, name.removeprefix("sdr.")), schema_text(name)) for name in SDR]
DEAD_LETTERS = tuple(map(dead_letter_topic, (INCOMING_LEADS, AGENT_MESSAGES)))
_WHAT = attrgetter("message_id", "record_type", "agent", "outcome", "candidates", "excluded", "reason")
_USED = attrgetter("id", "causation_id", "correlation_id", "hop", "tokens", "visits")


def said(routing: RoutingInMemory, records: Iterable[Record]) -> set[tuple[Any, ...]]:
    """Say what decisions say, but for places and times."""
    found: set[tuple[Any, ...]] = set()
    for record in records:
        if record.topic == AGENT_ROUTES:
            route = route_of(record, routing.control)
            found.add((*_WHAT(route), str(_USED(route.envelope))))
        elif record.topic in DEAD_LETTERS:
            dead_letter = DeadLetter.of(record)
            found.add(
                (
                    dead_letter.topic,
                    dead_letter.stage,
                    dead_letter.reason,
                    dead_letter.field,
                    dead_letter.detail,
                    record.value,
                )
            )
    return found


def some_records(routing: RoutingInMemory, lead: Record) -> list[Record]:
    message = routing.message()
    return [
        lead,
        replace(lead, offset=lead.offset + 1, value=b"no frame"),
        message,
        routing.again(message),
        routing.message(message_id="m-2", workflow="c-2", hop=HOPS),
        routing.message(message_id="m-3", workflow="c-3", tokens=200_000),
        routing.message(message_id="m-4", workflow="c-4", visits={"alpha": 3}),
        routing.message(message_id="m-5", workflow="c-5", visits={"alpha": 3, "beta": 3}),
        routing.message(SCHEDULED, CAMPAIGN, message_id="m-6", workflow="c-6"),
        routing.message(message_id="m-7", workflow="c-7", visits={"beta": 2}),
        routing.message(message_id="m-8", hop=-1),
    ]


async def test_the_same_records_get_the_same_decisions(routing: RoutingInMemory, joined: Joined) -> None:
    joined.agents = ("alpha", "beta")
    joined.settings = joined.settings.model_copy(update={"no_candidate_wait_s": 0})
    sent = some_records(routing, joined.lead())
    async with InMemorySignalbox(
        [agent(name, refuses, terminal=False) for name in joined.agents],
        contracts=[ASKED, ANSWERED, *SDR_CONTRACTS],
        catalog="contracts/catalog.yaml",
    ) as box:
        await box.until_idle()
        for record in sent:
            await box.send_record(record.value, record.headers, key=record.key, topic=record.topic)
        await box.until_idle()

    async with serving(refusing("not mine"), joined.port):
        await joined.settles(*sent)
        copies = [replace(one, offset=1_000) for one in joined.broker.on(AGENT_MESSAGES)]
        await joined.settles(*copies)
        for _ in ("the first refusal", "the second"):
            routes = joined.broker.on(AGENT_ROUTES)
            await joined.settles(*routes)
    records = [
        *joined.broker.on(AGENT_ROUTES),
        *(one for topic in DEAD_LETTERS for one in joined.broker.on(topic)),
    ]
    assert said(routing, box.log.records) == said(routing, records)
    assert len(said(routing, records)) > len(sent)
