"""The decisions of some time: the last of each message, with the message's record decoded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from signalbox.control.models import RouteDecided
from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import MessageId
from signalbox.protocol.records import Record
from signalbox_operations.routes.payloads import Payloads

_LEARNED: Final = "learned:"
"""What ``model`` begins with where a learned router chose, and no model was asked."""


@dataclass(frozen=True, slots=True)
class RecordedRoute:
    """A message's last decision; ``record`` is the message by its writer's schema."""

    decided: RouteDecided
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The decisions that a model made, and how many messages were left out.

    ``without_model``: no model was asked. ``undecodable``: the message can't be decoded any more.
    ``unreadable`` counts records that are no decision.
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


async def recorded(decisions: LastDecisions, payloads: Payloads) -> Recorded:
    """Decode the messages of the decisions that a model made.

    Raises:
        Unavailable: the registry can't be reached.
    """
    routes = []
    without_model = undecodable = 0
    for decided in decisions.by_message.values():
        if not by_a_model(decided):
            without_model += 1
            continue
        try:
            routes.append(RecordedRoute(decided, await payloads.decode(decided.payload)))
        except Refusal:
            undecodable += 1
    return Recorded(tuple(routes), without_model, undecodable, decisions.unreadable)


def by_a_model(decided: RouteDecided) -> bool:
    """True when a model was asked to choose; the offline stand-in counts as one."""
    asked = bool(decided.model) and not decided.model.startswith(_LEARNED)
    return asked and bool(decided.candidates) and not decided.terminal
