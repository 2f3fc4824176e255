"""An operator at the running stack."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from local_stack import Stack
from operating import ModelCalls, Operator
from signalbox.kafka import Producer


@pytest.fixture(scope="package")
def stack(whole_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """The whole stack, until the last test of this folder: beside others it would take their time."""
    with whole_stack() as running:
        yield running


@pytest.fixture
async def operator(stack: Stack) -> AsyncIterator[Operator]:
    async with httpx2.AsyncClient(timeout=10) as http:
        yield Operator(stack, http)


@pytest.fixture
async def producer(operator: Operator) -> AsyncIterator[Producer]:
    producer = Producer(operator.kafka, "e2e-test")
    yield producer
    await producer.close()


@pytest.fixture
def model_calls(model_call_log: Path) -> ModelCalls:
    return ModelCalls(model_call_log)
