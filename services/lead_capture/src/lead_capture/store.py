"""The lead store's port: each lead is kept with its own outbox state, one row or document a lead.

A lead that was accepted but not yet published has no ``published_at``. Lead and outbox entry are the
same row or document, so no transaction has to span two of them, and a document database without
transactions can be a store as well.

Several processes may share a store. The relay of each takes leads under a *lease*: until it ends, no
other process is given the same lead. A process that dies leaves its leases to run out; then another
publishes these leads, under the message ids that they have in every attempt. A process that comes back
under the same name has its leases still, and goes on at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, Protocol

from lead_capture.charges import Charge, Limited
from lead_capture.lead import CapturedLead
from signalbox.protocol.names import LeadId

LEASE: Final = timedelta(seconds=40)
"""Longer than the producer tries to deliver (30 s), so that a lease ends when its holder has given up."""


class CaptureOutcome(Enum):
    """What became of a lead that was added."""

    STORED = auto()
    KNOWN = auto()
    """The same lead was there before: a resubmission."""
    TAKEN = auto()
    """Another lead has this id; the store is unchanged."""


@dataclass(frozen=True, slots=True)
class OutboxState:
    """When a lead was captured and when its broker acknowledged it; ``published_at`` is None until then."""

    lead_id: LeadId
    captured_at: datetime
    published_at: datetime | None


class LeadStore(Protocol):
    """Keeps leads durably. Every method raises Unavailable when the database can't do it now."""

    async def add(self, leads: Sequence[CapturedLead]) -> list[CaptureOutcome]:
        """Keep the leads that are new; one outcome a lead, in their order.

        When it raises, some of the leads may have been kept; adding the same again does no harm.
        """

    async def admit(self, lead: CapturedLead, charges: Sequence[Charge]) -> CaptureOutcome | Limited:
        """Keep a stranger's lead when it is new and no counter is full, and count it.

        A lead that was there before is not counted again. One that is refused counts on the poster's counters
        alone. A crash may leave a count without its lead where the database has no transactions, never a lead
        without its count.
        """

    async def purge(self, now: datetime) -> None:
        """Forget the counters whose time has ended."""

    async def probe(self, size: int) -> None:
        """Write ``size`` bytes durably, in the place of those of the last probe."""

    async def state(self, lead_id: LeadId) -> OutboxState | None:
        """Return a lead's outbox state; None when the lead is unknown."""

    async def claim(self, limit: int) -> list[CapturedLead]:
        """Take leads that are still to be published, the oldest first, for the length of a lease.

        What this store claimed before and did not mark is given again; what others hold is not.
        """

    async def count_waiting(self) -> int:
        """Count the leads that are still to be published, by whomever."""

    async def mark_published(self, lead_ids: Sequence[LeadId], at: datetime) -> None:
        """Note that the broker has these leads."""

    async def close(self) -> None:
        """Give the leases back where that is possible, and let go of all connections."""
