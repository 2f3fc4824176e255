"""Discarding: what was asked for, step by step, from positions to outcomes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from signalbox.protocol.dead_letters import DeadLetter, Position
from signalbox_cli.closing_outcomes import ClosingOutcome, confirm, report, succeeded
from signalbox_cli.dead_letter_verdict import warn_of_version
from signalbox_operations.replay import DeadLetterService, open_dead_letter_service


@dataclass(frozen=True, slots=True)
class DiscardRequest:
    """What the command line asks for."""

    positions: Sequence[Position]
    by_filter: bool
    dry_run: bool
    yes: bool
    who: str
    why: str
    json: bool

    @property
    def many(self) -> bool:
        """True when a person should have a second look."""
        return self.by_filter or len(self.positions) > 1


def run_discard(request: DiscardRequest) -> bool:
    """Discard what is asked for and report it; True when all of it was done."""
    outcomes = asyncio.run(_discarded(request)) if request.positions else []
    report(outcomes, json=request.json)
    return succeeded(outcomes, by_filter=request.by_filter)


async def _discarded(request: DiscardRequest) -> list[ClosingOutcome]:
    async with open_dead_letter_service(request.who, warn_of_version) as service:
        outcomes, dead_letters = await _looked_up(service, request)
        if not request.dry_run:
            if dead_letters and request.many and not request.yes:
                so_far = [outcomes[dead_letter.position] for dead_letter in dead_letters]
                confirm(len(dead_letters), "discarded", lambda: report(so_far, json=False), json=request.json)
            await service.discard(dead_letters, request.why)
            outcomes |= {one.position: ClosingOutcome(one.position, "discarded", one) for one in dead_letters}
        return [outcomes[at] for at in request.positions]


async def _looked_up(
    service: DeadLetterService, request: DiscardRequest
) -> tuple[dict[Position, ClosingOutcome], list[DeadLetter]]:
    found = await service.dead_letters(request.positions)
    dead_letters = [dead_letter for dead_letter in found.values() if isinstance(dead_letter, DeadLetter)]
    resolutions = await service.resolutions(dead_letters)
    outcomes = {at: _outcome(at, found.get(at)) for at in request.positions}
    for at, resolution in resolutions.items():
        outcomes[at] = ClosingOutcome(
            at, "closed", outcomes[at].dead_letter, f"not again: it was {resolution}"
        )
    return outcomes, [dead_letter for dead_letter in dead_letters if dead_letter.position not in resolutions]


def _outcome(at: Position, found: DeadLetter | ValueError | None) -> ClosingOutcome:
    match found:
        case DeadLetter():
            return ClosingOutcome(at, "would_discard", found)
        case None:
            return ClosingOutcome(at, "missing", detail="there is no dead letter")
        case _:
            return ClosingOutcome(at, "refused", detail=f"it is no dead letter: {found}")
