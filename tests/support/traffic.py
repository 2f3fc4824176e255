"""What went over the topics: who wrote it with which schema, who read it, and what became of a message."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from operating import Operator
from signalbox.avro import unframe
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, MessageId, SchemaId, dead_letter_topic
from signalbox.protocol.records import Record

_T = TypeVar("_T")
_FATES = (AGENT_ROUTES, dead_letter_topic(AGENT_MESSAGES))


async def eventually(ask: Callable[[], Awaitable[_T | None]], what: str, deadline_s: float = 60) -> _T:
    """Ask until there is an answer; ``what`` says what was waited for when there is none in time."""
    try:
        async with asyncio.timeout(deadline_s):
            while not (answer := await ask()):
                await asyncio.sleep(0.2)
    except TimeoutError:
        pytest.fail(f"not within {deadline_s:.0f} s: {what}")
    return answer


def written_with(records: Iterable[Record]) -> set[SchemaId]:
    """Return the ids of the schemas that ``records`` were written with."""
    return {unframe(record.value)[0] for record in records}


def source_of(record: Record) -> str:
    """Return who wrote ``record``."""
    return (record.header("ce_source") or b"").decode()


@dataclass(frozen=True)
class Traffic:
    """The stack's topics, registry and directory, as they are now."""

    operator: Operator

    async def messages(self, record_type: str, *lead_ids: str) -> list[Record]:
        """Return the messages of a record type, of these leads or of all."""
        keys = {lead_id.encode() for lead_id in lead_ids}
        return [
            record
            for record in await self.operator.records(AGENT_MESSAGES)
            if record.header("ce_type") == record_type.encode() and (not keys or record.key in keys)
        ]

    async def answers(self, record_type: str, *asked: Record | MessageId) -> list[Record]:
        """Wait until each message has its answer of a record type; return the answers."""
        wanted = {one.header("ce_id") if isinstance(one, Record) else one.encode() for one in asked}

        async def found() -> list[Record]:
            records = await self.messages(record_type)
            answers = [record for record in records if record.header("ce_causationid") in wanted]
            return answers if {record.header("ce_causationid") for record in answers} == wanted else []

        return await eventually(found, f"{record_type} as the answer to {wanted}")

    async def fate(self, message_id: MessageId) -> DeadLetter | None:
        """Wait until a message was refused or routed; return its dead letter, None when it was routed."""
        asked = message_id.encode()

        async def found() -> list[Record]:
            # A decision names its message as its cause, a dead letter keeps the message's own headers.
            return [
                record
                for record in await self.operator.records(*_FATES)
                if asked == record.header("ce_causationid" if record.topic == AGENT_ROUTES else "ce_id")
            ]

        record = (await eventually(found, f"a decision on {message_id}"))[-1]
        return None if record.topic == AGENT_ROUTES else DeadLetter.of(record)

    async def schema_id(self, record_type: str, version: int) -> SchemaId:
        """Return the schema id of a registered version."""
        registry = self.operator.stack.addresses["registry"]
        answer = await self.operator.http.get(f"{registry}/subjects/{record_type}/versions/{version}")
        return SchemaId(answer.raise_for_status().json()["id"])

    async def versions(self, record_type: str) -> list[int]:
        """Return the registered versions, none when there are none."""
        registry = self.operator.stack.addresses["registry"]
        answer = await self.operator.http.get(f"{registry}/subjects/{record_type}/versions")
        return list(answer.json()) if answer.is_success else []

    async def announced(self, agent: str) -> dict[str, int]:
        """Return the contract versions that an agent announced, as the console shows them."""
        answer = await self.operator.http.get(f"{self.operator.stack.addresses['console']}/api/agents")
        (found,) = [one for one in answer.json()["agents"] if one["agent_id"] == agent]
        return {one["record_type"]: one["version"] for one in found["definition"]["contracts"]}
