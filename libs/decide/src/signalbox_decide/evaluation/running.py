"""Running a router over cases: some at a time, with waits where the model is away."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from signalbox.protocol.errors import Unavailable
from signalbox_decide.evaluation.agents import Agents
from signalbox_decide.evaluation.answers import Answer, Judged, Run, judged
from signalbox_decide.evaluation.cases import Case
from signalbox_decide.evaluation.choosers import Choose

Progress = Callable[[int, int], None]
"""Takes how many cases are done, and how many there are."""
_WAITS_S: Final = (1.0, 3.0, 10.0, 30.0)
"""Seconds before each further try of a case, when the model is away and does not say how long."""
_LONGEST_WAIT_S: Final = 120.0


async def run(
    name: str,
    model: str,
    choose: Choose,
    cases: Sequence[Case],
    agents: Agents,
    *,
    concurrency: int = 4,
    progress: Progress = lambda done, of: None,
    waits_s: Sequence[float] = _WAITS_S,
) -> Run:
    """Ask ``choose`` on each case, at most ``concurrency`` at a time, and keep the cases' order.

    Raises:
        Unavailable: the model stayed away from one case through all waits; no case is left out quietly.
    """
    room = asyncio.Semaphore(concurrency)
    done = 0

    async def one(case: Case) -> Judged:
        nonlocal done
        candidates = [agents[agent] for agent in case.candidates]
        async with room:
            answer = await _patiently(lambda: choose(case, candidates), waits_s)
        done += 1
        progress(done, len(cases))
        return judged(case, answer)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(case)) for case in cases]
    except* Unavailable as several:
        raise _first(several) from several
    return Run(name=name, model=model, judged=tuple(task.result() for task in tasks))


async def _patiently(ask: Callable[[], Awaitable[Answer]], waits_s: Sequence[float]) -> Answer:
    for wait in waits_s:
        try:
            return await ask()
        except Unavailable as error:
            await asyncio.sleep(min(error.retry_after or wait, _LONGEST_WAIT_S))
    return await ask()


def _first(group: BaseExceptionGroup[Unavailable]) -> Unavailable:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
