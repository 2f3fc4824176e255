"""Leads that keep coming in while something else is tried: each id, and what is to become of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from operating import Operator, lead

ENGAGED: Final[dict[str, Any]] = {}
"""Scores well: the lead is written to by ``active_outreach``."""
NURTURED: Final = {
    "job_title": "Logistics Analyst",
    "lead_source": "newsletter",
    "project_description": "We are exploring how to plan our trucks some day; there is no hurry at all.",
}
"""Scores middling: the lead is written to by ``nurture_campaign``."""
DISQUALIFIED: Final = {
    "job_title": "Student",
    "email": "student@gmail.com",
    "project_description": "I need material for my thesis, I am not buying anything.",
}
"""Nobody writes to it."""

_KINDS: Final = ((ENGAGED, "scheduled"), (NURTURED, "scheduled"), (DISQUALIFIED, "ended"))
_EVERY_S: Final = 0.3
_FIRST: Final = 50_000


@dataclass
class LeadFlow:
    """``expected`` has each lead that was posted so far, and the state that it has to end in."""

    operator: Operator
    expected: dict[str, str] = field(default_factory=dict)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Post a lead of each kind in turn until told to stop."""
        while not self._stopping.is_set():
            kind, state = _KINDS[len(self.expected) % len(_KINDS)]
            lead_id = await self.operator.post(**lead(_FIRST + len(self.expected), **kind))
            self.expected[lead_id] = state
            await asyncio.sleep(_EVERY_S)

    def stop(self) -> None:
        """Post no more."""
        self._stopping.set()

    async def all_settled(self, deadline_s: float = 120) -> dict[str, str]:
        """Wait until every lead that was posted so far is in a final state; return the states."""
        return await self.operator.settled(list(self.expected), deadline_s)


@asynccontextmanager
async def flowing(operator: Operator) -> AsyncIterator[LeadFlow]:
    """Let leads flow; a lead that can't be posted fails whoever asked for them."""
    flow = LeadFlow(operator)
    posting = asyncio.create_task(flow.run())
    try:
        yield flow
    finally:
        flow.stop()
        await posting
