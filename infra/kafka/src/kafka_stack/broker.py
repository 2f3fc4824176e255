"""Apache Kafka in KRaft mode: one process that is broker and controller, its log in a folder."""

import base64
import subprocess
import uuid
from pathlib import Path
from typing import Final

from kafka_stack.artifacts import Artifacts
from local_stack.foundation import Launch
from local_stack.services import Address
from signalbox.errors import ConfigurationError

_JVM: Final = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC")
_FORMAT_DEADLINE_S: Final = 60
_FORMATTED: Final = "meta.properties"


def launch(java: str, artifacts: Artifacts, data: Path, address: Address, controller_port: int) -> Launch:
    """Say how the broker is started; ``data`` is formatted if it is new, and otherwise left as it is.

    Raises:
        ConfigurationError: the folder can't be formatted.
    """
    data.mkdir(parents=True, exist_ok=True)
    settings = data / "server.properties"
    log = data / "log"
    lines = server_properties(log, address, controller_port).items()
    settings.write_text("".join(f"{name}={value}\n" for name, value in lines))
    kafka = [
        java,
        *_JVM,
        f"-Dlog4j2.configurationFile={artifacts.logging}",
        "-cp",
        artifacts.kafka_class_path,
    ]
    if not (log / _FORMATTED).exists():
        _format([*kafka, "kafka.tools.StorageTool"], settings)
    return Launch([*kafka, "kafka.Kafka", str(settings)], str(address), readyz="")


def server_properties(log: Path, address: Address, controller_port: int) -> dict[str, str | int]:
    """Return the settings of a broker that stands alone and starts fast; topics are made by name only."""
    controller = f"127.0.0.1:{controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{address.bind_host}:{address.port},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(log),
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        # A group of one process need not wait for others to join.
        "group.initial.rebalance.delay.ms": 0,
        # Fewer partitions of the internal topics: made and loaded in a moment.
        "offsets.topic.num.partitions": 5,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 5,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "num.network.threads": 2,
        "num.io.threads": 4,
        # A quarter of the heap by default.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }


def _format(tool: list[str], settings: Path) -> None:
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
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
