"""Decisions that were made, as cases: the label is what was decided, or what a person said later."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from signalbox.control.models import RouteCorrected, RouteDecided
from signalbox.protocol.names import NO_AGENT
from signalbox_decide.evaluation.cases import Case

CORRECTED: Final = "corrected"
"""The tag of a case whose label a person gave."""


def case_of(
    decided: RouteDecided, record: Mapping[str, Any], correction: RouteCorrected | None = None
) -> Case | None:
    """Make a case of a decision on ``record``; None when what was decided is no answer that can be given."""
    if correction is None:
        agent, why = decided.agent, f"recorded: {decided.reason}"
    else:
        agent, why = correction.agent, f"corrected by {correction.who}: {correction.reason}"
    try:
        return Case(
            id=decided.message_id,
            split="held_out",
            domain=decided.record_type.rpartition(".")[0] or decided.record_type,
            record_type=decided.record_type,
            record=dict(record),
            candidates=decided.candidates,
            label=agent or NO_AGENT,
            why=why,
            tags=() if correction is None else (CORRECTED,),
        )
    except ValidationError:
        return None
