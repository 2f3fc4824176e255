"""One secured stack for all tests that need one: TLS, a user for each client, ACLs by the catalog."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kafka_stack.certificates import Authority
from kafka_stack.issuer import Issuer
from local_stack import Stack
from operating import Operator
from secured_stack import SecuredStack

OFFLINE = {"LLM_MODEL": "offline", "ROUTER_LLM_MODEL": "offline", "AGENT_LLM_MODEL": "offline"}


@pytest.fixture(scope="package")
def secured(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[SecuredStack]:
    """The whole stack with ``STACK=kafka-secured``, every process at ``LOG_LEVEL=DEBUG``."""
    run_dir = tmp_path_factory.mktemp("secured")
    with Stack(
        root, run_dir, ports="free", kind="kafka-secured", extra_env={**OFFLINE, "LOG_LEVEL": "DEBUG"}
    ) as stack:
        secrets = run_dir / "secrets"
        yield SecuredStack(stack, Authority(secrets), Issuer(secrets))


@pytest.fixture(scope="package")
async def operator(secured: SecuredStack) -> Any:
    async with httpx2.AsyncClient(timeout=30) as http:
        yield Operator(secured.stack, http)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    """Wait until a condition holds, for at most a minute."""

    def wait(holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 60
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail(f"no {what} within a minute")
            time.sleep(0.1)

    return wait
