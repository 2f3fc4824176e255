"""Apache Kafka in KRaft mode: processes that are broker and controller, each with its log in a folder."""

import base64
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kafka_stack.artifacts import Artifacts
from local_stack.foundation import Launch
from local_stack.services import Address
from signalbox.protocol.errors import ConfigurationError

_JVM: Final = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC")
_FORMAT_DEADLINE_S: Final = 60
_FORMATTED: Final = "meta.properties"
SETTINGS: Final = "server.properties"
"""The file of a node's settings, in its folder."""
_REPLICAS: Final = 3


@dataclass(frozen=True, slots=True)
class Node:
    """One process of the cluster, broker and controller in one; its id is its number."""

    number: int
    address: Address
    controller_port: int

    @property
    def controller(self) -> str:
        return f"127.0.0.1:{self.controller_port}"


def launch(
    java: str,
    artifacts: Artifacts,
    data: Path,
    node: Node,
    cluster: Sequence[Node],
    overrides: Mapping[str, str | int] | None = None,
) -> Launch:
    """Say how a node is started; ``data`` is formatted if it is new, and otherwise left as it is.

    ``overrides`` are server properties that are laid over those of :func:`server_properties`.

    Raises:
        ConfigurationError: the folder can't be formatted.
    """
    data.mkdir(parents=True, exist_ok=True)
    settings = data / SETTINGS
    log = data / "log"
    lines = server_properties(log, node, cluster, overrides).items()
    settings.write_text("".join(f"{name}={value}\n" for name, value in lines))
    kafka = [
        java,
        *_JVM,
        f"-Dlog4j2.configurationFile={artifacts.logging}",
        "-cp",
        artifacts.kafka_class_path,
    ]
    if not (log / _FORMATTED).exists():
        _format([*kafka, "kafka.tools.StorageTool"], settings, _cluster_id(data.parent))
    return Launch([*kafka, "kafka.Kafka", str(settings)], str(node.address), readyz="")


def replication(brokers: int) -> tuple[int, int]:
    """Return how many replicas a topic has, and how many must have a record before it counts as written."""
    replicas = min(brokers, _REPLICAS)
    return replicas, max(replicas - 1, 1)


def server_properties(
    log: Path, node: Node, cluster: Sequence[Node], overrides: Mapping[str, str | int] | None = None
) -> dict[str, str | int]:
    """Return the settings of a node that starts fast; topics are made by name only."""
    replicas, in_sync = replication(len(cluster))
    return {
        "process.roles": "broker,controller",
        "node.id": node.number,
        "controller.quorum.voters": ",".join(f"{one.number}@{one.controller}" for one in cluster),
        "controller.listener.names": "CONTROLLER",
        "listeners": (
            f"PLAINTEXT://{node.address.bind_host}:{node.address.port},CONTROLLER://{node.controller}"
        ),
        "advertised.listeners": f"PLAINTEXT://{node.address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(log),
        "auto.create.topics.enable": "false",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        # A group of one process need not wait for others to join.
        "group.initial.rebalance.delay.ms": 0,
        # Fewer partitions of the internal topics: made and loaded in a moment.
        "offsets.topic.num.partitions": 5,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.num.partitions": 5,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "num.network.threads": 2,
        "num.io.threads": 4,
        # A quarter of the heap by default.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        **(overrides or {}),
    }


def _cluster_id(folder: Path) -> str:
    """Make the id that all nodes with data in ``folder`` share, also one that lost its own data."""
    name = uuid.uuid5(uuid.NAMESPACE_URL, folder.resolve().as_uri())
    return base64.urlsafe_b64encode(name.bytes).decode().rstrip("=")


def _format(tool: list[str], settings: Path, cluster_id: str) -> None:
    done = subprocess.run(
        [*tool, "format", "--config", str(settings), f"--cluster-id={cluster_id}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=_FORMAT_DEADLINE_S,
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()
        raise ConfigurationError(f"the broker's storage could not be formatted: {said}")
