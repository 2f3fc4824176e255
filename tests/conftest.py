"""What all tests share: one running stack for the whole session, on ports that were free.

``STACK`` in the environment says which broker and registry every stack of the tests has (docs/stacks.md).
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import sqlalchemy as sql

import postgres_server
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
def postgres_url() -> Iterator[sql.URL]:
    """A PostgreSQL of this test run's own, or the one that ``POSTGRES_URL`` names."""
    if named := postgres_server.url_of_the_environment():
        yield named
        return
    if missing := postgres_server.why_not():
        pytest.skip(f"{missing}, and POSTGRES_URL names none")
    server = postgres_server.PostgresServer()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@pytest.fixture
def postgres(postgres_url: sql.URL) -> Iterator[sql.URL]:
    """An empty schema in PostgreSQL, for one test."""
    own = postgres_server.with_own_schema(postgres_url)
    yield own
    postgres_server.drop_schema(own)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of database that a store can have, empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return postgres_server.text_of(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def model_call_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the model port of every process of ``stack`` writes each call down."""
    return tmp_path_factory.mktemp("models") / "calls.jsonl"


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, model_call_log: Path) -> Iterator[Stack]:
    """The whole stack, with the offline model; ``stack.env`` is the environment of commands that use it."""
    with Stack(
        ROOT,
        tmp_path_factory.mktemp("stack"),
        ports="free",
        extra_env={**OFFLINE, "MODEL_CALL_LOG": str(model_call_log)},
        services=SERVICES,
    ) as running:
        yield running
