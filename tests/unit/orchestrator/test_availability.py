"""What is told of an agent that is away or fails: to the status, the metrics and who watches readiness."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from orchestrator.dispatch.agent_client import Away, Broken, Done, Failed, Refused
from orchestrator.dispatch.availability import AgentAvailabilities, AgentAvailability
from orchestrator.dispatch.circuit_breaker import CircuitBreaker, Standing
from signalbox.protocol.envelope import time_text
from signalbox.protocol.names import AgentId
from signalbox.telemetry import Readiness

ECHO, ALPHA = AgentId("echo"), AgentId("alpha")


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def known(readiness: Readiness) -> Iterator[AgentAvailabilities]:
    availabilities = AgentAvailabilities(readiness)
    yield availabilities
    for agent in (ECHO, ALPHA):
        availabilities.forget(agent)


def away_since(agent: AgentId = ECHO) -> float | None:
    return REGISTRY.get_sample_value("signalbox_agent_away_since", {"agent": agent})


def circuit(agent: AgentId = ECHO) -> float | None:
    return REGISTRY.get_sample_value("signalbox_agent_circuit", {"agent": agent})


def since_of(availability: AgentAvailability) -> datetime:
    assert availability.absence is not None
    return availability.absence.since


@pytest.mark.parametrize("outcome", [Away("no"), Broken("no")])
async def test_an_agent_that_is_away_is_told_with_the_time_and_the_reason_in_each_place(
    known: AgentAvailabilities, readiness: Readiness, outcome: Away | Broken
) -> None:
    echo = known.of(ECHO)
    assert (away_since(), readiness.impaired) == (0, [])
    echo.saw(outcome)
    since = since_of(echo)
    assert timedelta() <= datetime.now(UTC) - since < timedelta(minutes=1)
    assert away_since() == since.timestamp()
    assert readiness.impaired == [f"agent echo: away since {time_text(since)}: no"]
    assert echo.told() == {"circuit": "closed", "away_since": time_text(since), "away_because": "no"}


async def test_while_it_stays_away_the_time_is_the_first_and_the_reason_the_last(
    known: AgentAvailabilities, readiness: Readiness
) -> None:
    echo = known.of(ECHO)
    echo.saw(Away("not started"))
    since = since_of(echo)
    echo.saw(Broken("gone again"))
    assert since_of(echo) is since
    assert echo.told()["away_because"] == "gone again"
    assert readiness.impaired[0].endswith(": gone again")


@pytest.mark.parametrize("outcome", [Done(), Refused("not mine"), Failed("oh")])
async def test_an_agent_that_answers_anything_is_back(
    known: AgentAvailabilities, readiness: Readiness, outcome: object
) -> None:
    echo = known.of(ECHO)
    echo.saw(Away("no"))
    echo.saw(outcome)
    assert (away_since(), readiness.impaired, echo.absence) == (0, [], None)
    assert echo.told() == {"circuit": "closed", "away_since": None, "away_because": None}


async def test_an_agent_that_fails_is_told_as_failing_when_the_circuit_is_open(
    known: AgentAvailabilities, readiness: Readiness
) -> None:
    echo, breaker = known.of(ECHO), CircuitBreaker(2, lambda _: 3600.0)
    echo.watch(breaker)
    breaker.failed("one", Standing.NEW)
    echo.saw(Failed("HTTP 500"))
    assert readiness.impaired == []
    breaker.failed("two", Standing.NEW)
    echo.saw(Failed("HTTP 500"))
    assert breaker.open_since is not None
    assert readiness.impaired == [f"agent echo: failing since {time_text(breaker.open_since)}: HTTP 500"]
    echo.saw(Refused("one of its own"))
    assert readiness.impaired == []


async def test_the_state_of_the_circuit_is_a_number_and_a_word(known: AgentAvailabilities) -> None:
    echo, breaker = known.of(ECHO), CircuitBreaker(1, lambda _: 3600.0)
    echo.watch(breaker)
    assert (circuit(), echo.told()["circuit"]) == (0, "closed")
    breaker.failed("one", Standing.NEW)
    assert (circuit(), echo.told()["circuit"]) == (2, "open")
    breaker.leaves(Standing.NEW)
    assert (circuit(), echo.told()["circuit"]) == (1, "half_open")


async def test_each_agent_has_one_account_and_they_are_told_in_the_order_of_their_names(
    known: AgentAvailabilities,
) -> None:
    assert known.of(ECHO) is known.of(ECHO)
    known.of(ALPHA).saw(Away("no"))
    told = known.told()
    assert list(told) == ["alpha", "echo"]
    assert [told[agent]["away_because"] for agent in told] == ["no", None]


async def test_of_an_agent_that_is_forgotten_nothing_is_told_and_the_others_stay(
    known: AgentAvailabilities, readiness: Readiness
) -> None:
    for agent in (ECHO, ALPHA):
        known.of(agent).watch(CircuitBreaker(1, lambda _: 3600.0))
        known.of(agent).saw(Away("no"))
    known.forget(ECHO)
    known.forget(AgentId("never_known"))
    assert (away_since(), circuit()) == (None, None)
    assert away_since(ALPHA)
    assert circuit(ALPHA) == 0
    assert [told.split(":")[0] for told in readiness.impaired] == ["agent alpha"]
    assert list(known.told()) == ["alpha"]


async def test_an_agent_that_was_removed_is_not_missed_and_may_come_again(
    known: AgentAvailabilities, readiness: Readiness
) -> None:
    echo = known.of(ECHO)
    echo.saw(Away("no"))
    echo.forget()
    assert (away_since(), readiness.impaired, echo.absence) == (0, [], None)
    echo.saw(Away("no"))
    assert away_since()
