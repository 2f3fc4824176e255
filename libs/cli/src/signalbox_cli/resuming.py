"""Resuming a lead: the last durable record of each open branch is written once more, byte for byte.

Nothing happens twice. A message that is decided meanwhile is a redelivered one, whose first decision won;
a route that is delivered meanwhile is a message that its agent knows, and answers as it did before.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from signalbox.kafka import KafkaSettings, Producer, read_at
from signalbox.protocol.dead_letters import Position
from signalbox.protocol.errors import SignalboxError
from signalbox.protocol.records import Draft


def resume_lead(lead: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write what the console says that ``lead`` waits for once more; return what was written.

    Raises:
        SignalboxError: a record is not in its topic any more.
        Unavailable: the broker can't be reached.
    """
    waits = [wait for wait in lead["waiting_for"] if wait["position"]]
    if waits:
        kafka = KafkaSettings()
        drafts = [_draft(kafka, Position.parse(wait["position"])) for wait in waits]
        asyncio.run(_publish(kafka, drafts))
    return waits


def _draft(kafka: KafkaSettings, at: Position) -> Draft:
    record = read_at(kafka, *at)
    if record is None:
        raise SignalboxError(f"the record at {at} is not there any more; send the lead in again")
    return Draft(record.topic, record.key, record.value, record.headers, partition=record.partition)


async def _publish(kafka: KafkaSettings, drafts: list[Draft]) -> None:
    producer = Producer(kafka, "signalbox-resume")
    try:
        await producer.publish(*drafts)
    finally:
        await producer.close()
