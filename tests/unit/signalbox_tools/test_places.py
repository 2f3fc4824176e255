import asyncio
import socket
import threading
from ipaddress import ip_address
from typing import Any

import pytest

from signalbox_agent.tools import Directory, NotAvailable, ToolSettings, Website
from signalbox_agent.tools.global_addresses import is_public
from signalbox_agent.tools.name_lookups import NameLookups

PUBLIC = [
    "93.184.215.14",
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "198.17.255.255",
    "223.255.255.254",
    "2606:2800:220:1:248:1893:25c8:1946",
    "2a00:1450:4001:81b::200e",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]
NOT_PUBLIC = [
    # named by a report
    "64:ff9b:1::7f00:1",
    "64:ff9b:1:abcd::808:808",
    "fec0::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:0:127.0.0.1",
    "::ffff:0:8.8.8.8",
    "192.0.0.8",
    # IPv4 in IPv6
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2002:7f00:1::",
    "2002:c0a8:101::1",
    "2001:0:808:808:0:0:f7f7:f7f7",
    "2a00::5efe:7f00:1",
    "2a00::200:5efe:10.0.0.1",
    # IPv4
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.0.1",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.1.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    # IPv6
    "::",
    "::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:1::1",
    "2001:2::1",
    "2001:3::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:db8::1",
    "2620:4f:8000::1",
    "3fff::1",
    "3fff:fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%eth0",
    "2a00::1%1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_special_address_and_one_inside_another_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


class Resolver:
    """A name server that does not answer until it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers = threading.Event()
        self.asked: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.endswith("slow.com"):
            self.answers.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Any:
    resolver = Resolver(monkeypatch)
    yield resolver
    resolver.answers.set()


async def test_a_slow_name_server_frees_whoever_asks_at_the_deadline(resolver: Resolver) -> None:
    names = NameLookups(deadline_s=0.05)
    with pytest.raises(TimeoutError):
        await names.addresses("a.slow.com", 80)
    assert await names.addresses("fast.com", 80) == [ip_address("8.8.8.8")]


async def test_slow_look_ups_leave_the_default_executor_alone(resolver: Resolver) -> None:
    names = NameLookups(most=100, most_a_domain=100, deadline_s=0.05)
    await asyncio.gather(
        *(names.addresses(f"{number}.slow.com", 80) for number in range(60)), return_exceptions=True
    )
    async with asyncio.timeout(5):
        assert await asyncio.to_thread(lambda: "free") == "free"


async def test_one_domain_can_not_take_all_look_ups(resolver: Resolver) -> None:
    names = NameLookups(most=8, most_a_domain=2, deadline_s=0.05)
    for number in range(2):
        with pytest.raises(TimeoutError):
            await names.addresses(f"{number}.slow.com", 80)
    with pytest.raises(OSError, match="too many"):
        await names.addresses("3.slow.com", 80)
    assert await names.addresses("fast.com", 80)
    assert len(resolver.asked) == 3


async def test_with_all_look_ups_hanging_the_next_is_told_at_once_and_later_ones_work(
    resolver: Resolver,
) -> None:
    names = NameLookups(most=2, most_a_domain=2, deadline_s=0.05)
    for number in range(2):
        with pytest.raises(TimeoutError):
            await names.addresses(f"{number}.slow.com", 80)
    with pytest.raises(OSError, match="too many"):
        await names.addresses("fast.com", 80)
    resolver.answers.set()
    async with asyncio.timeout(5):
        while names._running.total():
            await asyncio.sleep(0.01)
    assert await names.addresses("fast.com", 80)


async def test_hanging_look_ups_do_not_hold_up_the_end_of_the_process(resolver: Resolver) -> None:
    with pytest.raises(TimeoutError):
        await NameLookups(deadline_s=0.01).addresses("a.slow.com", 80)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "name-lookup")


@pytest.mark.parametrize("host", ["a" * 300 + ".com", "x" * 64 + ".com", "a..com", "xn--a.com", "\u2603.com"])
async def test_a_name_that_is_none_is_not_available(host: str) -> None:
    found = await Website(ToolSettings(website_fetch="on")).fetch(f"http://{host}/")
    assert isinstance(found, NotAvailable)


async def test_a_slow_name_server_of_an_endpoint_does_not_reach_the_default_executor(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox_agent.tools.lookup.NAMES", NameLookups(deadline_s=0.05))
    directory = Directory.crm(ToolSettings(crm_url="https://crm.slow.com/v1"))
    found = [await directory.find(email="x@acme.example") for _ in range(12)]
    assert all(isinstance(one, NotAvailable) for one in found)
    assert len(resolver.asked) == 8
