"""Guards stop a workflow before the model is called."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

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


def refused(message: Accepted) -> Reason:
    with pytest.raises(Refusal) as caught:
        GUARDS.check(message.envelope)
    return caught.value.reason


def test_a_fresh_workflow_passes(accepted: Callable[..., Accepted]) -> None:
    GUARDS.check(accepted(hop=11, tokens=999, workflow_time=datetime.now(UTC)).envelope)


def test_a_workflow_at_the_hop_limit_is_stopped(accepted: Callable[..., Accepted]) -> None:
    assert refused(accepted(hop=12)) is Reason.HOP_LIMIT


def test_a_workflow_that_used_up_its_tokens_is_stopped(accepted: Callable[..., Accepted]) -> None:
    assert refused(accepted(tokens=1000)) is Reason.BUDGET_EXCEEDED


def test_a_workflow_past_its_deadline_is_stopped(accepted: Callable[..., Accepted]) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=25)
    assert refused(accepted(workflow_time=long_ago)) is Reason.DEADLINE_EXCEEDED


def test_an_agent_that_had_its_visits_is_no_candidate(accepted: Callable[..., Accepted]) -> None:
    envelope = accepted(visits={AgentId("one"): 3, AgentId("two"): 2}).envelope
    assert [left.id for left in GUARDS.unspent(envelope, [agent("one"), agent("two")])] == ["two"]


def test_a_workflow_whose_every_candidate_had_its_visits_is_stopped(
    accepted: Callable[..., Accepted],
) -> None:
    with pytest.raises(Refusal) as caught:
        GUARDS.unspent(accepted(visits={AgentId("one"): 3}).envelope, [agent("one")])
    assert caught.value.reason is Reason.VISIT_LIMIT
