"""One thread per Kafka client: the client's calls block, the event loop must not."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from signalbox.kafka.faults import kafka_errors

P = ParamSpec("P")
R = TypeVar("R")


class ClientThread:
    """Runs one client's blocking calls in order, on a thread of its own, and converts their errors."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run ``function`` on the thread and return its result.

        Raises:
            SignalboxError: what the client raised, as :mod:`signalbox.kafka.faults` converts it.
        """

        def run() -> R:
            with kafka_errors():
                return function(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._executor, run)

    def stop(self) -> None:
        """Let the thread end when its last call is done."""
        self._executor.shutdown(wait=False)
