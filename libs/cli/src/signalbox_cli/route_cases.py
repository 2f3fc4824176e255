"""Which cases are measured, by which agents' definitions: those of a set, or decisions that were recorded."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox_decide.evaluation.agents import Agents, agents_beside, read_agents, require_agents
from signalbox_decide.evaluation.cases import Case, part_of, read_cases
from signalbox_decide.evaluation.recorded import CORRECTED, case_of
from signalbox_decide.evaluation.saved import digest_of


@dataclass(frozen=True, slots=True)
class Cases:
    """Cases and the agents that they name; ``digest`` is of the cases, ``notes`` say what they are."""

    cases: Sequence[Case]
    agents: Agents
    digest: str
    notes: tuple[str, ...] = ()


def cases_of_set(set_file: Path, agent_files: Sequence[Path]) -> Cases:
    """Read a set and its agents.

    Raises:
        ConfigurationError: a file is not right, or an agent is not defined.
    """
    cases = read_cases(set_file)
    agents = read_agents(agent_files or [agents_beside(set_file)])
    require_agents(cases, agents)
    return Cases(cases, agents, digest_of([set_file.read_bytes()]))


def cases_to_learn(set_file: Path, agent_files: Sequence[Path]) -> Cases:
    """Read the part ``train`` of a set; raises as :func:`cases_of_set`, and when it is empty."""
    found = cases_of_set(set_file, agent_files)
    return replace(found, cases=part_of(found.cases, "train"))


def cases_recorded(since: datetime, agent_files: Sequence[Path]) -> Cases:
    """Make cases of what a model decided since ``since``.

    The agents are defined as they are announced now; definitions in ``agent_files`` count instead of those.

    Raises:
        ConfigurationError: a file is not right, or there is no such decision.
        Unavailable: broker or registry can't be reached.
    """
    from signalbox_operations.routes import Recorded, open_route_service

    async def read() -> tuple[Recorded, Agents]:
        async with open_route_service() as service:
            return await service.recorded(since), await service.agents()

    recorded, announced = asyncio.run(read())
    agents = {**announced, **read_agents(agent_files)}
    unreadable = recorded.unreadable
    cases: list[Case] = []
    gone: set[AgentId] = set()
    without_agents = 0
    for route in recorded.routes:
        case = case_of(route.decided, route.record, route.correction)
        if case is None:
            unreadable += 1
        elif missing := {agent for agent in case.candidates if agent not in agents}:
            gone |= missing
            without_agents += 1
        else:
            cases.append(case)
    left_out = [
        (recorded.without_model, "decided without a model"),
        (recorded.undecodable, "messages can't be decoded any more"),
        (unreadable, "records are no decisions that can be read"),
        (without_agents, f"have candidates that are not announced now: {', '.join(sorted(gone))}"),
    ]
    notes = tuple(f"left out: {count} {why}" for count, why in left_out if count)
    if not cases:
        none = f"no model decided anything since {since.isoformat(timespec='seconds')}"
        raise ConfigurationError("; ".join([f"{none} that can be measured", *notes]))
    digest = digest_of([case.model_dump_json().encode() for case in cases])
    return Cases(cases, agents, digest, (*_what_they_are(cases), *notes))


def _what_they_are(cases: Sequence[Case]) -> Iterator[str]:
    yield "right means: as it was recorded. A recorded decision may itself be wrong"
    if corrected := sum(CORRECTED in case.tags for case in cases):
        yield f"labels that a person corrected: {corrected}"
