"""Whose request it is when a proxy passes it on: only what listed proxies say of it is believed."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.datastructures import Headers

from signalbox.protocol.errors import ConfigurationError

Address = IPv4Address | IPv6Address

_MOST_HOPS: Final = 32
_FORWARDED_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*("[^"]*"|[^;\s]*)', re.IGNORECASE)
_ELEMENT: Final = re.compile(r'(?:"[^"]*"|[^,"])+')
_PROXIES_SAY: Final = frozenset(
    {
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "cf-connecting-ip",
        "cf-ray",
        "cdn-loop",  # RFC 8586
        "do-connecting-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "forwarded-for",
        "incap-client-ip",
        "proxy-client-ip",
        "wl-proxy-client-ip",
        "x-amzn-trace-id",
        "x-appengine-user-ip",
        "x-azure-clientip",
        "x-azure-socketip",
        "x-envoy-external-address",
        "x-forwarded",
        "x-nf-client-connection-ip",
        "x-original-forwarded-for",
        "x-originating-ip",
        "x-remote-ip",
        "x-vercel-forwarded-for",
    }
)
_NAT64: Final = IPv6Network("64:ff9b::/96")


def passed_on(headers: Headers) -> bool:
    """Say whether a proxy has passed this request on, by the headers that proxies add."""
    return any(name in _PROXIES_SAY or name.startswith("x-forwarded-") for name in headers)


def address_of(text: str) -> Address | None:
    """Read an address as peers and proxies write it, with port, brackets and zone; None: it is none.

    An IPv4 address in an IPv6 one is that IPv4 address.
    """
    host = text.strip().strip('"')
    if host.startswith("["):
        host, bracket, port = host[1:].partition("]")
        if not bracket or not re.fullmatch(r"(:\d{1,5})?", port):
            return None
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return _embedded(found) or found


def counted_as(address: Address) -> tuple[str, str | None]:
    """Return what one subscriber has of addresses, and the larger network that he may have, if any.

    An IPv6 subscriber has a /64 at least, and often a /48.
    """
    if isinstance(address, IPv4Address):
        return str(address), None
    return str(IPv6Network((address, 64), strict=False)), str(IPv6Network((address, 48), strict=False))


class Proxies:
    """The listed proxies, and the one header that they write: any other is the client's own.

    Raises:
        ConfigurationError: what is listed is no network, or is every network.
    """

    def __init__(self, listed: str, header: str) -> None:
        self._networks = [_network(text) for text in re.split(r"[\s,]+", listed.strip()) if text]
        self._header = header

    def __contains__(self, address: Address) -> bool:
        """Say whether a proxy is listed."""
        return any(address in network for network in self._networks)

    def client_of(self, peer: Address, headers: Headers) -> Address:
        """Return the last hop that no listed proxy is, of a request that the listed ``peer`` passed on.

        What stands left of it is the client's own invention. Where a hop is not readable, the proxy that
        wrote it is counted in its place.
        """
        client = peer
        for hop in self._hops(headers):
            found = address_of(hop)
            if found is None:
                break
            client = found
            if client not in self:
                break
        return client

    def _hops(self, headers: Headers) -> Iterator[str]:
        """Give the hops, the nearest one first."""
        elements = _ELEMENT.findall(",".join(headers.getlist(self._header)))
        for element in reversed(elements[-_MOST_HOPS:]):
            if self._header == "forwarded":
                found = _FORWARDED_FOR.search(element)
                yield found[1] if found else ""
            else:
                yield element


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        detail = "expected addresses or networks such as 10.0.0.0/8, separated by commas"
        raise ConfigurationError(f"TRUSTED_PROXIES has {text!r}: {detail}") from None
    if network.prefixlen == 0:
        raise ConfigurationError(f"TRUSTED_PROXIES has {text}: whoever is everywhere is no proxy of yours")
    return network


def _embedded(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
    if inner is None and address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner
