"""``signalbox routes correct``: say who should have been chosen for a message."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signalbox.protocol.names import NO_AGENT, AgentId, MessageId
from signalbox_cli.output import AsJson, print_json, say
from signalbox_cli.who import Who, who_of

if TYPE_CHECKING:
    from signalbox_operations.routes import Correction


def correct(
    message_id: Annotated[str, typer.Argument(help="The message's id, as the lead's timeline has it.")],
    agent: Annotated[str, typer.Option(help=f"Who should have been chosen, or {NO_AGENT}.")],
    why: Annotated[str, typer.Option(help="Why, for the audit and as the reason of the label.")],
    who: Who = None,
    json: AsJson = False,
) -> None:
    """Say who should have been chosen for a message. The message stays where it is; no agent gets it again.

    It is an audit event, and the label where `routes eval --recorded` measures. The last one counts.

    Example: signalbox routes correct 5f0c… --agent nurture_campaign --why "a student, no buyer"
    """
    if not why.strip():
        raise typer.BadParameter("must say something", param_hint="--why")
    meant = None if agent.strip().upper() == NO_AGENT else AgentId(agent.strip())
    correction = asyncio.run(_correct(MessageId(message_id), meant, who_of(who), why))
    if json:
        print_json(_as_dict(correction))
    else:
        _tell(correction)


async def _correct(message: MessageId, agent: AgentId | None, who: str, why: str) -> "Correction":
    from signalbox_operations.routes import open_route_service

    async with open_route_service() as service:
        return await service.correct(message, agent, who, why)


def _tell(correction: "Correction") -> None:
    said = correction.said
    now = said.agent or NO_AGENT
    if correction.is_new:
        instead = f"{now} instead of {said.decided or NO_AGENT}"
        say(f"corrected {said.message_id}: {instead}, by {said.who}: {said.reason}")
    else:
        say(f"nothing to do: {said.message_id} was corrected to {now} by {said.who}: {said.reason}")


def _as_dict(correction: "Correction") -> dict[str, Any]:
    return {
        "outcome": "corrected" if correction.is_new else "unchanged",
        "event_id": correction.event_id,
        **correction.said.model_dump(),
    }
