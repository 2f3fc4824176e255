"""One thread per Kafka client: the client's calls block, the event loop must not."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from signalbox.kafka.faults import kafka_errors

P = ParamSpec("P")
R = TypeVar("R")


class ClientThread:
    """Runs one client's blocking calls in order, on a thread of its own, and converts their errors.

    A call that never returns, as some of the client's do when a broker goes, does not keep the process alive.
    """

    def __init__(self, name: str) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._stopped = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``function`` on the thread and return its result.

        Raises:
            SignalboxError: what the client raised, as :mod:`signalbox.kafka.faults` converts it.
        """
        if self._stopped:
            raise RuntimeError("the client is closed")
        result: Future[R] = Future()
        self._calls.put((result, lambda: function(*args, **kwargs)))
        return await asyncio.wrap_future(result)

    def stop(self) -> None:
        """Let the thread end when its last call is done."""
        self._stopped = True
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            result, function = call
            if result.set_running_or_notify_cancel():
                _answer(result, function)
            del call, result, function  # the next wait must not keep a client alive


def _answer(result: Future[Any], function: Callable[[], Any]) -> None:
    try:
        with kafka_errors():
            answer = function()
    except BaseException as error:  # noqa: BLE001 - the caller's to handle, whatever it is
        result.set_exception(error)
    else:
        result.set_result(answer)
