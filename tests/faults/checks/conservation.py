"""Nothing is lost, nothing has two ends, and every thing came to the end that it had to come to."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from checks.finding import Finding
from checks.journeys import NOTHING, State, captured_leads, workflows
from evidence import (
    DEAD_LETTERS,
    INCOMING,
    INTAKE_DEAD_LETTERS,
    MESSAGES,
    ROUTES,
    Evidence,
    place,
    said,
    source_of,
)
from history import Sending, Way
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.names import LeadId
from signalbox.protocol.records import Record

_GIVEN_UP_BY_FAULTS: Final[dict[str, tuple[tuple[str, ...], int]]] = {
    "AGENT_FAILED": (("agent-", "model-"), 8),
    "AGENT_REFUSED": (("model-",), 3),
    "UNROUTABLE": (("model-",), 3),
    "BUDGET_EXCEEDED": (("model-answers-1-mb",), 1),
}
"""Reasons for which a good lead may end as a dead letter: which faults can bring that about, and how often
something has to come their way for one lead. Whatever goes beyond that is no one's fault but the system's."""


def everything_was_accepted(evidence: Evidence) -> Finding:
    """Whatever was sent was acknowledged: a lead by lead capture, a record by the broker."""
    lost = [f"{number} was never acknowledged" for number in evidence.unacknowledged]
    return Finding(len(evidence.sendings), tuple(lost), Counter(one.way.value for one in evidence.sendings))


def no_accepted_lead_is_lost(evidence: Evidence) -> Finding:
    """A lead that was accepted is in the lead store, published, and was taken in exactly once."""
    taken_in = Counter(lead_id for lead_id, _ in captured_leads(evidence))
    sent = [one for one in evidence.sendings if one.captured]
    problems = [f"{lead_id} was taken in and never sent" for lead_id in taken_in.keys() - _ids(sent)]
    for one in sent:
        if taken_in[one.lead_id] != 1:
            problems.append(f"{one.lead_id} was taken in {taken_in[one.lead_id]} times")
        if one.way is Way.API and not evidence.leads.get(one.lead_id):
            problems.append(f"{one.lead_id} is not in the lead store, or not published")
    problems += [
        f"{lead_id} is in the lead store, never sent" for lead_id in evidence.leads.keys() - _ids(sent)
    ]
    return Finding(len(sent), tuple(problems), {"captured": sum(taken_in.values())})


def each_lead_has_the_one_end_it_must_have(evidence: Evidence) -> Finding:
    """None is in flight, and each came to the end that its line in the history says.

    A malformed message that claims to be of a lead makes it a dead-lettered one, and changes nothing else.
    """
    claimed = {one.lead_id for one in evidence.sendings if one.way is Way.MALFORMED and one.lead_id}
    known = workflows(evidence)
    malformed = frozenset(place(one) for one in evidence.of(MESSAGES) if _is_malformed(evidence, one))
    problems, states, excused = [], Counter[str](), Counter[str]()
    for one in evidence.sendings:
        if one.way is Way.MALFORMED:
            continue
        whole = known.get(correlation_id_of(LeadId(one.lead_id)), NOTHING)
        own = whole.without(malformed)
        states[own.state.value] += 1
        if one.lead_id in claimed and whole.state is not State.DEAD_LETTERED:
            problems.append(f"{one.lead_id} is {whole.state}, though a message of it was refused")
        if own.messages and own.state.value == one.end.value:
            continue
        reasons = {said(dead_letter, "dl_reason") for dead_letter in own.dead_letters}
        if own.state is State.DEAD_LETTERED and reasons <= _GIVEN_UP_BY_FAULTS.keys():
            excused.update(reasons)
        else:
            problems.append(f"{one.lead_id} is {own.state}, expected {one.end} {sorted(reasons)}")
    problems += [f"{times} leads were given up as {why}" for why, times in _unexcused(excused, evidence)]
    return Finding(sum(states.values()), tuple(problems), {**states, "given up": sum(excused.values())})


def the_sums_are_equal_and_the_console_agrees(evidence: Evidence) -> Finding:
    """The conservation law with equality, by the topics, by the history and by the console."""
    counted = _counted(evidence)
    sent = len(_ids(one for one in evidence.sendings if one.captured))
    states = sum(counted[state.value] for state in State)
    problems = []
    if not counted["captured"] == states == sent:
        problems.append(f"{sent} leads sent, {counted['captured']} captured, {states} in the four states")
    for name, figure in counted.items():
        if evidence.stats.get(name) != figure:
            problems.append(f"the console says {name}={evidence.stats.get(name)}, the topics say {figure}")
    return Finding(len(counted), tuple(problems), counted)


def every_message_has_one_decision(evidence: Evidence) -> Finding:
    """A message that passed the gate got one decision, also after restarts and rebalances."""
    decided: Counter[tuple[str, str]] = Counter()
    for route in evidence.of(ROUTES):
        if said(route, "route_outcome") != "rerouted":
            decided[said(route, "ce_correlationid"), said(route, "ce_causationid")] += 1
    for dead_letter in evidence.of(DEAD_LETTERS):
        if said(dead_letter, "dl_stage") in {"guard", "router"}:
            decided[said(dead_letter, "ce_correlationid"), said(dead_letter, "ce_id")] += 1
    problems = [
        f"{message} was decided {times} times" for (_, message), times in decided.items() if times > 1
    ]
    refused = {source_of(dead_letter) for dead_letter in evidence.of(DEAD_LETTERS)}
    for message in evidence.of(MESSAGES):
        identity = said(message, "ce_correlationid"), said(message, "ce_id")
        if identity not in decided and place(message) not in refused:
            problems.append(f"{place(message)} ({identity[1]}) has no decision")
    taken = {said(one, "taken_in_from") for one in evidence.of(MESSAGES)}
    refused = {source_of(dead_letter) for dead_letter in evidence.of(INTAKE_DEAD_LETTERS)}
    copied = {(one.key or b"").decode(errors="replace") for one in evidence.of(MESSAGES)}
    for lead in evidence.of(INCOMING):
        at = place(lead)
        redelivered = (lead.key or b"").decode(errors="replace") in copied
        if f"{at.topic}/{at.partition}/{at.offset}" not in taken and at not in refused and not redelivered:
            problems.append(f"{at} was neither taken in nor refused")
    return Finding(len(decided), tuple(problems), {"decisions": len(decided)})


def _is_malformed(evidence: Evidence, record: Record) -> bool:
    sending = evidence.sending_of(record)
    return sending is not None and sending.way is Way.MALFORMED


def _unexcused(given_up: Counter[str], evidence: Evidence) -> Iterator[tuple[str, int]]:
    for reason, times in given_up.items():
        names, each = _GIVEN_UP_BY_FAULTS[reason]
        if times * each > evidence.harm(*names):
            yield reason, times


def _ids(sendings: object) -> set[str]:
    return {one.lead_id for one in sendings if isinstance(one, Sending)}  # type: ignore[attr-defined]


def _counted(evidence: Evidence) -> dict[str, int]:
    leads = list(captured_leads(evidence))
    states = Counter(workflow.state.value for _, workflow in leads)
    captured = {str(correlation_id_of(LeadId(lead_id))) for lead_id, _ in leads}
    routed = {said(route, "ce_id"): evidence.content(route) for route in reversed(evidence.of(ROUTES))}
    dead_letters = {source_of(dead_letter): dead_letter for dead_letter in evidence.dead_letters}
    return {
        "captured": len(leads),
        **{state.value: states[state.value] for state in State},
        "unattributed": _unattributed(evidence, captured),
        "refused_at_intake": len(
            {source_of(dead_letter) for dead_letter in evidence.of(INTAKE_DEAD_LETTERS)}
        ),
        "llm_calls": sum(int(route.get("model_calls", 0)) for route in routed.values())
        + sum(int(said(dead_letter, "dl_model_calls")) for dead_letter in dead_letters.values()),
        "rejected_before_llm": len(
            {
                at
                for at, dead_letter in dead_letters.items()
                if said(dead_letter, "dl_stage") in {"intake", "gate", "guard"}
            }
        ),
    }


def _unattributed(evidence: Evidence, captured: set[str]) -> int:
    """Count the messages of no captured lead: each once, however often it was delivered."""
    foreign = [m for m in evidence.of(MESSAGES) if said(m, "ce_correlationid") not in captured]
    refused = {source_of(dead_letter) for dead_letter in evidence.of(DEAD_LETTERS)}
    whole = {said(m, "ce_id") for m in foreign if place(m) not in refused}
    return len(whole) + sum(place(m) in refused for m in foreign)
