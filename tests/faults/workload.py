"""Sends what was planned, patiently: the system may be away, and everything has to arrive in the end."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2

from history import History
from local_stack import Stack
from malformed_examples import load
from planning import Contract, Ingredients, Planned
from signalbox.avro import parse
from signalbox.kafka import KafkaSettings, Producer
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import SchemaId

_AT_ONCE: Final = 16
_FLOWING: Final = 5
_PAUSE_S: Final = 0.3
_ANSWER_S: Final = 15.0
_EVERYTHING_SENT_S: Final = 240.0
_PUBLISHED_WITHIN_S: Final = 120.0


class NotAccepted(Exception):
    """Lead capture refused a good lead, or something could not be sent at all."""


class Workload:
    """Sends one thing after the other, as far as the runner lets it, with a few under way at once."""

    def __init__(self, stack: Stack, history: History, planned: Sequence[Planned]) -> None:
        self._capture = stack.addresses["lead_capture"]
        self._producer = Producer(KafkaSettings(bootstrap_servers=bootstrap_servers(stack)), "fault-workload")
        self._history = history
        self._planned = planned
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._allowed = asyncio.Semaphore(0)
        self._flowing = asyncio.Event()
        self.sent = 0

    async def run(self) -> None:
        """Send everything, each thing when it is allowed to go.

        Raises:
            NotAccepted: something could not be sent.
        """
        try:
            async with httpx2.AsyncClient(timeout=_ANSWER_S) as http, asyncio.TaskGroup() as sending:
                for planned in self._planned:
                    await self._allowed.acquire()
                    await self._slots.acquire()
                    sending.create_task(self._send(http, planned))
        finally:
            await self._producer.close()

    def allow(self, share: float = 1.0) -> None:
        """Let ``share`` of all (0 to 1) go, beyond what was allowed before."""
        for _ in range(math.ceil(share * len(self._planned))):
            self._allowed.release()

    async def flowing(self) -> None:
        """Wait until the first few are in, or until none can be sent, which is told elsewhere."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._flowing.wait(), _EVERYTHING_SENT_S)

    async def _send(self, http: httpx2.AsyncClient, planned: Planned) -> None:
        try:
            self._history.sending(planned.sending)
            async with asyncio.timeout(_EVERYTHING_SENT_S):
                if planned.fields is not None:
                    await self._post(http, planned.fields)
                else:
                    await self._publish(planned)
            self._history.sent(planned.sending.number)
            self.sent += 1
            if self.sent >= min(_FLOWING, len(self._planned)):
                self._flowing.set()
        except TimeoutError as error:
            what = f"{planned.sending.way} {planned.sending.number}"
            raise NotAccepted(f"{what}: not accepted within {_EVERYTHING_SENT_S:.0f} s") from error
        finally:
            self._slots.release()

    async def _post(self, http: httpx2.AsyncClient, fields: Mapping[str, Any]) -> None:
        while True:
            try:
                answer = await http.post(f"{self._capture}/leads", json=fields)
            except httpx2.TransportError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if answer.status_code == HTTPStatus.ACCEPTED:
                return
            if answer.is_client_error:
                raise NotAccepted(f"{fields['lead_id']}: {answer.status_code} {answer.text}")
            await asyncio.sleep(_PAUSE_S)

    async def _publish(self, planned: Planned) -> None:
        # One by one: a broker that is away may have taken some, and their order has to stay the plan's.
        for draft in planned.drafts:
            while True:
                try:
                    async with asyncio.timeout(_PUBLISHED_WITHIN_S):
                        await self._producer.publish(draft)
                except Unavailable:
                    await asyncio.sleep(_PAUSE_S)
                else:
                    break


def bootstrap_servers(stack: Stack) -> str:
    """Return the brokers' own addresses, whatever proxies stand before them for others."""
    brokers = [p.address for p in stack.processes if p.service.split("_")[0] == "broker"]
    return ",".join(brokers)


async def ingredients(stack: Stack, root: Path) -> Ingredients:
    """Ask the registry for the contracts in use, and make each malformed example."""
    registry = registry_api(stack)
    async with httpx2.AsyncClient(base_url=registry, timeout=30) as http:
        captured, profiled = [
            await _contract(http, name) for name in ("sdr.LeadCaptured", "sdr.LeadProfiled")
        ]
    examples = [(one, await one.draft(registry)) for one in load(root / "examples" / "malformed")]
    return Ingredients(captured, profiled, examples)


def registry_api(stack: Stack) -> str:
    """Return the address of the registry's REST API, whatever proxy stands before it for others."""
    return stack.addresses["registry"]


async def _contract(http: httpx2.AsyncClient, subject: str) -> Contract:
    answer = (await http.get(f"/subjects/{subject}/versions/latest")).raise_for_status().json()
    return Contract(SchemaId(answer["id"]), parse(answer["schema"]))
