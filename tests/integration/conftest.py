"""What several suites share: broker and registry of the stack's own kind, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import Stack
from signalbox.kafka import KafkaSettings


@pytest.fixture(scope="package")
def governed(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Stack]:
    """A broker with its topics and a registry with its contracts."""
    with Stack(
        root, tmp_path_factory.mktemp("governed"), ports="free", services=["broker", "registry"]
    ) as running:
        yield running


@pytest.fixture
def kafka(governed: Stack) -> KafkaSettings:
    """Settings of a broker that runs for these suites only."""
    return KafkaSettings(bootstrap_servers=governed.addresses["broker"])
