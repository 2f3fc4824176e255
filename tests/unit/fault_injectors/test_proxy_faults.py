"""The proxy before registry and model: each of its answers is a bad moment to the product, and it heals."""

import json
from collections.abc import AsyncIterator
from typing import Literal

import pytest
from pydantic import BaseModel

from fault import Kind, World
from injectors.background import BackgroundLoop
from injectors.http_proxy import HttpProxy
from injectors.model_server import ModelServer
from injectors.proxies import proxy_faults
from injectors.strikes import StrikeFault
from signalbox.models import Model, ModelSettings
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import SchemaId
from signalbox.registry.client import Registry, RegistrySettings

ALPHA = {"id": "alpha", "name": "alpha", "description": "any", "input": ["a.B"], "output": ["a.C"]}


class Route(BaseModel):
    agent: Literal["alpha", "NONE"]
    reason: str


NAMES = [fault.name for fault in proxy_faults(HttpProxy(None, "", str), HttpProxy(None, "", str))]  # type: ignore[arg-type]


@pytest.fixture
async def before_model(loop: BackgroundLoop, world: World) -> AsyncIterator[HttpProxy]:
    server = ModelServer(loop, world.model_answers)
    await server.open()
    made = HttpProxy(loop, "model", lambda: server.url)
    await made.listener.open()
    yield made
    await made.listener.close()
    await server.close()


@pytest.fixture
async def before_registry(loop: BackgroundLoop) -> AsyncIterator[HttpProxy]:
    made = HttpProxy(loop, "registry", lambda: "http://127.0.0.1:9")
    await made.listener.open()
    yield made
    await made.listener.close()


@pytest.mark.parametrize("name", NAMES)
async def test_what_the_proxy_answers_is_a_bad_moment(
    before_registry: HttpProxy, before_model: HttpProxy, name: str
) -> None:
    fault = next(one for one in proxy_faults(before_registry, before_model) if one.name == name)
    assert isinstance(fault, StrikeFault)
    assert fault.kind is Kind.PROXY
    [strikes] = fault.servers.values()
    strikes.start(name, fault.mode, 1.0)
    with pytest.raises(Unavailable):
        if name.endswith("registry"):
            registry = Registry(RegistrySettings(url=before_registry.url))
            try:
                await registry.usages(SchemaId(7))
            finally:
                await registry.close()
        else:
            await _routed(before_model)
    assert strikes.struck[name] == 1
    strikes.stop(name)


async def test_without_a_fault_the_model_answers_through_the_proxy(before_model: HttpProxy) -> None:
    assert await _routed(before_model) == "alpha"


async def _routed(proxy: HttpProxy) -> str:
    done = await Model("faulty", ModelSettings(base_url=proxy.url, timeout_s=5)).complete(
        task="route",
        instructions="Choose.",
        prompt=f"Agents:\n{json.dumps([ALPHA])}\n\nMessage:\n{{}}",
        output_type=Route,
        stand_in=dict,
        message_id="m-1",
    )
    return done.output.agent
