"""Guards stop a workflow before the model is called."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from given_clock import GivenClock
from signalbox.gate import Accepted
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AgentId
from signalbox.protocol.reasons import Reason
from signalbox_decide.guards import Guards

GUARDS = Guards(hops=12, visits=3, tokens=1000, age=timedelta(hours=24))


def agent(name: str) -> AgentDefinition:
    return AgentDefinition.model_validate(
        {"id": name, "name": name, "description": "d", "input": ["a.B"], "output": ["a.C"]}
    )


NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAMED = [agent("one"), agent("two")]


def fixed_clock() -> Guards:
    return replace(GUARDS, clock=GivenClock(NOW))


def test_a_fresh_workflow_passes(accepted: Callable[..., Accepted]) -> None:
    GUARDS.check(accepted(hop=11, tokens=999, workflow_time=datetime.now(UTC)).envelope)


@pytest.mark.parametrize(
    ("message", "reason", "detail", "field"),
    [
        ({"hop": 12}, Reason.HOP_LIMIT, "hop 12 of at most 12", "ce_hop"),
        ({"tokens": 1000}, Reason.BUDGET_EXCEEDED, "1000 of 1000 model tokens are used", "ce_tokens"),
        (
            {"workflow_time": NOW - timedelta(hours=24, seconds=1)},
            Reason.DEADLINE_EXCEEDED,
            "the workflow began at 2026-04-30T11:59:59+00:00 and may take 1 day, 0:00:00",
            "ce_workflowtime",
        ),
    ],
)
def test_a_workflow_past_a_limit_is_stopped_and_told_which(
    accepted: Callable[..., Accepted], message: dict[str, Any], reason: Reason, detail: str, field: str
) -> None:
    with pytest.raises(Refusal) as caught:
        fixed_clock().check(accepted(**{"workflow_time": NOW, **message}).envelope)
    assert (caught.value.reason, caught.value.detail, caught.value.field) == (reason, detail, field)


def test_a_workflow_of_exactly_its_age_goes_on(accepted: Callable[..., Accepted]) -> None:
    fixed_clock().check(accepted(workflow_time=NOW - timedelta(hours=24)).envelope)


def test_a_first_message_says_itself_when_its_workflow_began(accepted: Callable[..., Accepted]) -> None:
    first = replace(accepted().envelope, workflow_time=None, time=NOW - timedelta(hours=25))
    with pytest.raises(Refusal, match="began at 2026-04-30T11:00:00"):
        fixed_clock().check(first)


def test_an_agent_that_had_its_visits_is_no_candidate(accepted: Callable[..., Accepted]) -> None:
    envelope = accepted(visits={AgentId("one"): 3, AgentId("two"): 2}).envelope
    assert [left.id for left in GUARDS.unspent(envelope, [agent("one"), agent("two")])] == ["two"]


def test_an_agent_that_may_be_visited_once_is_a_candidate_the_first_time(
    accepted: Callable[..., Accepted],
) -> None:
    assert replace(GUARDS, visits=1).unspent(accepted().envelope, NAMED) == NAMED


def test_without_candidates_there_is_nothing_to_refuse(accepted: Callable[..., Accepted]) -> None:
    assert GUARDS.unspent(accepted().envelope, []) == []


def test_a_workflow_whose_every_candidate_had_its_visits_is_stopped_and_told_which(
    accepted: Callable[..., Accepted],
) -> None:
    visited = accepted(visits={AgentId("one"): 3, AgentId("two"): 4}).envelope
    with pytest.raises(Refusal) as caught:
        GUARDS.unspent(visited, NAMED)
    assert caught.value.reason is Reason.VISIT_LIMIT
    assert caught.value.detail == "each of one, two was visited 3 times in this workflow"
    assert caught.value.field == "ce_visits"
