"""The network between orchestrators and brokers: TCP proxies that delay, stall, and cut."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from fault import Fault, Kind, SecondListener, World
from injectors.background import BackgroundLoop
from injectors.evidence_of_harm import LONG_S, Harm
from injectors.listener import Listener, reset, streams
from local_stack.ports import free_ports
from local_stack.services import BROKER, SERVICES, Service

_CHUNK: Final = 64 * 1024


@dataclass
class Condition:
    """What the link to one broker is like; both directions are the same.

    ``delay_s`` is added to each chunk, ``lost`` is the chance that a chunk cuts the connection instead.
    """

    delay_s: float = 0.0
    lost: float = 0.0
    passes: asyncio.Event = field(default_factory=asyncio.Event)
    struck: int = 0
    """How many chunks were delayed or held up, and how many connections cut."""


class TcpProxy:
    """One broker's second address."""

    def __init__(self, loop: BackgroundLoop, name: str, upstream: int) -> None:
        self._upstream = upstream
        self._rng = random.Random(upstream)
        self._loop = loop
        self.condition = Condition()
        self.condition.passes.set()
        self.listener = Listener(loop, name, streams(self._serve))
        self.connections = 0

    async def change(self, *, delay_s: float = 0.0, lost: float = 0.0, passes: bool = True) -> None:
        """Make the link like this from now on."""

        async def changed() -> None:
            self.condition.delay_s, self.condition.lost = delay_s, lost
            if passes:
                self.condition.passes.set()
            else:
                self.condition.passes.clear()

        await self._loop.run(changed())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            # Through a link that is cut, no connection is made: the client waits, and so does this.
            self.condition.struck += not self.condition.passes.is_set()
            await self.condition.passes.wait()
            broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            reset(writer.transport)
            return
        ways = [
            asyncio.create_task(self._carry(reader, broker_writer)),
            asyncio.create_task(self._carry(broker_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            reset(writer.transport)
            reset(broker_writer.transport)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry what comes, until either side ends or the link loses something."""
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                if await self._is_lost():
                    return
                writer.write(data)
                await writer.drain()

    async def _is_lost(self) -> bool:
        link = self.condition
        lost = self._rng.random() < link.lost
        link.struck += bool(link.delay_s) or lost or not link.passes.is_set()
        if link.delay_s:
            await asyncio.sleep(link.delay_s * self._rng.uniform(0.5, 1.5))
        await link.passes.wait()
        return lost


@dataclass
class LinkFault:
    """The links to all brokers, or to ``one`` of them, are bad."""

    name: str
    proxies: Mapping[str, TcpProxy]
    delay_s: float = 0.0
    lost: float = 0.0
    passes: bool = True
    one: bool = False
    at_least_s: float = 0.0
    kind: Kind = Kind.NETWORK
    _harm: Harm | None = None

    async def inject(self, world: World, rng: random.Random) -> str:
        every = sorted(self.proxies)
        victims = [rng.choice(every)] if self.one else every
        for victim in victims:
            await self.proxies[victim].change(delay_s=self.delay_s, lost=self.lost, passes=self.passes)
        self._harm = Harm(self.name, lambda: sum(self.proxies[name].condition.struck for name in victims))
        nothing = await self._harm.begins()
        await asyncio.sleep(self.at_least_s)
        return f"{self.name}: between orchestrators and {', '.join(victims)}{nothing}"

    async def heal(self, world: World) -> None:
        for proxy in self.proxies.values():
            await proxy.change()
        if self._harm is not None:
            self._harm.note(world)
            self._harm = None


class Network:
    """A proxy for each broker, and what the world has to know of them before the stack is up."""

    def __init__(self, loop: BackgroundLoop, world: World) -> None:
        names = [Service(BROKER, SERVICES[BROKER].first_port, n + 1).name for n in range(world.brokers)]
        ports = free_ports(names)
        self.proxies = {name: TcpProxy(loop, name, ports[name]) for name in names}
        for name, proxy in self.proxies.items():
            world.second_listeners[name] = SecondListener(ports[name], f"127.0.0.1:{proxy.listener.port}")
        servers = ",".join(listener.advertised for listener in world.second_listeners.values())
        world.env_of.setdefault("orchestrator", {})["KAFKA_BOOTSTRAP_SERVERS"] = servers

    async def open(self) -> None:
        for proxy in self.proxies.values():
            await proxy.listener.open()

    async def close(self) -> None:
        for proxy in self.proxies.values():
            await proxy.listener.close()

    @property
    def faults(self) -> list[Fault]:
        return [
            LinkFault("network-slow", self.proxies, delay_s=0.2),
            LinkFault("network-partitioned", self.proxies, passes=False),
            LinkFault("network-partitioned-for-long", self.proxies, passes=False, at_least_s=LONG_S),
            LinkFault("network-partitioned-from-one", self.proxies, passes=False, one=True),
            LinkFault("network-loses-connections", self.proxies, lost=0.02),
        ]
