"""Where messages went: to candidates only, in the order of their lead, with their own bytes."""

from collections.abc import Mapping
from typing import Any, Final

import celpy
from celpy.adapter import json_to_cel

from checks.finding import Finding
from evidence import FORGED, MESSAGES, REGISTRATIONS, ROUTES, Evidence, Place, place, said
from signalbox.protocol.records import Record

_Definition = Mapping[str, Any]
_HOP: Final = "ce_hop"


def no_route_goes_to_a_non_candidate(evidence: Evidence) -> Finding:
    """Each routed agent takes the record type, and its condition holds, by the agents' own definitions."""
    definitions = _definitions(evidence)
    asking = {one.lead_id for one in evidence.sendings if one.asks_for}
    problems, routed, asked_in_vain = [], 0, 0
    for route in evidence.of(ROUTES):
        agent = said(route, "route_agent")
        if not agent:
            continue
        routed += 1
        decided = evidence.content(route)
        source = Place(decided["source_topic"], decided["source_partition"], decided["source_offset"])
        able = {
            one for one, of in definitions.items() if _takes(of, decided, evidence.decoded.get(source, {}))
        }
        problems += _misrouted(place(route), agent, decided, able)
        asked_in_vain += decided["lead_id"] in asking
    counts = {"routes to agents": routed, "whose text asked for another": asked_in_vain}
    return Finding(routed, tuple(problems), counts)


def _misrouted(at: Place, agent: str, decided: _Definition, able: set[str]) -> list[str]:
    problems = []
    if agent != decided["agent"]:
        problems.append(f"{at}: its header says {agent}, its record {decided['agent']}")
    if agent not in able or agent not in decided["candidates"] or agent in decided["excluded"]:
        problems.append(f"{at}: {decided['record_type']} went to {agent}, able are {sorted(able)}")
    if strangers := set(decided["candidates"]) - able:
        problems.append(f"{at}: {sorted(strangers)} were offered as candidates")
    return problems


def a_route_carries_its_message_byte_for_byte(evidence: Evidence) -> Finding:
    """Key, value and headers in a decision are those of the record that it is about."""
    problems = []
    for route in evidence.of(ROUTES):
        decided = evidence.content(route)
        at = Place(decided["source_topic"], decided["source_partition"], decided["source_offset"])
        source = evidence.by_place.get(at)
        headers = tuple((header["name"], header["value"]) for header in decided["payload_headers"])
        carried = (decided["payload_key"], decided["payload"], headers)
        if source is None or (source.key, source.value, source.headers) != carried:
            problems.append(f"{place(route)} does not carry what lies at {at}")
    return Finding(len(evidence.of(ROUTES)), tuple(problems))


def each_leads_order_is_kept(evidence: Evidence) -> Finding:
    """A lead's decisions come in the order of its messages, and each agent answers them in that order.

    A redelivery publishes an answer's bytes once more; its first time counts.
    """
    problems, followed = [], 0
    last: dict[tuple[bytes | None, int], Place] = {}
    for route in evidence.of(ROUTES):
        if said(route, "route_outcome") == "rerouted":
            continue
        decided = evidence.content(route)
        at = Place(decided["source_topic"], decided["source_partition"], decided["source_offset"])
        line = (route.key, route.partition)
        followed += 1
        if line in last and at < last[line]:
            problems.append(f"{place(route)}: the decision on {at} comes after the one on {last[line]}")
        last[line] = at
    problems += _answers_out_of_order(evidence)
    return Finding(followed, tuple(problems))


def _answers_out_of_order(evidence: Evidence) -> list[str]:
    first = _first_with_each_id(evidence)
    last: dict[tuple[str, str, int], Place] = {}
    problems = []
    for message in evidence.of(MESSAGES):
        identity = said(message, "ce_correlationid"), said(message, "ce_id")
        cause = first.get((identity[0], said(message, "ce_causationid")))
        if cause is None or first.get(identity) is not message:
            continue
        at, line = place(cause), (said(message, "ce_source"), identity[0], message.partition)
        if cause.partition == message.partition and at > place(message):
            problems.append(f"{place(message)} answers {at}, which comes later")
        if line in last and at < last[line]:
            problems.append(f"{place(message)}: {line[0]} answered {at} after {last[line]}")
        last[line] = at
    return problems


def a_message_delivered_again_has_the_same_bytes(evidence: Evidence) -> Finding:
    """Records of one id by one agent are the same bytes: answers are kept before they are published."""
    agents = set(_definitions(evidence))
    stored = {(one.agent, one.id): one.value for one in evidence.answers}
    first = _first_with_each_id(evidence)
    problems, answers, again = [], 0, 0
    published = set()
    for message in evidence.of(MESSAGES):
        agent = said(message, "ce_source")
        if agent not in agents or _is_malformed(evidence, message):
            continue
        answers += 1
        original = first[said(message, "ce_correlationid"), said(message, "ce_id")]
        again += original is not message
        published.add((agent, said(message, "ce_id")))
        if (original.key, original.value, original.headers) != (message.key, message.value, message.headers):
            problems.append(f"{place(message)} has the id of {place(original)} and other bytes")
        if stored.get((agent, said(message, "ce_id"))) != message.value:
            problems.append(f"{place(message)} is not what {agent} keeps as its answer")
    lost = stored.keys() - published
    problems += [
        f"{agent} keeps the answer {message}, which is on no topic" for agent, message in sorted(lost)
    ]
    return Finding(answers, tuple(problems), {"answers": answers, "published again": again})


def _first_with_each_id(evidence: Evidence) -> dict[tuple[str, str], Record]:
    refused = {place(one) for one in evidence.of(MESSAGES) if _is_malformed(evidence, one)}
    found: dict[tuple[str, str], Record] = {}
    for message in evidence.of(MESSAGES):
        if place(message) not in refused:
            found.setdefault((said(message, "ce_correlationid"), said(message, "ce_id")), message)
    return found


def _is_malformed(evidence: Evidence, record: Record) -> bool:
    sending = evidence.sending_of(record)
    return sending is not None and bool(sending.reason)


def _definitions(evidence: Evidence) -> dict[str, _Definition]:
    own = (record for record in evidence.of(REGISTRATIONS) if record.header(FORGED) is None)
    registered = ((record, evidence.content(record)) for record in own)
    return {(record.key or b"").decode(): content for record, content in registered if content}


def _takes(definition: _Definition, decided: _Definition, datum: Mapping[str, Any]) -> bool:
    return any(
        taken["record_type"] == decided["record_type"] and _holds(taken["when"], datum)
        for taken in definition["input"]
    )


def _holds(condition: str | None, datum: Mapping[str, Any]) -> bool:
    """Evaluate a condition with another CEL implementation than the system's own."""
    if condition is None:
        return True
    environment = celpy.Environment()
    program = environment.program(environment.compile(condition))
    return bool(program.evaluate({"this": json_to_cel(_plain(datum))}))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(of) for name, of in value.items()}
    if isinstance(value, list):
        return [_plain(of) for of in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
