"""Whose a domain is: what proves that a person belongs to a company is the domain of their own mail alone.

The company's name and website are what somebody typed into a form; they prove nothing.
"""

import re
from functools import cache
from importlib.resources import files
from typing import Final

import idna

from signalbox.addresses import mailbox

_SHAPE: Final = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")
_LONGEST: Final = 500


def own_domain(email: str) -> str:
    """Return the domain of ``email`` in its ASCII form; empty when anybody could have an address there."""
    try:
        domain = mailbox(email).domain
    except ValueError:
        return ""
    return "" if is_provider(domain) else domain


def named_domain(text: str) -> str:
    """Return the domain that a cell names, as a web address, a mail address or by itself; empty when none."""
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text[:_LONGEST].strip().lower())
    host = re.split(r"[/?#]", bare, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
    try:
        domain = idna.encode(host.rstrip(".").removeprefix("www."), uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        return ""
    return domain if _SHAPE.fullmatch(domain) and not is_provider(domain) else ""


def is_provider(domain: str) -> bool:
    """Say whether anybody can get an address at ``domain``: private and throw-away mail."""
    labels = domain.split(".")
    return any(".".join(labels[start:]) in _providers() for start in range(len(labels) - 1))


@cache
def _providers() -> frozenset[str]:
    lines = (files(__package__) / "mail_providers.txt").read_text(encoding="utf-8").split("\n")
    return frozenset(word for line in lines for word in line.partition("#")[0].split())
