"""Where a link leads: its host is parsed and compared, never the beginning of its text."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote

import idna

from signalbox_agent.texts.domain_ends import known_ends
from signalbox_agent.texts.phone_numbers import digits_of

_PORTS: Final = {"http": "80", "https": "443"}
_HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAMED_HOST: Final = re.compile(r"(?<![\w.-])(?:[\w-]+\.)+([^\W\d_][\w-]*)\.?(?![\w.-])")
_MACHINE: Final = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])|0x[0-9a-f]{8}")
_TIMES_ENCODED: Final = 6


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hosts, and phone numbers by their digits."""

    hosts: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def of(cls, entries: Collection[str]) -> Self:
        """Sort ``entries`` into hosts and numbers; one that is neither allows nothing."""
        words = [entry.strip() for entry in entries]
        hosts = {host for word in words if not _is_number(word) and (host := ascii_host(word))}
        return cls(frozenset(hosts), frozenset(digits_of(word) for word in words if _is_number(word)))

    def has_host(self, host: str) -> bool:
        """Say whether ``host`` is an allowed one, or below one."""
        name = ascii_host(host)
        return bool(name) and any(name == own or name.endswith(f".{own}") for own in self.hosts)

    def has_number(self, number: str) -> bool:
        """Say whether a phone number is an allowed one."""
        return digits_of(number) in self.numbers


def leads_to_us(link: str, allowed: Allowed) -> bool:
    """Say whether ``link`` can be nothing but a page of ours, or a mail to us.

    Anything unusual is not: another scheme, a user name, another port, and any link inside the link, since a
    page of ours may send its visitors on to where a parameter says.
    """
    link = _without_end(link)
    scheme, rest = _parted(link)
    if scheme is None or scheme not in ("http", "https", ""):
        return False
    authority, tail = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in authority:
        return not scheme and not tail and rest == link and _is_mail_to_us(authority, allowed)
    host, colon, port = authority.partition(":")
    if colon and port not in ({_PORTS[scheme]} if scheme else set()):
        return False
    return allowed.has_host(host) and not _holds_a_link(tail)


def ascii_host(text: str) -> str:
    """Return a host as DNS has it; empty when it is none."""
    try:
        name = text if text.isascii() else idna.encode(text, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return ""
    name = name.lower().rstrip(".")
    return name if _HOST.fullmatch(name) else ""


def _parted(link: str) -> tuple[str | None, str]:
    """Return the scheme in lower case (empty: none is named; None: it is no usual one) and what follows."""
    named = re.match(r"(?i)([a-z][a-z0-9+.-]*):(/*)(.*)", link, re.DOTALL)
    if named and (named[2] or not re.match(r"\d{1,5}(?:[/?#]|$)", named[3])):
        return (named[1].lower() if len(named[2]) == 2 else None), named[3]  # noqa: PLR2004
    # A link without a scheme goes where the client thinks; to our own host it may.
    return ("", link) if not link.startswith("/") else (None, link)


def _is_mail_to_us(address: str, allowed: Allowed) -> bool:
    local, _, host = address.rpartition("@")
    return re.fullmatch(r"[\w.+-]{1,64}", local) is not None and allowed.has_host(host)


def _holds_a_link(tail: str) -> bool:
    for _ in range(_TIMES_ENCODED):
        plain = unquote(tail, errors="replace")
        if plain == tail:
            return _names_a_place(plain)
        tail = plain
    return True  # whoever encodes it so often hides something


def _names_a_place(tail: str) -> bool:
    flat = unicodedata.normalize("NFKC", tail).replace("\\", "/").lower()
    if re.search(r"//|[a-z]:|@|[\x00-\x20\x7f]|&#", flat) or _MACHINE.search(flat):
        return True
    path, _, query = flat.partition("?")
    if any(match[1] in known_ends() or match[1].startswith("xn--") for match in _NAMED_HOST.finditer(path)):
        return True
    return _NAMED_HOST.search(query) is not None


def _without_end(link: str) -> str:
    """Return a link without the marks of the sentence that it ends."""
    end = len(link)
    while end and unicodedata.category(link[end - 1]) in _ENDS and link[end - 1] not in "/-_":
        end -= 1
    return link[:end]


_ENDS: Final = frozenset({"Po", "Pe", "Pf", "Pi", "Ps", "Pd", "Sk"})


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+(]?[\d\s()./-]{6,}", text) is not None
