"""What a website's robots.txt allows (RFC 9309). A stranger may have written it, and the address as well."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from protego import Protego

AGENT: Final = "signalbox"
"""The product token that rules can name."""
BYTE_LIMIT: Final = 512 * 1024
"""Bytes that are read; RFC 9309 section 2.5 wants 500 KiB at least."""
MOST_REDIRECTS: Final = 5
NONE: Final = (HTTPStatus.NOT_FOUND.value, b"")
"""As a site without rules answers, and as more redirects than that count (RFC 9309 section 2.3.1.2)."""

_PATH_LIMIT: Final = 2_000


def may_fetch(status: int, body: bytes, address: str) -> bool:
    """Say whether the answer to a request for robots.txt lets ``address`` be fetched.

    A site without rules (4xx) allows everything, one that can't tell (5xx) nothing: RFC 9309 section 2.3.1.
    """
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    if status != HTTPStatus.OK:
        return True
    rules = Protego.parse("\n".join(_bounded(body.decode("utf-8", "replace"))))
    return bool(rules.can_fetch(address[:_PATH_LIMIT], AGENT))


def _bounded(text: str) -> Iterator[str]:
    # A rule's wildcards become a regular expression, which takes the length of the address to the power of
    # their number. So one is kept: what is disallowed becomes more, and what is allowed less.
    for line in text.splitlines():
        rule = line.partition("#")[0]
        kept = rule.split("*", 2)
        if len(kept) < 3:  # noqa: PLR2004 - the parts around one wildcard
            yield rule
        elif not rule.lstrip().lower().startswith("allow"):
            yield "*".join(kept[:2])
