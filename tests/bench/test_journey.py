"""How long a lead takes from the form to its schedule, and how many come through in a second."""

import statistics
import time

import httpx2

from local_stack import Stack
from operating import Operator, lead


async def test_a_lead_alone_and_many_at_once(stack: Stack) -> None:
    async with httpx2.AsyncClient(timeout=10) as http:
        operator = Operator(stack, http)
        await operator.settled([await operator.post(**lead(0))])
        alone = []
        for number in range(1, 11):
            began = time.perf_counter()
            await operator.settled([await operator.post(**lead(number))])
            alone.append(time.perf_counter() - began)
        began = time.perf_counter()
        together = await operator.post_many(100, first=100)
        await operator.settled(together, deadline_s=300)
        elapsed = time.perf_counter() - began
    print(
        f"\none lead, nine hops: median {statistics.median(alone):.2f} s, worst {max(alone):.2f} s; "
        f"100 leads at once: {100 / elapsed:.1f} leads a second, {500 / elapsed:.0f} messages a second"
    )
