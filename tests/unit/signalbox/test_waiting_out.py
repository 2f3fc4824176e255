"""While a bad moment is waited out, readiness says so; an operator's limit is no bad moment."""

from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Paused, Unavailable
from signalbox.telemetry import Readiness


async def test_what_was_away_is_waited_for_no_longer_once_only_a_limit_holds_it_back() -> None:
    readiness = Readiness()
    moments = iter([Unavailable("model", "away"), Paused("day budget", "all is used"), None])
    told: list[list[str]] = []

    async def ask() -> str:
        told.append(readiness.waiting_for)
        if (error := next(moments)) is not None:
            raise error
        return "answered"

    assert await retry_while_unavailable(ask, readiness) == "answered"
    assert told == [[], ["model: away"], []]
    assert readiness.ready
