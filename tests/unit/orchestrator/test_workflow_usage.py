"""What a workflow used up is counted from its decisions, whatever its messages say of themselves."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signalbox.gate import Accepted
from signalbox.protocol.envelope import Envelope, replay_id
from signalbox.protocol.names import AgentId, CorrelationId, MessageId
from signalbox.protocol.records import Record, written
from signalbox.protocol.replay_marks import REPLAY_OF
from signalbox_decide.decisions import Ended, Routed
from signalbox_decide.records import DecisionRecords
from signalbox_decide.router import Choice
from signalbox_decide.workflow_usage import WorkflowUsages, names_its_dead_letter

PING = AgentId("ping")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class ControlInMemory:
    """Stands for the contracts of control records, which are not looked at here."""

    def write(self, _: Any) -> bytes:
        return b"value"


def route_of(message: Accepted, *, tokens: int = 0, afresh: bool = False, agent: str | None = PING) -> Record:
    choice = Choice(AgentId(agent) if agent else None, "", "offline", 1, tokens, 0, 0)
    records = DecisionRecords(ControlInMemory())  # type: ignore[arg-type]
    kind = Routed if agent else Ended
    [route] = records.of(kind(message, choice, afresh=afresh))
    return written(route)


def test_a_message_without_the_carried_headers_counts_as_its_workflow_does(
    accepted: Callable[..., Accepted],
) -> None:
    workflows = WorkflowUsages()
    first = accepted(hop=2, tokens=700, visits={PING: 1}, workflow_time=LONG_AGO)
    workflows.read_back(route_of(first, tokens=50))

    counted = workflows.counted(accepted()).envelope
    assert (counted.hop, counted.tokens, counted.visits) == (3, 750, {PING: 2})
    assert counted.workflow_time == LONG_AGO


def test_the_higher_of_header_and_count_holds(accepted: Callable[..., Accepted]) -> None:
    workflows = WorkflowUsages()
    workflows.read_back(route_of(accepted(hop=2, visits={PING: 1})))
    counted = workflows.counted(accepted(hop=9, visits={AgentId("pong"): 2})).envelope
    assert (counted.hop, counted.visits) == (9, {PING: 2, "pong": 2})


def test_a_decision_that_ends_a_workflow_is_no_visit(accepted: Callable[..., Accepted]) -> None:
    workflows = WorkflowUsages()
    workflows.read_back(route_of(accepted(hop=2), agent=None))
    counted = workflows.counted(accepted()).envelope
    assert (counted.hop, counted.visits) == (2, {})


def test_workflows_do_not_count_for_each_other(accepted: Callable[..., Accepted]) -> None:
    workflows = WorkflowUsages()
    workflows.read_back(route_of(accepted(hop=2)))
    message = accepted()
    other = replace(message, envelope=replace(message.envelope, correlation_id=CorrelationId("c-2")))
    assert workflows.counted(other).envelope.hop == 0


def test_a_replay_lets_its_workflow_count_from_what_it_says(accepted: Callable[..., Accepted]) -> None:
    workflows = WorkflowUsages()
    workflows.read_back(route_of(accepted(hop=11, tokens=9, visits={PING: 2})))
    workflows.read_back(route_of(accepted(hop=0), afresh=True))
    counted = workflows.counted(accepted()).envelope
    assert (counted.hop, counted.tokens, counted.visits) == (1, 0, {PING: 1})


def test_what_is_read_back_replaces_what_was_known_of_a_partition(accepted: Callable[..., Accepted]) -> None:
    known, read_back = WorkflowUsages(), WorkflowUsages()
    known.read_back(route_of(accepted(hop=11)))
    read_back.read_back(route_of(accepted(hop=4)))
    known.replace([0], read_back)
    assert known.counted(accepted()).envelope.hop == 5


def test_no_more_workflows_are_remembered_than_the_limit_and_the_silent_ones_go_first(
    accepted: Callable[..., Accepted],
) -> None:
    workflows, message = WorkflowUsages(limit=2), accepted()
    of = {name: replace(message, envelope=replace(message.envelope, correlation_id=name)) for name in "abc"}
    for name in "abac":
        workflows.read_back(route_of(of[name]))
    assert {name: workflows.counted(of[name]).envelope.hop for name in "abc"} == {"a": 2, "b": 0, "c": 1}


def test_a_workflow_that_was_silent_for_a_day_is_forgotten(accepted: Callable[..., Accepted]) -> None:
    workflows = WorkflowUsages()
    yesterday = datetime.now(UTC) - timedelta(hours=25)
    route = route_of(accepted(hop=3))
    workflows.read_back(replace(route, timestamp_ms=int(yesterday.timestamp() * 1000)))
    assert workflows.counted(accepted()).envelope.hop == 0


DEAD_LETTER = ("agent_messages_dlt", 0, 17)


def replayed(accepted: Accepted, named: str = "agent_messages_dlt/0/17", **changes: Any) -> Accepted:
    envelope = replace(accepted.envelope, **{"id": replay_id(*DEAD_LETTER), **changes})
    record = replace(accepted.record, headers=(*envelope.headers(), (REPLAY_OF, named.encode())))
    return replace(accepted, envelope=envelope, record=record)


def dead_letter_of(workflow: str) -> Callable[[str, int, int], Record | None]:
    envelope = Envelope(MessageId("m"), "t", "x.Y", datetime.now(UTC), CorrelationId(workflow))  # type: ignore[arg-type]
    dead_letter = Record(*DEAD_LETTER, b"lead-1", b"", envelope.headers(), int(time.time() * 1000))
    return lambda *at: dead_letter if at == DEAD_LETTER else None


def test_a_replay_is_known_by_its_dead_letter(accepted: Callable[..., Accepted]) -> None:
    assert names_its_dead_letter(replayed(accepted()), dead_letter_of("c-1"))


@pytest.mark.parametrize(
    ("named", "changes", "workflow"),
    [
        ("agent_messages_dlt/0/17", {"id": MessageId("m-2")}, "c-1"),
        ("agent_messages_dlt/0/17", {}, "c-2"),
        ("agent_messages_dlt/0/18", {}, "c-1"),
        ("agent_messages/0/17", {}, "c-1"),
        ("nonsense", {}, "c-1"),
    ],
)
def test_what_only_claims_to_be_a_replay_starts_nothing_afresh(
    accepted: Callable[..., Accepted], named: str, changes: dict[str, Any], workflow: str
) -> None:
    assert not names_its_dead_letter(replayed(accepted(), named, **changes), dead_letter_of(workflow))


def test_a_dead_letter_that_is_not_there_any_more_starts_nothing_afresh(
    accepted: Callable[..., Accepted],
) -> None:
    assert not names_its_dead_letter(replayed(accepted()), lambda *_: None)
