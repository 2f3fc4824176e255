"""The composed system that is up in ``RUN_DIR``; `infra/compose/verify` starts it, and runs these tests."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from compose_stack import ComposeStack
from operating import Operator
from signalbox.kafka import Producer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def composed() -> ComposeStack:
    stack = ComposeStack(ROOT, Path(os.environ.get("RUN_DIR", ROOT / ".run")))
    if not any(process.container for process in stack.processes):
        pytest.fail("no composed system is up: `make up STACK=compose`, or infra/compose/verify")
    return stack


@pytest.fixture
async def operator(composed: ComposeStack) -> AsyncIterator[Operator]:
    async with httpx2.AsyncClient(timeout=20) as http:
        yield Operator(composed, http)


@pytest.fixture
async def producer(operator: Operator) -> AsyncIterator[Producer]:
    producer = Producer(operator.kafka, "compose-test")
    yield producer
    await producer.close()
