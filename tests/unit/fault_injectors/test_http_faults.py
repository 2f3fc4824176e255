"""Each harm of the HTTP proxy as its client and its service see it, and that it heals."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest

from fault import World
from injectors.agents import agent_faults, is_message
from injectors.background import BackgroundLoop
from injectors.http_messages import HEAD_LIMIT, answer, read_request
from injectors.http_proxy import HttpProxy
from injectors.listener import Listener, streams
from injectors.registry import registry_faults


@dataclass
class Service:
    """A real server that counts what it was asked."""

    asked: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await read_request(reader):
            self.asked.append(f"{request.method} {request.target} {request.body.decode()}")
            writer.write(answer(200, b'{"well": true}'))
            if request.headers.get("connection") == "close":
                break
        writer.close()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
async def proxy(loop: BackgroundLoop, service: Service) -> AsyncIterator[HttpProxy]:
    listener = Listener(loop, "service", streams(service.serve, HEAD_LIMIT))
    await listener.open()
    made = HttpProxy(loop, "proxy", lambda: f"http://127.0.0.1:{listener.port}/base", is_message)
    await made.listener.open()
    yield made
    await made.listener.close()
    await listener.close()


async def _post(proxy: HttpProxy, timeout: float = 5) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=timeout) as client:
        return await client.post(f"{proxy.url}/messages", content=b"work")


async def _strike(proxy: HttpProxy, name: str) -> None:
    fault = {fault.name: fault for fault in agent_faults({"one": proxy})}[name]
    proxy.strikes.start(name, fault.mode, 1.0)


async def test_without_a_fault_a_request_reaches_the_service_under_its_base_path(
    proxy: HttpProxy, service: Service
) -> None:
    assert (await _post(proxy)).json() == {"well": True}
    assert service.asked == ["POST /base/messages work"]


async def test_an_agent_that_answers_500_did_no_work_and_is_still_ready(
    proxy: HttpProxy, service: Service
) -> None:
    await _strike(proxy, "agent-answers-500")
    assert (await _post(proxy)).status_code == 500
    assert service.asked == []
    async with httpx2.AsyncClient() as client:
        assert (await client.get(f"{proxy.url}/readyz")).status_code == 200


async def test_an_agent_that_hangs_gives_no_answer(proxy: HttpProxy, service: Service) -> None:
    await _strike(proxy, "agent-hangs")
    with pytest.raises(httpx2.ReadTimeout):
        await _post(proxy, timeout=0.3)
    assert service.asked == []


async def test_a_reset_comes_after_the_work_was_done(proxy: HttpProxy, service: Service) -> None:
    await _strike(proxy, "agent-resets-after-work")
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await _post(proxy)
    assert service.asked == ["POST /base/messages work"]


async def test_a_rubbish_answer_comes_with_200_after_the_work_was_done(
    proxy: HttpProxy, service: Service
) -> None:
    await _strike(proxy, "agent-answers-rubbish")
    answered = await _post(proxy)
    assert answered.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answered.json()
    assert len(service.asked) == 1


@pytest.mark.parametrize("name", ["agent-answers-500", "agent-resets-after-work"])
async def test_a_healed_agent_answers_again(proxy: HttpProxy, world: World, name: str) -> None:
    fault = {fault.name: fault for fault in agent_faults({"one": proxy})}[name]
    assert "one" in await fault.inject(world, random.Random(1))
    await fault.heal(world)
    assert (await _post(proxy)).json() == {"well": True}


async def test_a_registry_that_is_down_refuses_connections_until_it_is_healed(
    proxy: HttpProxy, world: World
) -> None:
    down = registry_faults(proxy)[0]
    await down.inject(world, random.Random(1))
    with pytest.raises(httpx2.ConnectError):
        await _post(proxy)
    await down.heal(world)
    await down.heal(world)
    assert (await _post(proxy)).status_code == 200


async def test_a_registry_answers_500_slowly_or_rubbish(proxy: HttpProxy, world: World) -> None:
    rng = random.Random(1)
    slow, broken, rubbish = registry_faults(proxy)[1:]
    await slow.inject(world, rng)
    with pytest.raises(httpx2.ReadTimeout):
        await _post(proxy, timeout=0.3)
    await slow.heal(world)
    await broken.inject(world, rng)
    assert (await _post(proxy)).status_code == 500
    await broken.heal(world)
    await rubbish.inject(world, rng)
    assert "hotel" in (await _post(proxy)).text
    await rubbish.heal(world)
    assert (await _post(proxy)).json() == {"well": True}


async def test_a_service_that_is_away_is_a_reset(loop: BackgroundLoop) -> None:
    def unknown() -> str:
        raise LookupError("no address yet")

    proxy = HttpProxy(loop, "proxy", unknown)
    await proxy.listener.open()
    with pytest.raises((httpx2.ReadError, httpx2.RemoteProtocolError)):
        await _post(proxy)
    await proxy.listener.close()
