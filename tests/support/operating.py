"""Sending leads through the running stack and asking what became of them, as a person would."""

import asyncio
import json
import socket
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from local_stack import Stack
from signalbox.kafka import KafkaSettings, read_to_end
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import AGENT_MESSAGES, CorrelationId, LeadId
from signalbox.protocol.records import Record


def free_port() -> int:
    """Find a port that no one listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


FINAL = {"scheduled", "ended", "dead_lettered"}


def lead(number: int, **fields: Any) -> dict[str, Any]:
    """Make a lead that scores well enough to be written to."""
    return {
        "name": f"Ada Nowak {number}",
        "email": f"ada.{number}@ferrum.example",
        "company_name": f"Ferrum Werke {number}",
        "job_title": "Head of Logistics",
        "lead_source": "webinar",
        "project_description": "We want to plan 400 trucks a day; the budget is approved for this quarter.",
        **fields,
    }


@dataclass
class Operator:
    """A person with curl: posts leads, reads the console, looks into the topics."""

    stack: Stack
    http: httpx2.AsyncClient

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap_servers=self.stack.env["KAFKA_BOOTSTRAP_SERVERS"])

    async def post(self, **fields: Any) -> str:
        answer = await self.http.post(f"{self.stack.addresses['lead_capture']}/leads", json=fields)
        assert answer.status_code == 202, answer.text
        lead_id: str = answer.json()["lead_id"]
        return lead_id

    async def post_many(self, count: int, *, first: int = 0) -> list[str]:
        return [await self.post(**lead(first + number)) for number in range(count)]

    async def post_until_accepted(self, **fields: Any) -> str:
        """Post one lead again and again while lead capture is away, as a website would."""
        lead_id = f"lead-{uuid.uuid4().hex}"
        async with asyncio.timeout(60):
            while True:
                try:
                    return await self.post(lead_id=lead_id, **fields)
                except httpx2.TransportError:
                    await asyncio.sleep(0.2)

    async def journey(self, lead_id: str) -> dict[str, Any]:
        try:
            answer = await self.http.get(f"{self.stack.addresses['console']}/api/leads/{lead_id}")
        except httpx2.TransportError:
            return {"status": "console away", "timeline": []}
        if answer.status_code == 404:
            return {"status": "unseen", "timeline": []}
        answer.raise_for_status()
        journey: dict[str, Any] = answer.json()
        return journey

    async def settled(self, lead_ids: Sequence[str], deadline_s: float = 60) -> dict[str, str]:
        """Wait until every lead is in a final state and return the states."""
        states: dict[str, str] = {}
        try:
            async with asyncio.timeout(deadline_s):
                while unsettled := [lead_id for lead_id in lead_ids if states.get(lead_id) not in FINAL]:
                    for lead_id in unsettled:
                        states[lead_id] = (await self.journey(lead_id))["status"]
                    await asyncio.sleep(0.3)
        except TimeoutError:
            stuck = {lead_id: state for lead_id, state in states.items() if state not in FINAL}
            pytest.fail(f"not final after {deadline_s:.0f} s: {stuck}")
        return states

    async def stats(self) -> dict[str, int]:
        answer = await self.http.get(f"{self.stack.addresses['console']}/api/stats")
        answer.raise_for_status()
        figures: dict[str, int] = answer.json()
        return figures

    async def records(self, *topics: str) -> list[Record]:
        """Read the topics to their ends; with another client when the broker leaves one unanswered."""
        with suppress(Unavailable):
            return await asyncio.to_thread(lambda: list(read_to_end(self.kafka, topics, patience_s=15)))
        return await asyncio.to_thread(lambda: list(read_to_end(self.kafka, topics)))

    async def terminal_records_of(self, lead_ids: Iterable[str]) -> dict[str, set[bytes | None]]:
        """Return the ids of the ``CampaignScheduled`` messages of each lead."""
        wanted = {correlation_id_of(LeadId(lead_id)): lead_id for lead_id in lead_ids}
        found: dict[str, set[bytes | None]] = {lead_id: set() for lead_id in wanted.values()}
        for record in await self.records(AGENT_MESSAGES):
            correlation = (record.header("ce_correlationid") or b"").decode(errors="replace")
            if record.header("ce_type") == b"sdr.CampaignScheduled" and CorrelationId(correlation) in wanted:
                found[wanted[CorrelationId(correlation)]].add(record.header("ce_id"))
        return found


class ModelCalls:
    """The calls written down at the model port of every process of the stack."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[dict[str, Any]]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [json.loads(line) for line in lines]

    def of(self, message_ids: Iterable[str]) -> list[dict[str, Any]]:
        wanted = set(message_ids)
        return [call for call in self.all() if call["message_id"] in wanted]
