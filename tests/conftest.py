"""What all tests share: one running stack for the whole session, on ports that were free.

``STACK`` in the environment says which broker and registry every stack of the tests has (docs/stacks.md).
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from local_stack import Stack
from local_stack.foundation import DEFAULT_STACK, STACK_VARIABLE
from local_stack.services import SERVICES

ROOT = Path(__file__).resolve().parent.parent

OFFLINE = {"LLM_MODEL": "offline", "ROUTER_LLM_MODEL": "offline", "AGENT_LLM_MODEL": "offline"}


def pytest_configure() -> None:
    # A test run that is told to end must stop what it started, just as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if stack_kind() == "kafka":
        return
    skip = pytest.mark.skip(reason=f"only Apache Kafka does this, and the stack is STACK={stack_kind()}")
    for item in items:
        if item.get_closest_marker("real_kafka"):
            item.add_marker(skip)


def stack_kind() -> str:
    """Which broker and registry the stacks of this test run have."""
    return os.environ.get(STACK_VARIABLE) or DEFAULT_STACK


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def model_call_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the model port of every process of ``stack`` writes each call down."""
    return tmp_path_factory.mktemp("models") / "calls.jsonl"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, model_call_log: Path) -> Iterator[Stack]:
    """The whole stack, with the offline model; ``stack.env`` is the environment of commands that use it."""
    running = Stack(
        ROOT,
        tmp_path_factory.mktemp("stack"),
        ports="free",
        extra_env={**OFFLINE, "MODEL_CALL_LOG": str(model_call_log)},
        services=SERVICES,
    )
    try:
        running.up()
        yield running
    finally:
        running.down()
