"""What all tests share: one running stack for the whole session, on ports that were free.

``STACK`` in the environment says which broker and registry every stack of the tests has (docs/stacks.md).
"""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import NoReturn

import hypothesis
import psutil
import pytest
import sqlalchemy as sql
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import postgres_server
from local_stack import Stack
from local_stack.foundation import DEFAULT_STACK, STACK_VARIABLE
from local_stack.processes import environment_of, stop
from local_stack.services import SERVICES
from stack_logs import complaints_since, stacks_among

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes depends on what else runs here; a test that hangs meets pyproject's time-out.
# CI judges a change by the same examples each time (SAME_EXAMPLES); any other run looks for new ones.
hypothesis.settings.register_profile("signalbox", deadline=None, derandomize="SAME_EXAMPLES" in os.environ)
hypothesis.settings.load_profile("signalbox")

SHARING = {"integration", "e2e"}
"""The folders of ``tests/`` whose tests share stacks."""
STACKS_OF_THEIR_OWN = {
    "test_day_budget.py",
    "test_evolution.py",
    "test_providers.py",
    "test_release.py",
    "test_rolling_restart.py",
    "test_start_order.py",
}
TIMEOUT_WITH_A_STACK_S = 600
"""For one test, and for the start of a stack when it is the first; others have pyproject's."""

RUN = "SIGNALBOX_TEST_RUN"
"""The variable by which a process tells of which test run it is."""

OFFLINE = {"LLM_MODEL": "offline", "ROUTER_LLM_MODEL": "offline", "AGENT_LLM_MODEL": "offline"}


def pytest_configure() -> None:
    # A test run that is told to end must stop what it started, just as it does on Ctrl-C.
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ.setdefault(RUN, f"{os.getpid()}")


def pytest_unconfigure(config: pytest.Config) -> None:
    # Workers that are told to end leave their stacks behind: what has the mark of this run ends with it.
    if hasattr(config, "workerinput") or os.environ.get(RUN) != f"{os.getpid()}":
        return
    everything = psutil.process_iter()
    stop([one for one in everything if environment_of(one).get(RUN) == os.environ[RUN]], patience_s=10)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return TestsThatShare(config, log)


class TestsThatShare(LoadScopeScheduling):
    """Keeps in one process the tests of one file, and of one folder where they share a stack."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        shares = file.parts[1] in SHARING and file.name not in STACKS_OF_THEIR_OWN
        return str(file.parent if shares else file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(ROOT) and item.path.relative_to(ROOT).parts[1] in SHARING:
            item.add_marker(pytest.mark.timeout(TIMEOUT_WITH_A_STACK_S))
    if stack_kind() == "kafka":
        return
    skip = pytest.mark.skip(reason=f"only Apache Kafka does this, and the stack is STACK={stack_kind()}")
    for item in items:
        if item.get_closest_marker("real_kafka"):
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for stack in stacks_among(getattr(item, "funcargs", {}).values()):
            report.sections.append((f"warnings in {stack.run_dir}", complaints_since(stack, call.start)))
    return report


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
def whole_stack(tmp_path_factory: pytest.TempPathFactory, model_call_log: Path) -> Callable[[], Stack]:
    """Make the whole stack, with the offline model; ``env`` is the environment of commands that use it."""
    return lambda: Stack(
        ROOT,
        tmp_path_factory.mktemp("stack"),
        ports="free",
        extra_env={**OFFLINE, "MODEL_CALL_LOG": str(model_call_log)},
        services=SERVICES,
    )


@pytest.fixture(scope="session")
def stack(whole_stack: Callable[[], Stack]) -> Iterator[Stack]:
    """The whole stack, until the end of the test run."""
    with whole_stack() as running:
        yield running
