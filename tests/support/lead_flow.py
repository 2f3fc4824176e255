"""Leads that keep coming in while something else is tried: each id, and what is to become of it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from operating import FINAL, Operator, lead

ENGAGED: Final[dict[str, Any]] = {}
"""Scores well: the lead is written to by ``active_outreach``."""
NURTURED: Final = {
    "job_title": "Logistics Analyst",
    "lead_source": "newsletter",
    "project_description": "We are interested, but need time: helpful information over several weeks.",
}
"""Scores middling: the lead is written to by ``nurture_campaign``."""
DISQUALIFIED: Final = {
    "job_title": "Student",
    "email": "student@gmail.com",
    "project_description": "I need material for my thesis, I am not buying anything.",
}
"""No one writes to it."""

Kinds = Sequence[tuple[Mapping[str, Any], str]]
EACH_KIND: Final[Kinds] = ((ENGAGED, "scheduled"), (NURTURED, "scheduled"), (DISQUALIFIED, "ended"))
_EVERY_S: Final = 1.0
_IN_FLIGHT: Final = 4


@dataclass
class LeadFlow:
    """``expected`` has each lead that was posted so far, and the state that it has to end in."""

    operator: Operator
    first: int
    kinds: Kinds
    expected: dict[str, str] = field(default_factory=dict)
    _seen_settled: set[str] = field(default_factory=set)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _posting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to post."""
        self._posting = asyncio.create_task(self._post())

    async def stop(self) -> None:
        """Post no more. Raises what went wrong with posting."""
        self._stopping.set()
        if self._posting is not None:
            await self._posting

    async def settle(self) -> None:
        """Wait until every lead that was posted so far was in a final state."""
        waiting = [lead_id for lead_id in self.expected if lead_id not in self._seen_settled]
        self._seen_settled.update(await self.operator.settled(waiting, deadline_s=120))

    async def outcome(self) -> dict[str, str]:
        """Post no more, wait until all leads are in a final state, and return the states."""
        await self.stop()
        return await self.operator.settled(list(self.expected), deadline_s=120)

    async def _post(self) -> None:
        posted: deque[str] = deque()
        while not self._stopping.is_set():
            kind, state = self.kinds[len(self.expected) % len(self.kinds)]
            lead_id = await self.operator.post(**lead(self.first + len(self.expected), **kind))
            self.expected[lead_id] = state
            posted.append(lead_id)
            await asyncio.sleep(_EVERY_S)
            if len(posted) > _IN_FLIGHT:
                # No faster than the machine handles them: what a test posts itself waits behind these.
                await self._final(posted.popleft())

    async def _final(self, lead_id: str) -> None:
        while not self._stopping.is_set() and (await self.operator.journey(lead_id))["status"] not in FINAL:
            await asyncio.sleep(0.5)


@asynccontextmanager
async def flowing(
    operator: Operator, *, first: int = 50_000, kinds: Kinds = EACH_KIND
) -> AsyncIterator[LeadFlow]:
    """Let leads of each kind in turn flow, numbered from ``first``."""
    flow = LeadFlow(operator, first, kinds)
    flow.start()
    try:
        yield flow
    finally:
        await flow.stop()
