"""The decisions of some time: the last of each message, with the message's record decoded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from signalbox.control.models import RouteCorrected, RouteDecided
from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import MessageId
from signalbox.protocol.records import Record
from signalbox_operations.routes.corrections import Correction, Corrections, is_answer
from signalbox_operations.routes.payloads import Payloads

_LEARNED: Final = "learned:"
"""What ``model`` begins with where a learned router chose, and no model was asked."""


@dataclass(frozen=True, slots=True)
class RecordedRoute:
    """A message's last decision; ``record`` is the message by its writer's schema.

    ``correction`` is what a person said of it last, if it names a candidate or none.
    """

    decided: RouteDecided
    record: Mapping[str, Any]
    correction: RouteCorrected | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The decisions that a model made or a person corrected, and how many messages were left out.

    ``without_model``: no model was asked, and nobody corrected it. ``undecodable``: the message can't be
    decoded any more. ``unreadable`` counts records that are no decision.
    """

    routes: tuple[RecordedRoute, ...]
    without_model: int = 0
    undecodable: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class LastDecisions:
    """The last decision of each message, in the order in which they were written in their partitions."""

    by_message: Mapping[MessageId, RouteDecided]
    unreadable: int


async def last_decisions(records: Iterable[Record], control: ControlRecords) -> LastDecisions:
    """Read ``records``, those of ``agent_routes``; what is no decision is counted.

    Raises:
        Unavailable: the registry can't be reached.
    """
    found: dict[MessageId, RouteDecided] = {}
    unreadable = 0
    for record in records:
        try:
            decided = await control.read(RouteDecided, record)
        except Refusal:
            unreadable += 1
            continue
        found.pop(MessageId(decided.message_id), None)
        found[MessageId(decided.message_id)] = decided
    return LastDecisions(found, unreadable)


async def recorded(decisions: LastDecisions, corrections: Corrections, payloads: Payloads) -> Recorded:
    """Decode the messages of the decisions that a model made or a person corrected.

    Raises:
        Unavailable: the registry can't be reached.
    """
    routes = []
    without_model = undecodable = 0
    for message, decided in decisions.by_message.items():
        correction = _applicable(corrections.get(message), decided)
        if correction is None and not _by_a_model(decided):
            without_model += 1
            continue
        try:
            record = await payloads.decode(decided.payload)
        except Refusal:
            undecodable += 1
        else:
            routes.append(RecordedRoute(decided, record, correction))
    return Recorded(tuple(routes), without_model, undecodable, decisions.unreadable)


def _applicable(correction: Correction | None, decided: RouteDecided) -> RouteCorrected | None:
    # It may be of an earlier decision, before an agent refused the message.
    if correction is None or not is_answer(decided, correction.said.agent):
        return None
    return correction.said


def _by_a_model(decided: RouteDecided) -> bool:
    # The offline stand-in counts as a model.
    asked = bool(decided.model) and not decided.model.startswith(_LEARNED)
    return asked and bool(decided.candidates) and not decided.terminal
