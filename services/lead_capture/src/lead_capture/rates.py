"""How many leads strangers may post: by who posts, for whom, and for whose domain; each an hour and a day.

Somebody else's address in the form makes us write to him. The limits for a recipient and for a domain hold
whoever posts. A post that is refused counts against who posts it and not against the recipient: otherwise a
stranger could keep somebody locked out by posting on and on.
"""

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from typing import Final

from lead_capture.callers import Caller
from lead_capture.charges import Charge
from lead_capture.forwarding import counted_as
from lead_capture.settings import LeadCaptureSettings
from signalbox.addresses import recipient_key

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_SUBSCRIBERS: Final = 10
"""What an IPv6 /48 may post, in limits of one /64."""


class Rates:
    """Says what a post by a stranger counts against."""

    def __init__(self, settings: LeadCaptureSettings) -> None:
        self._settings = settings
        self._providers = _providers() | set(settings.mail_providers.lower().replace(",", " ").split())

    def charges(self, caller: Caller, email: str) -> list[Charge]:
        """Return the counters of a post by ``caller`` for ``email``; none for who is no stranger."""
        return list(self._charges(caller, email)) if caller.stranger else []

    def _charges(self, caller: Caller, email: str) -> Iterator[Charge]:
        limits = self._settings
        hour, day = limits.leads_per_address_hour, limits.leads_per_address_day
        subscriber, network = counted_as(caller.address) if caller.address else ("unknown", None)
        yield from _both("address", subscriber, hour, day, of_poster=True)
        if network:
            yield from _both("network", network, _SUBSCRIBERS * hour, _SUBSCRIBERS * day, of_poster=True)
        recipient = recipient_key(email)
        hour, day = limits.leads_per_recipient_hour, limits.leads_per_recipient_day
        yield from _both("recipient", recipient, hour, day)
        domain = recipient.rpartition("@")[2]
        if domain in self._providers:
            hour, day = limits.leads_per_provider_hour, limits.leads_per_provider_day
        else:
            hour, day = limits.leads_per_domain_hour, limits.leads_per_domain_day
        yield from _both("domain", domain, hour, day)


def _providers() -> set[str]:
    lines = files("lead_capture").joinpath("mail_providers.txt").read_text("utf-8").splitlines()
    return {line for line in lines if not line.startswith("#")}


def _both(kind: str, value: str, hour: int, day: int, *, of_poster: bool = False) -> Iterator[Charge]:
    for name, limit, period in (("hour", hour, _HOUR), ("day", day, _DAY)):
        digest = hashlib.sha256(f"{kind} {name} {value}".encode()).hexdigest()
        yield Charge(digest, limit, period, of_poster)
