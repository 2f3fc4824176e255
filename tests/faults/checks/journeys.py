"""What became of every lead, worked out from the topics alone and without the console's code."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

from evidence import DEAD_LETTERS, MESSAGES, ROUTES, Evidence, Place, by_workflow, place, said, source_of
from signalbox.protocol.records import Record

TAKEN_IN = "taken_in_from"
CAPTURED = "sdr.LeadCaptured"
_PAST_THE_GATE = frozenset({"guard", "router", "dispatch"})


class State(StrEnum):
    """The four states; there is no fifth."""

    IN_FLIGHT = "in_flight"
    DEAD_LETTERED = "dead_lettered"
    SCHEDULED = "scheduled"
    ENDED = "ended"


@dataclass(frozen=True)
class Workflow:
    """The messages, decisions and dead letters under one correlation id."""

    messages: tuple[Record, ...]
    routes: tuple[Record, ...]
    dead_letters: tuple[Record, ...]

    @property
    def captured(self) -> tuple[Record, ...]:
        """The copies that intake made of leads: there must be one, or none."""
        return tuple(m for m in self.messages if m.header(TAKEN_IN) is not None)

    @property
    def state(self) -> State:
        """The conservation law's precedence, as DESIGN section 6 has it."""
        if any(not self._settled(message) for message in self.messages):
            return State.IN_FLIGHT
        if self.dead_letters:
            return State.DEAD_LETTERED
        if any(said(route, "route_outcome") == "terminal" for route in self.routes):
            return State.SCHEDULED
        return State.ENDED

    def without(self, places: Container[Place]) -> "Workflow":
        """Return the workflow as if certain messages, and so their dead letters, were not there."""
        return Workflow(
            tuple(message for message in self.messages if place(message) not in places),
            self.routes,
            tuple(dead_letter for dead_letter in self.dead_letters if source_of(dead_letter) not in places),
        )

    def _settled(self, message: Record) -> bool:
        if place(message) in self._sources or said(message, "ce_id") in self._given_up:
            return True
        decisions = self._decisions.get(said(message, "ce_id"), [])
        if not decisions:
            return False
        agent = said(decisions[-1], "route_agent")
        return not agent or (said(message, "ce_id"), agent) in self._answered

    @cached_property
    def _sources(self) -> frozenset[tuple[str, int, int]]:
        return frozenset(source_of(dead_letter) for dead_letter in self.dead_letters)

    @cached_property
    def _given_up(self) -> frozenset[str]:
        # What the gate refused is not the message whose id its bytes claim; what came later is.
        later = (one for one in self.dead_letters if said(one, "dl_stage") in _PAST_THE_GATE)
        return frozenset(said(dead_letter, "ce_id") for dead_letter in later)

    @cached_property
    def _decisions(self) -> Mapping[str, list[Record]]:
        grouped: dict[str, list[Record]] = {}
        for route in self.routes:
            grouped.setdefault(said(route, "ce_causationid"), []).append(route)
        return grouped

    @cached_property
    def _answered(self) -> frozenset[tuple[str, str]]:
        return frozenset((said(m, "ce_causationid"), said(m, "ce_source")) for m in self.messages)


NOTHING: Final = Workflow((), (), ())


def workflows(evidence: Evidence) -> dict[str, Workflow]:
    """Return every workflow by its correlation id."""
    messages, routes, dead_letters = (
        by_workflow(evidence.of(topic)) for topic in (MESSAGES, ROUTES, DEAD_LETTERS)
    )
    return {
        name: Workflow(
            tuple(messages.get(name, ())), tuple(routes.get(name, ())), tuple(dead_letters.get(name, ()))
        )
        for name in {*messages, *routes, *dead_letters}
    }


def captured_leads(evidence: Evidence) -> Iterator[tuple[str, Workflow]]:
    """Yield each captured lead's id and workflow."""
    for workflow in workflows(evidence).values():
        for copy in workflow.captured:
            yield (copy.key or b"").decode(), workflow
