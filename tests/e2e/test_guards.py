"""Runaways: agents that answer each other forever, or answer with more than they got, are stopped.

Each guard stops one, with its reason, before the model is called for the message that is stopped; also when
the agents drop the headers that the guards go by, and when the orchestrator is killed in the midst.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from local_stack import Stack
from operating import ModelCalls, Operator
from runaways import Ball, Outcome, Runaways, runaways_playing
from signalbox.protocol.names import CorrelationId
from traffic import eventually

HOPS, VISITS, TOKENS, DEADLINE = 12, 3, 200_000, timedelta(hours=24)


@pytest.fixture(scope="module")
async def runaways(stack: Stack) -> AsyncIterator[Runaways]:
    async with httpx2.AsyncClient(timeout=10) as http, runaways_playing(Operator(stack, http)) as playing:
        yield playing


async def stopped(runaways: Runaways, workflow: CorrelationId) -> Outcome:
    async def at_rest() -> Outcome | None:
        outcome = await runaways.outcome(workflow)
        return outcome if outcome.at_rest else None

    return await eventually(at_rest, f"the workflow {workflow} comes to rest", 120)


def assert_no_model_was_asked_for_what_was_stopped(calls: ModelCalls, outcome: Outcome) -> None:
    assert calls.of(outcome.stopped) == []
    assert {call["message_id"] for call in calls.of(outcome.routed)} == set(outcome.routed)


@pytest.mark.parametrize("drops", [False, True], ids=["headers carried", "headers dropped"])
async def test_two_agents_that_answer_each_other_are_stopped_by_their_visits(
    runaways: Runaways, model_calls: ModelCalls, drops: bool
) -> None:
    outcome = await stopped(runaways, await runaways.throw(Ball(drops=drops)))
    assert outcome.reasons == {"VISIT_LIMIT"}
    assert outcome.visits() == {"runaway_1": VISITS, "runaway_2": VISITS}
    assert_no_model_was_asked_for_what_was_stopped(model_calls, outcome)


@pytest.mark.parametrize("drops", [False, True], ids=["headers carried", "headers dropped"])
async def test_a_ring_of_agents_none_of_which_is_visited_too_often_is_stopped_by_its_hops(
    runaways: Runaways, model_calls: ModelCalls, drops: bool
) -> None:
    outcome = await stopped(runaways, await runaways.throw(Ball(ring=5, drops=drops)))
    assert outcome.reasons == {"HOP_LIMIT"}
    assert len(outcome.routes) == HOPS
    assert max(outcome.visits().values()) <= VISITS
    assert_no_model_was_asked_for_what_was_stopped(model_calls, outcome)


@pytest.mark.parametrize("drops", [False, True], ids=["headers carried", "headers dropped"])
async def test_agents_that_use_up_the_budget_are_stopped(
    runaways: Runaways, model_calls: ModelCalls, drops: bool
) -> None:
    # Where headers are dropped no one tells what the agents used; the router's own tokens still count.
    started = {"tokens": TOKENS - 1} if drops else {}
    ball = Ball(tokens=0 if drops else TOKENS // 2, drops=drops)
    outcome = await stopped(runaways, await runaways.throw(ball, **started))
    assert outcome.reasons == {"BUDGET_EXCEEDED"}
    assert len(outcome.routes) == (1 if drops else 2)
    assert_no_model_was_asked_for_what_was_stopped(model_calls, outcome)


@pytest.mark.parametrize("drops", [False, True], ids=["headers carried", "headers dropped"])
async def test_a_workflow_that_outlives_its_deadline_is_stopped(
    runaways: Runaways, model_calls: ModelCalls, drops: bool
) -> None:
    almost_over = datetime.now(UTC) - DEADLINE + timedelta(seconds=8)
    ball = Ball(pause_ms=4000, drops=drops)
    outcome = await stopped(runaways, await runaways.throw(ball, workflow_time=almost_over))
    assert outcome.reasons == {"DEADLINE_EXCEEDED"}
    assert_no_model_was_asked_for_what_was_stopped(model_calls, outcome)


@pytest.mark.parametrize("drops", [False, True], ids=["headers carried", "headers dropped"])
async def test_an_agent_that_answers_with_more_than_it_got_is_stopped_in_every_branch(
    runaways: Runaways, model_calls: ModelCalls, drops: bool
) -> None:
    outcome = await stopped(runaways, await runaways.throw(Ball(copies=3, drops=drops)))
    assert outcome.reasons == {"VISIT_LIMIT"}
    assert outcome.visits() == {"runaway_1": VISITS, "runaway_2": VISITS}
    assert len(outcome.dead_letters) == 1 + 2 * 3 * VISITS - 2 * VISITS
    assert_no_model_was_asked_for_what_was_stopped(model_calls, outcome)


async def test_what_a_workflow_used_up_is_known_after_the_orchestrator_was_killed(
    runaways: Runaways, operator: Operator, model_calls: ModelCalls
) -> None:
    runaways.played.clear()
    runaways.hold_from = 4
    workflow = await runaways.throw(Ball(drops=True))

    async def fourth_ball() -> bool:
        return len(runaways.played) >= 4

    await eventually(fourth_ball, "four balls were played", 60)
    await asyncio.to_thread(operator.stack.kill, "orchestrator", signal.SIGKILL)
    runaways.go_on.set()
    await asyncio.to_thread(operator.stack.redeploy, "orchestrator")

    outcome = await stopped(runaways, workflow)
    assert outcome.reasons == {"VISIT_LIMIT"}
    assert outcome.visits() == {"runaway_1": VISITS, "runaway_2": VISITS}
    assert_no_model_was_asked_for_what_was_stopped(model_calls, outcome)
