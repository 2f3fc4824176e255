"""Which IP addresses belong to the public internet: a table, since Python's own judgement ages with it.

What is not listed as special is public for IPv4; for IPv6 only 2000::/3 is, less what is special in it.
Sources: IANA's special-purpose address registries for IPv4 and IPv6 (RFC 6890), and the addresses at
which clouds answer the machines inside them.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

_NOT_PUBLIC_V4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers; 100.100.100.200 is Alibaba's metadata
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host, in the midst of public addresses
            "169.254.0.0/16",  # 169.254.169.254 is the metadata of most clouds
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is Oracle's metadata
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_UNICAST_V6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, with Teredo, benchmarking and ORCHID
            "2001:db8::/32",
            "2620:4f:8000::/48",
            "3fff::/20",
        ),
    )
)
_NAT64: Final = IPv6Network("64:ff9b::/96")
_SIXTOFOUR: Final = IPv6Network("2002::/16")
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
"""RFC 5214: the interface's part of the address is this, and then an IPv4 address."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether a machine of the public internet has ``address``; an address inside another counts, too."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.scope_id is not None:
        return False
    inner = _wrapped(address)
    if inner is not None and not is_public(inner):
        return False
    if address.ipv4_mapped or address in _NAT64:
        return True  # the way there leads through IPv4, to the inner address
    return address in _UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that the way to ``address`` leads to.

    Teredo (in 2001::/23), addresses compatible with or translated to IPv4 (``::a.b.c.d``,
    ``::ffff:0:a.b.c.d``) and NAT64 for local use are outside of what is public, whatever is in them.
    """
    bits = int(address)
    if address.ipv4_mapped or address in _NAT64:
        return IPv4Address(bits & 0xFFFF_FFFF)
    if address in _SIXTOFOUR:
        return IPv4Address(bits >> 80 & 0xFFFF_FFFF)
    if bits >> 32 & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(bits & 0xFFFF_FFFF)
    return None
