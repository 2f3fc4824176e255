"""A broker of the stack's own kind, alone, for tests that need nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import Stack
from signalbox.kafka import KafkaSettings


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[KafkaSettings]:
    """Settings of a broker that runs for this test session only."""
    broker = Stack(root, tmp_path_factory.mktemp("broker"), ports="free", services=["broker"])
    broker.up()
    try:
        yield KafkaSettings(bootstrap_servers=broker.addresses["broker"])
    finally:
        broker.down()
