"""Everything that stands around the stack, opened together and closed together."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import psutil

from fault import AGENTS, Fault, Kind, World
from injectors.agents import agent_faults, is_message
from injectors.background import BackgroundLoop
from injectors.forged import BrokenAnswers
from injectors.http_proxy import HttpProxy
from injectors.model_server import ModelServer, model_faults
from injectors.network import Network
from injectors.pages import PageServer, page_faults
from injectors.preload import NoCompiler, Preload
from injectors.process_faults import broker_faults, process_faults
from injectors.proxies import proxy_faults
from injectors.rebalances import ReplicasComeAndGo
from injectors.registrations import ForgedRegistrations, Forger
from injectors.registry import registry_faults
from injectors.smtp import SmtpSink, smtp_faults
from injectors.storage_and_clock import prepare, storage_and_clock_faults
from injectors.supervisor import Supervisor
from local_stack.instances import kind_of
from local_stack.processes import environment_of
from local_stack.services import APPLICATIONS, REGISTRY

_EXAMPLES: Final = Path(__file__).resolve().parents[3] / "examples" / "malformed"
_MODEL_VARIABLES: Final = ("LLM_MODEL", "ROUTER_LLM_MODEL", "AGENT_LLM_MODEL")
_MODEL: Final = {
    **dict.fromkeys(_MODEL_VARIABLES, "openai-chat:faulty"),
    "LLM_API_KEY": "none",
    "LLM_TIMEOUT_S": "5",
}
_READERS: Final = ("lead_ingestion", "active_outreach", "nurture_campaign")
"""The agents that read websites."""
_NO_MODEL: Final = dict.fromkeys(_MODEL_VARIABLES, "offline")


class NotSurrounded(Exception):
    """The stack was started without the settings that lead it through proxies."""


@dataclass
class Around:
    """What stands, and what it can do."""

    faults: Sequence[Fault]
    _supervisor: Supervisor
    _watching: list["asyncio.Task[None]"] = field(default_factory=list)

    async def ready(self, world: World) -> None:
        """From now on, whatever ends is started again.

        Raises:
            NotSurrounded: a process does not have what the world says of it, so faults would pass it by.
        """
        await asyncio.to_thread(_ensure_surrounded, world)
        self._watching.append(asyncio.create_task(self._supervisor.watch()))

    async def end(self) -> None:
        """Stop watching.

        Raises:
            Exception: whatever ended the watch before its time, for then nothing was started again.
        """
        for task in self._watching:
            task.cancel()
        for ended in await asyncio.gather(*self._watching, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


@asynccontextmanager
async def open_surroundings(world: World, kinds: frozenset[Kind]) -> AsyncIterator[Around]:
    """Open the servers that ``kinds`` need and tell the world of them; see ``fault.OpenSurroundings``."""
    async with AsyncExitStack() as opened:
        loop = opened.enter_context(BackgroundLoop())
        supervisor = Supervisor(world.run_dir / "stack", world.run_dir / "restarts.jsonl")
        registry = await _registry(opened, loop, world, kinds)
        model, before_model = await _model(opened, loop, world, kinds)
        faults: dict[Kind, Sequence[Fault]] = {
            Kind.PROCESS: process_faults(supervisor),
            Kind.BROKER: broker_faults(supervisor),
            Kind.REGISTRY: registry_faults(registry) if registry else [],
            Kind.MODEL: model_faults(model) if model else [],
            Kind.AGENT: await _agents(opened, loop, world, kinds),
            Kind.SMTP: await _smtp(opened, loop, world),
            Kind.NETWORK: await _network(opened, loop, world, kinds),
            Kind.STORAGE_AND_CLOCK: _storage_and_clock(world, kinds),
            Kind.REBALANCE: [ReplicasComeAndGo(supervisor)],
            Kind.PROXY: proxy_faults(registry, before_model) if registry and before_model else [],
            Kind.PAGES: await _pages(opened, loop, world, kinds),
            Kind.REGISTRATION: await _registrations(opened, loop, world),
        }
        around = Around([fault for kind in sorted(kinds) for fault in faults[kind]], supervisor)
        opened.push_async_callback(around.end)
        yield around


def _ensure_surrounded(world: World) -> None:
    for recorded in world.stack.processes:
        has = environment_of(psutil.Process(recorded.pid))
        wanted = world.env_of.get(kind_of(recorded.service), {})
        if missing := [name for name, value in wanted.items() if has.get(name) != value]:
            raise NotSurrounded(f"{recorded.service} was started without {', '.join(missing)}")
    for name, listener in world.second_listeners.items():
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", listener.port)) != 0:
                raise NotSurrounded(f"{name} does not listen at {listener.port}, where its proxy leads")


async def _smtp(opened: AsyncExitStack, loop: BackgroundLoop, world: World) -> Sequence[Fault]:
    sink = SmtpSink(loop, world.mails)
    await sink.open()
    opened.push_async_callback(sink.close)
    world.env |= {
        "SMTP_URL": sink.url,
        "SMTP_STARTTLS": "off",
        "SMTP_TIMEOUT_S": "6",
        "MAIL_POLL_S": "0.2",
        "MAIL_FIRST_RETRY_S": "0.5",
    }
    return smtp_faults(sink)


async def _model(
    opened: AsyncExitStack, loop: BackgroundLoop, world: World, kinds: frozenset[Kind]
) -> tuple[ModelServer | None, HttpProxy | None]:
    """Open the model server and, where it is wanted, the proxy before it."""
    if not kinds & {Kind.MODEL, Kind.PROXY}:
        world.env |= _NO_MODEL
        return None, None
    server = ModelServer(loop, world.model_answers)
    await server.open()
    opened.push_async_callback(server.close)
    world.env |= {**_MODEL, "LLM_BASE_URL": server.url}
    if Kind.PROXY not in kinds:
        return server, None
    proxy = await _proxied(opened, HttpProxy(loop, "model proxy", lambda: server.url))
    world.env["LLM_BASE_URL"] = proxy.url
    return server, proxy


async def _registry(
    opened: AsyncExitStack, loop: BackgroundLoop, world: World, kinds: frozenset[Kind]
) -> HttpProxy | None:
    if not kinds & {Kind.REGISTRY, Kind.PROXY}:
        return None
    proxy = await _proxied(opened, HttpProxy(loop, REGISTRY, lambda: world.stack.addresses[REGISTRY]))
    for service in APPLICATIONS:
        world.env_of.setdefault(service.kind, {})["SCHEMA_REGISTRY_URL"] = proxy.url
    return proxy


async def _agents(
    opened: AsyncExitStack, loop: BackgroundLoop, world: World, kinds: frozenset[Kind]
) -> Sequence[Fault]:
    if Kind.AGENT not in kinds:
        return []
    proxies = {agent: HttpProxy(loop, agent, partial(_address, world, agent), is_message) for agent in AGENTS}
    for agent, proxy in proxies.items():
        await _proxied(opened, proxy)
        world.env_of.setdefault(agent, {})["AGENT_ENDPOINT"] = proxy.url
        world.env[f"{agent.upper()}_ENDPOINT"] = proxy.url  # what the stack grants it
    return [*agent_faults(proxies), BrokenAnswers(_EXAMPLES)]


async def _network(
    opened: AsyncExitStack, loop: BackgroundLoop, world: World, kinds: frozenset[Kind]
) -> Sequence[Fault]:
    if Kind.NETWORK not in kinds:
        return []
    network = Network(loop, world)
    await network.open()
    opened.push_async_callback(network.close)
    return network.faults


async def _pages(
    opened: AsyncExitStack, loop: BackgroundLoop, world: World, kinds: frozenset[Kind]
) -> Sequence[Fault]:
    if Kind.PAGES not in kinds:
        return []
    server = PageServer(loop)
    await server.listener.open()
    opened.push_async_callback(server.listener.close)
    world.website = f"http://{server.place}"
    for agent in _READERS:
        world.env_of.setdefault(agent, {}).update(WEBSITE_FETCH="on", WEBSITE_ALLOW=server.place)
    return page_faults(server)


def _storage_and_clock(world: World, kinds: frozenset[Kind]) -> Sequence[Fault]:
    if Kind.STORAGE_AND_CLOCK not in kinds:
        return []
    try:
        preload = Preload(world.run_dir / "preload")
    except NoCompiler as error:
        print(f"NO FULL DISKS AND NO CLOCK JUMPS IN THIS RUN: {error}", file=sys.stderr)
        return []
    prepare(preload, world)
    return storage_and_clock_faults(preload)


async def _registrations(opened: AsyncExitStack, loop: BackgroundLoop, world: World) -> Sequence[Fault]:
    forger = Forger(loop, world.forger)
    await forger.listener.open()
    opened.push_async_callback(forger.listener.close)
    return [ForgedRegistrations(forger)]


async def _proxied(opened: AsyncExitStack, proxy: HttpProxy) -> HttpProxy:
    await proxy.listener.open()
    opened.push_async_callback(proxy.listener.close)
    return proxy


def _address(world: World, service: str) -> str:
    return world.stack.addresses[service]
