"""The circuit counts messages, not calls; while it is open, few calls find out whether the agent is well."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.dispatch.circuit_breaker import Circuit, CircuitBreaker, Standing

PAUSE_S = 3600.0


def opened(*, is_there: bool = True) -> CircuitBreaker:
    breaker = CircuitBreaker(3, lambda _: PAUSE_S)
    for number in range(3):
        assert breaker.state is Circuit.CLOSED
        if is_there:
            breaker.failed(number, Standing.NEW)
        else:
            breaker.not_reached()
    assert breaker.state is Circuit.OPEN
    return breaker


async def test_it_opens_when_different_messages_failed_and_none_succeeded() -> None:
    since = opened().open_since
    assert since is not None
    assert timedelta() <= datetime.now(UTC) - since < timedelta(minutes=1)


async def test_one_messages_failures_count_once() -> None:
    breaker = CircuitBreaker(2, lambda _: PAUSE_S)
    for _ in range(8):
        breaker.failed("one", Standing.FAILED)
    assert breaker.state is Circuit.CLOSED


async def test_a_message_that_fails_by_itself_counts_not_at_all() -> None:
    breaker = CircuitBreaker(2, lambda _: PAUSE_S)
    for number in range(8):
        breaker.failed(number, Standing.AT_FAULT)
    assert breaker.state is Circuit.CLOSED


def fails(breaker: CircuitBreaker, message: int) -> None:
    breaker.failed(message, Standing.NEW)


def is_away(breaker: CircuitBreaker, _: int) -> None:
    breaker.not_reached()


@pytest.mark.parametrize("goes_wrong", [fails, is_away])
async def test_a_success_in_between_keeps_it_closed(
    goes_wrong: Callable[[CircuitBreaker, int], None],
) -> None:
    breaker = CircuitBreaker(2, lambda _: PAUSE_S)
    for number in range(4):
        goes_wrong(breaker, number)
        assert breaker.state is Circuit.CLOSED
        breaker.succeeded()


async def test_an_agent_that_answers_in_between_if_only_by_failing_was_not_away_all_the_time() -> None:
    breaker = CircuitBreaker(2, lambda _: PAUSE_S)
    for _ in range(4):
        breaker.not_reached()
        breaker.failed("one", Standing.FAILED)
        assert breaker.state is Circuit.CLOSED


async def test_it_opens_and_pauses_after_a_success_as_it_did_before() -> None:
    breaker = CircuitBreaker(2, float)
    for _ in range(2):
        breaker.not_reached()
        assert breaker.state is Circuit.CLOSED
        breaker.not_reached()
        assert breaker.state is Circuit.OPEN
        for probe in (1, 2, 3):
            breaker.leaves(Standing.NEW)
            breaker.not_reached()
            breaker.probed()
            assert probe - 1 < (breaker.wait_s(Standing.NEW) or 0) <= probe
        breaker.succeeded()


async def test_an_agent_that_asks_for_a_rest_is_not_probed_before_it_is_over() -> None:
    breaker = CircuitBreaker(1, lambda _: 0.0)
    breaker.not_reached(PAUSE_S)
    assert (breaker.wait_s(Standing.NEW) or 0) > PAUSE_S - 60


async def test_an_agent_that_is_not_reached_is_probed_by_one_call_at_a_time_after_a_pause() -> None:
    breaker = opened(is_there=False)
    for standing in Standing:
        assert (breaker.wait_s(standing) or 0) > PAUSE_S - 60
    assert breaker.leaves(Standing.NEW)
    assert breaker.state is Circuit.HALF_OPEN
    assert breaker.wait_s(Standing.NEW) is None
    breaker.probed()
    assert breaker.state is Circuit.OPEN


async def test_an_agent_that_is_there_is_probed_first_by_what_was_never_tried() -> None:
    breaker = opened()
    assert breaker.wait_s(Standing.NEW) == 0
    assert breaker.leaves(Standing.NEW)
    assert 0 < (breaker.wait_s(Standing.NEW) or 0) < 1
    assert (breaker.wait_s(Standing.FAILED) or 0) > PAUSE_S - 60
    assert breaker.wait_s(Standing.AT_FAULT) == 0


async def test_one_success_closes_it() -> None:
    breaker = opened()
    breaker.leaves(Standing.NEW)
    breaker.succeeded()
    breaker.probed()
    assert breaker.state is Circuit.CLOSED
    assert breaker.open_since is None
    assert breaker.wait_s(Standing.FAILED) == 0


async def test_what_failed_already_pauses_longer_before_each_further_probe() -> None:
    breaker = CircuitBreaker(1, lambda probe: 100.0 * probe)
    breaker.failed("one", Standing.NEW)
    assert 90 < (breaker.wait_s(Standing.FAILED) or 0) <= 100
    for probe in (1, 2, 3):
        assert breaker.leaves(Standing.FAILED)
        breaker.probed()
        assert 100 * probe - 10 < (breaker.wait_s(Standing.FAILED) or 0) <= 100 * probe
    assert breaker.wait_s(Standing.NEW) == 0


async def test_while_it_is_closed_no_call_is_a_probe_nor_is_one_that_fails_by_itself() -> None:
    breaker = CircuitBreaker(2, lambda _: PAUSE_S)
    assert not breaker.leaves(Standing.NEW)
    breaker.failed("one", Standing.NEW)
    breaker.failed("two", Standing.NEW)
    assert not breaker.leaves(Standing.AT_FAULT)
    assert breaker.state is Circuit.OPEN


async def test_it_is_half_open_until_the_last_probe_is_over() -> None:
    breaker = opened()
    assert breaker.leaves(Standing.NEW)
    assert breaker.leaves(Standing.FAILED)
    breaker.probed()
    assert breaker.state is Circuit.HALF_OPEN
    breaker.probed()
    assert breaker.state is Circuit.OPEN


async def test_what_failed_before_a_success_does_not_count_after_it() -> None:
    breaker = CircuitBreaker(3, lambda _: PAUSE_S)
    breaker.failed("one", Standing.NEW)
    breaker.failed("two", Standing.NEW)
    breaker.succeeded()
    breaker.failed("three", Standing.NEW)
    breaker.not_reached()
    assert breaker.state is Circuit.CLOSED


async def test_that_it_goes_on_failing_does_not_change_since_when_it_is_open() -> None:
    breaker = opened()
    since = breaker.open_since
    breaker.failed("another", Standing.NEW)
    breaker.not_reached()
    assert breaker.open_since is since
