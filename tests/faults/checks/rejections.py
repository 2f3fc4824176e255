"""What was malformed: refused for the documented reason, kept byte for byte, and never shown to a model."""

from collections import Counter
from typing import Final

from checks.finding import Finding
from evidence import AUDIT, Evidence, place, said, source_of
from history import Way, digest_of
from signalbox.protocol.names import Headers
from signalbox.protocol.reasons import Reason

_BEFORE_A_MODEL: Final = frozenset({"intake", "gate", "guard"})
_GATES_REASONS: Final = 9


def every_dead_letter_has_its_original_bytes(evidence: Evidence) -> Finding:
    """Key, value and headers are those at the position that it names, and those that were sent."""
    problems = []
    for dead_letter in evidence.dead_letters:
        kept = _without_ours(dead_letter.headers)
        source = evidence.by_place.get(source_of(dead_letter))
        if source is None:
            problems.append(f"{place(dead_letter)}: there is no record at {source_of(dead_letter)}")
        elif (source.key, source.value, _without_ours(source.headers)) != (
            dead_letter.key,
            dead_letter.value,
            kept,
        ):
            problems.append(f"{place(dead_letter)} differs from {source_of(dead_letter)}")
        sending = evidence.sending_of(dead_letter)
        malformed = sending is not None and sending.way is Way.MALFORMED
        if sending and malformed and digest_of(dead_letter.key, dead_letter.value, kept) != sending.digest:
            problems.append(f"{place(dead_letter)} differs from what was sent as number {sending.number}")
    return Finding(sum(1 for _ in evidence.dead_letters), tuple(problems))


def a_record_is_dead_lettered_once(evidence: Evidence) -> Finding:
    """One dead letter and one audit event for each record that was refused."""
    dead_letters = Counter(source_of(dead_letter) for dead_letter in evidence.dead_letters)
    events = Counter(
        (event["topic"], event["partition"], event["offset"])
        for event in map(evidence.content, evidence.of(AUDIT))
        if "dead_letter_topic" in event and "who" not in event
    )
    problems = [f"{at} has {times} dead letters" for at, times in dead_letters.items() if times != 1]
    problems += [f"{at} has {events[at]} audit events" for at in dead_letters if events[at] != 1]
    problems += [f"an audit event names {at}, without dead letter" for at in events if at not in dead_letters]
    return Finding(len(dead_letters), tuple(problems), {"dead letters": len(dead_letters)})


def every_malformed_record_has_its_documented_reason(evidence: Evidence) -> Finding:
    """Each malformed record that lies on a topic has a dead letter with the reason of its example."""
    verdicts = {source_of(dead_letter): dead_letter for dead_letter in evidence.dead_letters}
    reasons: Counter[str] = Counter()
    problems = []
    arrived = set()
    for record in evidence.by_place.values():
        sending = evidence.sending_of(record)
        if sending is None or sending.way is not Way.MALFORMED or record.topic != sending.topic:
            continue
        arrived.add(sending.number)
        dead_letter = verdicts.get(place(record))
        got = said(dead_letter, "dl_reason") if dead_letter else "no dead letter"
        reasons[got] += 1
        if got != sending.reason or (
            sending.field and dead_letter and said(dead_letter, "dl_field") != sending.field
        ):
            field = said(dead_letter, "dl_field") if dead_letter else ""
            expected = f"{sending.reason} {sending.field}"
            problems.append(f"{sending.example} at {place(record)}: {got} {field}, expected {expected}")
    sent = {one.number for one in evidence.sendings if one.way is Way.MALFORMED}
    problems += [f"number {number} is on no topic" for number in sorted(sent - arrived)]
    if len(sent) >= _GATES_REASONS:
        missing = set(list(Reason)[:_GATES_REASONS]) - set(reasons)
        problems += [f"no malformed record of reason {reason} was sent" for reason in sorted(missing)]
    return Finding(len(arrived), tuple(problems), reasons)


def no_model_was_called_for_a_rejected_message(evidence: Evidence) -> Finding:
    """No call at the model port names a message that intake, gate or a guard refused."""
    refused = [one for one in evidence.dead_letters if said(one, "dl_stage") in _BEFORE_A_MODEL]
    good = {said(record, "ce_causationid") for record in evidence.of("agent_routes")}
    ids = {said(dead_letter, "ce_id") for dead_letter in refused} - good - {""}
    called = [call for call in evidence.model_calls if call.message_id in ids]
    problems = [f"a model was called ({call.task}) for {call.message_id}" for call in called]
    costly = [one for one in refused if said(one, "dl_model_calls") != "0"]
    problems += [f"{place(one)} says that it cost model calls" for one in costly]
    if not evidence.model_calls:
        problems.append("no model call was written down at all")
    return Finding(len(refused), tuple(problems), {"model calls": len(evidence.model_calls)})


def _without_ours(headers: Headers) -> Headers:
    return tuple(pair for pair in headers if not pair[0].startswith("dl_"))
