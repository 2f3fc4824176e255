"""The links to brokers, seen by a client of an echo server behind the proxy."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from fault import World
from injectors.background import BackgroundLoop
from injectors.listener import Listener, streams
from injectors.network import LinkFault, Network


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1024):
        writer.write(data)
    writer.close()


@pytest.fixture
async def network(loop: BackgroundLoop, world: World) -> AsyncIterator[Network]:
    world.brokers = 2
    made = Network(loop, world)
    brokers = [Listener(loop, name, streams(_echo)) for name in made.proxies]
    for broker, second in zip(brokers, world.second_listeners.values(), strict=True):
        broker.port = second.port
        await broker.open()
    await made.open()
    yield made
    await made.close()
    for broker in brokers:
        await broker.close()


def _fault(network: Network, name: str) -> LinkFault:
    found = next(fault for fault in network.faults if fault.name == name)
    assert isinstance(found, LinkFault)
    return found


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def to(cls, network: Network, broker: str = "broker") -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", network.proxies[broker].listener.port))

    async def says(self, word: bytes, timeout: float = 10) -> bytes:
        self._writer.write(word)
        async with asyncio.timeout(timeout):
            return await self._reader.readexactly(len(word))


async def test_the_world_is_told_where_brokers_listen_and_which_way_orchestrators_go(
    network: Network, world: World
) -> None:
    servers = world.env_of["orchestrator"]["KAFKA_BOOTSTRAP_SERVERS"].split(",")
    assert servers == [f"127.0.0.1:{proxy.listener.port}" for proxy in network.proxies.values()]
    assert servers == [second.advertised for second in world.second_listeners.values()]
    assert list(world.second_listeners) == ["broker", "broker_2"]


async def test_a_healthy_link_carries_everything_both_ways(network: Network) -> None:
    client = await Client.to(network)
    big = b"x" * 300_000
    assert await client.says(big) == big


async def test_a_partition_holds_up_open_and_new_connections_and_loses_nothing(
    network: Network, world: World
) -> None:
    partition = _fault(network, "network-partitioned")
    old = await Client.to(network)
    assert await old.says(b"before") == b"before"
    await partition.inject(world, random.Random(1))
    with pytest.raises(TimeoutError):
        await old.says(b"during", 0.3)
    new = await Client.to(network)
    with pytest.raises(TimeoutError):
        await new.says(b"hello", 0.3)
    await partition.heal(world)
    assert await old.says(b"") == b""
    assert await asyncio.wait_for(old._reader.readexactly(6), 10) == b"during"
    assert await asyncio.wait_for(new._reader.readexactly(5), 10) == b"hello"


async def test_a_partition_from_one_broker_leaves_the_others(network: Network, world: World) -> None:
    fault = _fault(network, "network-partitioned-from-one")
    said = await fault.inject(world, random.Random(1))
    victim = "broker_2" if "broker_2" in said else "broker"
    other = next(name for name in network.proxies if name != victim)
    assert await (await Client.to(network, other)).says(b"well") == b"well"
    with pytest.raises(TimeoutError):
        await (await Client.to(network, victim)).says(b"lost", 0.3)


async def test_a_slow_link_takes_its_time_in_both_directions(network: Network, world: World) -> None:
    await _fault(network, "network-slow").inject(world, random.Random(1))
    client = await Client.to(network)
    with pytest.raises(TimeoutError):
        await client.says(b"x", 0.15)
    assert await asyncio.wait_for(client._reader.readexactly(1), 10) == b"x"
    assert network.proxies["broker"].condition.struck == 2


async def test_a_link_that_loses_something_cuts_the_connection(network: Network, world: World) -> None:
    await network.proxies["broker"].change(lost=1.0)
    client = await Client.to(network)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await client.says(b"x")
    await _fault(network, "network-loses-connections").heal(world)
    assert await (await Client.to(network)).says(b"x") == b"x"
