"""The JSON API: ``/api/…`` as docs/interfaces.md writes it."""

import base64
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from console import answers
from console.contracts import RegisteredContracts
from console.decoding import Schemas
from console.journey import Status
from console.presence import Presence
from console.problems import NotThere
from console.queries import DeadLetterFilter, DeadLetterState, Queries, dead_letter_position
from console.summaries import dead_letter_summary

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After = Annotated[str | None, Query(description="Go on behind this one: the page's `next`.")]


def routes(
    queries: Queries, contracts: RegisteredContracts, schemas: Schemas, presence: Presence
) -> APIRouter:
    """Make the routes; a plain ``def`` is run in a thread, so that no query holds up the others."""
    api = APIRouter(prefix="/api")

    @api.get("/stats")
    def stats() -> answers.Stats:
        """Count everything, in one snapshot."""
        return queries.stats()

    @api.get("/leads")
    def leads(
        status: Status | None = None, stalled: bool = False, limit: Limit = 100, after: After = None
    ) -> answers.LeadPage:
        """List captured leads, newest first, without personal data; ``stalled`` ones only when asked."""
        return queries.leads(status, limit, after, stalled=stalled)

    @api.get("/leads/{lead_id:path}")
    def lead(lead_id: str) -> answers.Lead:
        """Return a lead's status, timeline and captured record."""
        found = queries.lead(lead_id)
        if found is None:
            raise NotThere(f"no lead {lead_id!r} was seen (yet)")
        return found

    @api.get("/dead-letters")
    def dead_letters(
        reason: str | None = None,
        state: DeadLetterState | None = None,
        topic: str | None = None,
        agent: str | None = None,
        contract: str | None = None,
        since: AwareDatetime | None = None,
        limit: Limit = 100,
        after: After = None,
    ) -> answers.DeadLetterPage:
        """List dead letters, newest first, without their bytes."""
        at = None if since is None else int(since.timestamp() * 1000)
        wanted = DeadLetterFilter(state, topic, agent, contract, at)
        return queries.dead_letters(reason, limit, dead_letter_position(after), wanted)

    @api.get("/dead-letters/{topic}/{partition}/{offset}")
    async def dead_letter(topic: str, partition: int, offset: int) -> answers.DeadLetter:
        """Return a dead letter with its bytes, decoded by the writer's schema as far as that goes."""
        return await shown(queries, schemas, topic, partition, offset)

    @api.get("/agents")
    def agents() -> answers.Agents:
        """List the agents that were announced, removed ones too."""
        return answers.Agents(agents=known_agents(queries, presence))

    @api.get("/contracts")
    async def registered() -> answers.Contracts:
        """List the record types and their live versions in the registry."""
        return answers.Contracts(contracts=await contracts.listed())

    return api


def known_agents(queries: Queries, presence: Presence) -> list[answers.Agent]:
    """Return the agents with what the orchestrators say of them."""

    def told(agent: answers.Agent) -> answers.Agent:
        said = presence.dispatch(agent.agent_id)
        dispatch = answers.Dispatching.model_validate(said) if said else None
        return agent.model_copy(update={"dispatch": dispatch})

    return [told(agent) for agent in queries.agents()]


async def shown(
    queries: Queries, schemas: Schemas, topic: str, partition: int, offset: int
) -> answers.DeadLetter:
    """Return the dead letter at a position with its bytes.

    Raises:
        NotThere: there is none.
    """
    dead_letter = queries.dead_letter(topic, partition, offset)
    if dead_letter is None:
        raise NotThere(f"no dead letter at {topic}/{partition}/{offset}")
    attempt = await schemas.attempt(dead_letter.fact.value)
    return answers.DeadLetter(
        **dead_letter_summary(dead_letter).model_dump(exclude={"at"}),
        at=dead_letter_summary(dead_letter).at,
        key_base64=_base64(dead_letter.fact.key),
        value_base64=_base64(dead_letter.fact.value),
        decoded=attempt.datum,
        decode_error=attempt.problem,
    )


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
