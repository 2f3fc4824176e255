"""Which addresses a tool may connect to when the address comes from outside (server-side request forgery).

A lead's website may name a machine inside the network. So a name is looked up once, all of its addresses
must be public, and the connection goes to the very address that was checked: asking again could give another.
"""

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import httpx2

from signalbox_agent.tools.global_addresses import is_public
from signalbox_agent.tools.name_lookups import NAMES, NameLookups

_PORTS: Final = {"http": 80, "https": 443}
_RESERVED: Final = ("example", "test", "invalid", "localhost", "example.com", "example.net", "example.org")
"""RFC 2606: no one is there, so nothing is looked up."""
_INSIDE: Final = ("local", "internal", "lan", "home.arpa", "onion")


class PlaceRefused(Exception):
    """An address that must not be connected to; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A checked address: ``url`` has the IP address in it, ``host`` is the name that the page goes by."""

    url: httpx2.URL
    host: str
    authority: str

    def request(self) -> dict[str, Any]:
        """Return what keeps the name in the request: the host header, and the name in the certificate."""
        return {"headers": {"host": self.authority}, "extensions": {"sni_hostname": self.host}}


async def checked_place(url: str, allowed: Collection[tuple[str, int]], names: NameLookups = NAMES) -> Place:
    """Resolve ``url`` once and return the place to connect to; ``allowed`` hosts and ports may be private.

    Raises:
        PlaceRefused: the address is not http or https, reserved, private, or on an unusual port.
        OSError: the name can't be resolved, or not now.
        ValueError: the name can't be asked for.
        httpx2.InvalidURL: it is no address at all.
    """
    parsed = httpx2.URL(url)
    if parsed.scheme not in _PORTS:
        raise PlaceRefused(
            f"only http and https are fetched, not {parsed.scheme or 'an address without scheme'}"
        )
    if not parsed.host or parsed.userinfo:
        raise PlaceRefused("the address has no host, or a user name in it")
    host, port = parsed.raw_host.decode("ascii").lower().rstrip("."), parsed.port or _PORTS[parsed.scheme]
    trusted = (host, port) in allowed
    if not trusted:
        _check_name(host, port)
    addresses = await names.addresses(host, port)
    if not addresses:
        raise PlaceRefused(f"{host} has no address")
    if not trusted:
        _check_addresses(host, addresses)
    return Place(parsed.copy_with(host=str(addresses[0])), host, parsed.netloc.decode("ascii"))


def _check_name(host: str, port: int) -> None:
    if port not in _PORTS.values():
        raise PlaceRefused(f"port {port} is no port of a public website")
    for domain in (*_RESERVED, *_INSIDE):
        if host == domain or host.endswith(f".{domain}"):
            raise PlaceRefused(f".{domain} is a reserved name: there is no public website")
    if "." not in host and ":" not in host:
        raise PlaceRefused(f"{host} is no public name")


def _check_addresses(host: str, addresses: list[IPv4Address | IPv6Address]) -> None:
    for address in addresses:
        if not is_public(address):
            raise PlaceRefused(f"{host} is at {address}, which is not a public address")
