"""A sixth agent with a record type of its own: ``demo.ReviewAsked`` in, ``sdr.LeadScored`` out.

Started by hand while the system runs: ``python tests/support/sixth_agent.py`` with the stack's environment.
"""

import json
from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel

from committed_contracts import schema_text
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent import Agent, Message, Work, bound, serve
from signalbox_contracts.sdr import Lead, LeadScored, NextStep

RECORD_TYPE: Final = "demo.ReviewAsked"


class ReviewAsked(BaseModel):
    """Somebody wants a lead to be looked at again."""

    lead: Lead
    note: str


def contract() -> str:
    """Make the contract: the lead as ``sdr.LeadCaptured`` has it, and a note."""
    lead = json.loads(schema_text("sdr.LeadCaptured"))["fields"][0]
    note = {"name": "note", "type": "string", "doc": "Why it is worth a second look."}
    return json.dumps(
        {
            "type": "record",
            "name": "ReviewAsked",
            "namespace": "demo",
            "doc": "Somebody wants a lead to be looked at again.",
            "fields": [lead, note],
        }
    )


async def review(message: Message[ReviewAsked], _: Work) -> Sequence[BaseModel]:
    """Give the lead the benefit of the doubt."""
    asked = message.record
    scored = LeadScored(
        lead=asked.lead,
        score=70,
        next_step=NextStep.ACTIVELY_ENGAGE,
        talking_points=[asked.note],
        rationale="A person asked for a second look.",
    )
    return [scored]


def main() -> None:
    """Serve the agent at ``REVIEWER_PORT``."""
    definition = AgentDefinition.model_validate(
        {
            "id": "reviewer",
            "name": "Reviewer",
            "description": "Looks at a lead again when somebody asked for a review.",
            "input": [RECORD_TYPE],
            "output": ["sdr.LeadScored"],
        }
    )
    serve(
        Agent(
            definition=definition,
            takes=(bound(ReviewAsked, contract()),),
            gives=(bound(LeadScored, schema_text("sdr.LeadScored")),),
            handle=review,
            port=8199,
        )
    )


if __name__ == "__main__":
    main()
