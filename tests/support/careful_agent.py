"""An agent that notes when it begins and ends with a lead, and waits while ``HOLD/<lead id>`` is there."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from committed_contracts import schema_text
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent import Agent, Message, Work, bound, serve
from signalbox_contracts.sdr import LeadProfiled, LeadScored

NOTES = Path(os.environ["NOTES"])
HOLD = Path(os.environ["HOLD"])


def note(what: str, message: Message[Any]) -> None:
    with NOTES.open("a") as file:
        file.write(f"{what} {message.lead_id}\n")


async def score(message: Message[LeadProfiled], work: Work) -> Sequence[LeadScored]:
    note("began", message)
    while (HOLD / message.lead_id).exists():
        await asyncio.sleep(0.01)
    completion = await work.model.complete(
        task="score",
        instructions="Score.",
        prompt=message.record.report.summary,
        output_type=LeadScored,
        stand_in=lambda: {
            "lead": message.record.lead,
            "score": 70,
            "next_step": "NURTURE",
            "talking_points": [],
            # Says which process it was: work that is done twice shows.
            "rationale": f"process {os.getpid()}",
        },
        check=work.violation,
    )
    note("ended", message)
    return [completion.output]


if __name__ == "__main__":
    serve(
        Agent(
            definition=AgentDefinition.model_validate(
                {
                    "id": "careful",
                    "name": "Careful",
                    "description": "Scores leads once.",
                    "input": ["sdr.LeadProfiled"],
                    "output": ["sdr.LeadScored"],
                }
            ),
            takes=[bound(LeadProfiled, schema_text("sdr.LeadProfiled"))],
            gives=[bound(LeadScored, schema_text("sdr.LeadScored"))],
            handle=score,
        )
    )
