"""What each client may do and may not, on a real broker; written down here, not taken from the generator."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest

from secured_stack import SecuredStack
from signalbox.kafka import (
    GroupConsumer,
    KafkaSettings,
    Producer,
    TopicSpec,
    TransactionalProducer,
    read_to_end,
)
from signalbox.kafka import apply as apply_topics
from signalbox.protocol.errors import ConfigurationError, Unavailable
from signalbox.protocol.records import Draft

pytestmark = pytest.mark.real_kafka

Action = Callable[[KafkaSettings, str], Awaitable[None]]
KEY = b"a-key-of-this-test"


async def write(kafka: KafkaSettings, topic: str) -> None:
    producer = Producer(kafka, f"test-{uuid.uuid4().hex}")
    try:
        await producer.publish(Draft(topic, KEY, b"not a message"))
    finally:
        await producer.close()


async def read(kafka: KafkaSettings, topic: str) -> None:
    def first() -> None:
        next(read_to_end(kafka, [topic], patience_s=30), None)

    await asyncio.to_thread(first)


async def join(kafka: KafkaSettings, group: str) -> None:
    """Become a member of a group, on the topic that whoever may join it reads."""
    consumer = GroupConsumer(kafka, group, ["agent_messages"], f"test-{uuid.uuid4().hex}")
    await consumer.start()
    try:
        async with asyncio.timeout(60):
            while not (await consumer.poll(10, 0.2)).assigned:
                pass
    finally:
        await consumer.close()


async def begin(kafka: KafkaSettings, transactional_id: str) -> None:
    producer = TransactionalProducer(kafka, transactional_id)
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    return await producer.start()
                except Unavailable:  # the coordinator of transactions is loading
                    await asyncio.sleep(0.2)
    finally:
        await producer.close()


async def create(kafka: KafkaSettings, topic: str) -> None:
    await apply_topics(kafka, [TopicSpec(topic, partitions=1 if topic == "agent_registry" else 6)])


ALLOWED: list[tuple[str, Action, str]] = [
    ("lead_capture", write, "incoming_leads"),
    ("orchestrator", read, "incoming_leads"),
    ("orchestrator", read, "agent_routes"),
    ("orchestrator", read, "agent_messages_dlt"),
    ("orchestrator", read, "agent_registry"),
    ("orchestrator", read, "agent_grants"),
    ("orchestrator", write, "agent_messages_dlt"),
    ("orchestrator", write, "incoming_leads_dlt"),
    ("orchestrator", write, "governance_audit"),
    ("orchestrator", read, "governance_audit"),
    ("orchestrator", join, "orchestrator.test"),
    ("orchestrator", join, "dispatch.test"),
    ("orchestrator", begin, "orchestrator.test.0"),
    ("lead_ingestion", write, "agent_messages"),
    ("lead_scoring", write, "agent_messages"),
    ("active_outreach", write, "agent_messages"),
    ("nurture_campaign", write, "agent_messages"),
    ("send_email", write, "agent_messages"),
    ("send_email", write, "agent_registry"),
    ("console", read, "agent_messages"),
    ("console", read, "agent_messages_dlt"),
    ("console", read, "governance_audit"),
    ("console", read, "agent_grants"),
    ("operator", read, "agent_messages_dlt"),
    ("operator", write, "agent_messages"),
    ("operator", write, "governance_audit"),
    ("operator", write, "agent_grants"),
    ("deployer", create, "agent_registry"),
    ("deployer", read, "agent_registry"),
    ("deployer", write, "agent_grants"),
]

REFUSED: list[tuple[str, Action, str]] = [
    ("lead_capture", write, "agent_messages"),
    ("lead_capture", read, "incoming_leads"),
    ("orchestrator", write, "incoming_leads"),
    ("orchestrator", write, "agent_registry"),
    ("orchestrator", write, "agent_grants"),
    ("orchestrator", join, "console"),
    ("orchestrator", begin, "lead_scoring.0"),
    ("orchestrator", create, "a_topic_of_its_own"),
    ("lead_ingestion", read, "agent_messages"),
    ("lead_ingestion", write, "incoming_leads"),
    ("lead_scoring", write, "agent_routes"),
    ("lead_scoring", read, "agent_registry"),
    ("lead_ingestion", write, "agent_grants"),
    ("lead_scoring", write, "agent_grants"),
    ("active_outreach", write, "agent_grants"),
    ("nurture_campaign", write, "agent_grants"),
    ("send_email", write, "agent_grants"),
    ("send_email", read, "agent_grants"),
    ("lead_capture", write, "agent_grants"),
    ("lead_scoring", begin, "orchestrator.routing.0"),
    ("active_outreach", write, "agent_messages_dlt"),
    ("nurture_campaign", write, "governance_audit"),
    ("nurture_campaign", join, "dispatch.lead_scoring"),
    ("send_email", read, "agent_messages_dlt"),
    ("console", write, "agent_messages"),
    ("console", write, "governance_audit"),
    ("console", write, "agent_grants"),
    ("console", join, "orchestrator.routing"),
    ("operator", write, "agent_messages_dlt"),
    ("operator", write, "agent_registry"),
    ("operator", create, "a_topic_of_its_own"),
    ("operator", join, "orchestrator.intake"),
    ("deployer", write, "agent_messages"),
    ("deployer", read, "incoming_leads"),
    ("deployer", create, "a_topic_of_its_own"),
]


def named(row: tuple[str, Action, str]) -> str:
    client, action, what = row
    return f"{client} {action.__name__} {what}"


@pytest.mark.parametrize("row", ALLOWED, ids=named)
async def test_a_client_may_do_what_its_work_takes(
    secured: SecuredStack, row: tuple[str, Action, str]
) -> None:
    client, action, what = row
    await action(secured.kafka_as(client), what)


@pytest.mark.parametrize("row", REFUSED, ids=named)
async def test_a_client_may_not_do_what_is_others_work(
    secured: SecuredStack, row: tuple[str, Action, str]
) -> None:
    client, action, what = row
    with pytest.raises(ConfigurationError, match="refuses these credentials"):
        await action(secured.kafka_as(client), what)


def test_the_tables_have_every_client_of_the_catalog(secured: SecuredStack) -> None:
    assert {client for client, _, _ in ALLOWED} == set(secured.passwords)
    assert {client for client, _, _ in REFUSED} == set(secured.passwords)
