"""Waiting out a bad moment: exponential backoff with jitter, without an end, and visibly."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from signalbox.protocol.errors import Paused, Unavailable
from signalbox.telemetry.health import Readiness
from signalbox.telemetry.logs import logger

T = TypeVar("T")

_log = logger(__name__)
_BACKOFF: Final = wait_random_exponential(multiplier=0.2, max=5)
_LONGEST_S: Final = 120.0


async def retry_while_unavailable(call: Callable[[], Awaitable[T]], readiness: Readiness) -> T:
    """Call until it is not :class:`Unavailable`; meanwhile ``readiness`` says what is waited for.

    While it is only :class:`Paused`, this process is ready.

    A ``retry_after`` of the other side is respected, up to two minutes.
    """
    waited_for: set[str] = set()

    def say(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, Unavailable)
        if isinstance(error, Paused):
            for what in waited_for:
                readiness.done(what)
            waited_for.clear()
            return
        readiness.wait(error.what, error.detail)
        waited_for.add(error.what)
        _log.warning("waiting", what=error.what, detail=error.detail, attempt=state.attempt_number)

    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(Unavailable), wait=_wait, before_sleep=say, reraise=True
    ):
        with attempt:
            result = await call()
    for what in waited_for:
        readiness.done(what)
    return result


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after if isinstance(error, Unavailable) else None
    return max(_BACKOFF(state), min(asked or 0.0, _LONGEST_S))
