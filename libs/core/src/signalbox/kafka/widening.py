"""Topics that are there, held against what is wanted; and widened, where that costs nothing."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
)

from signalbox.kafka.settings import MAX_MESSAGE_BYTES

_SIZE: Final = "max.message.bytes"
_TIMEOUT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be. ``retention_ms`` -1 keeps records forever.

    ``beside`` names the topic whose records' partitions its own records have; ``dead_letters``: it is that
    topic's dead letter topic.
    """

    name: str
    partitions: int
    retention_ms: int = -1
    compacted: bool = False
    max_message_bytes: int = MAX_MESSAGE_BYTES
    beside: str = ""
    dead_letters: bool = False

    def config(self) -> dict[str, str]:
        """Return the topic's configuration in Kafka's property names."""
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
        }


@dataclass(frozen=True, slots=True)
class TopicChange:
    """What :func:`apply` did for one topic; ``detail`` says what it widened, or how the topic differs."""

    name: str
    outcome: Literal["created", "widened", "unchanged", "differs", "missing"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A topic that is there. ``record_bytes`` is its largest record; None where the broker does not say."""

    spec: TopicSpec
    partitions: int
    record_bytes: int | None

    @property
    def small(self) -> bool:
        """Whether it refuses records that it must take."""
        return self.record_bytes is not None and self.record_bytes < self.spec.max_message_bytes

    @property
    def short(self) -> bool:
        """Whether it lacks partitions."""
        return self.partitions < self.spec.partitions


def compared(found: Found) -> TopicChange:
    """Say how a topic differs."""
    differences = []
    if found.short or (found.partitions != found.spec.partitions and not found.spec.beside):
        differences.append(f"has {found.partitions} partitions, the catalog says {found.spec.partitions}")
    if found.small:
        wanted = found.spec.max_message_bytes
        differences.append(f"takes records of {found.record_bytes} bytes, the catalog says {wanted}")
    return TopicChange(found.spec.name, "differs" if differences else "unchanged", "; ".join(differences))


def widened(admin: AdminClient, found: Found) -> TopicChange:
    """Let a topic take what it must; one that the broker does not let us widen differs."""
    before = compared(found)
    done: list[str] = []
    refusals: list[str] = []
    if found.small:
        with _told(refusals):
            _raise_size(admin, found.spec)
            done.append(f"takes records of {found.spec.max_message_bytes} bytes now")
            found = Found(found.spec, found.partitions, found.spec.max_message_bytes)
    if found.short and found.spec.beside:
        with _told(refusals):
            _add_partitions(admin, found.spec)
            done.append(f"has {found.spec.partitions} partitions now")
            found = Found(found.spec, found.spec.partitions, found.record_bytes)
    after = compared(found)
    if after.outcome == "differs":
        return TopicChange(after.name, "differs", "; ".join([after.detail, *refusals]))
    return TopicChange(before.name, "widened", "; ".join(done)) if done else before


def record_sizes(admin: AdminClient, names: list[str]) -> dict[str, int]:
    """Return each topic's largest record in bytes, as far as the broker says it."""
    if not names:
        return {}
    asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
    sizes: dict[str, int] = {}
    for resource, future in admin.describe_configs(asked, request_timeout=_TIMEOUT_S).items():
        size = _said(future)
        if size is not None:
            sizes[resource.name] = size
    return sizes


def _said(future: "Future[Any]") -> int | None:
    # Brokers that have no such setting, or don't let us read it, are no reason to stop: what a topic does
    # not take in the end is told by its refusal.
    try:
        entry = future.result(_TIMEOUT_S).get(_SIZE)
        return None if entry is None or entry.value is None else int(entry.value)
    except (KafkaException, ValueError):
        return None


def _raise_size(admin: AdminClient, spec: TopicSpec) -> None:
    entry = ConfigEntry(_SIZE, str(spec.max_message_bytes), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, spec.name, incremental_configs=[entry])
    for future in admin.incremental_alter_configs([resource], request_timeout=_TIMEOUT_S).values():
        future.result(_TIMEOUT_S)


def _add_partitions(admin: AdminClient, spec: TopicSpec) -> None:
    more = admin.create_partitions([NewPartitions(spec.name, spec.partitions)], operation_timeout=_TIMEOUT_S)
    for future in more.values():
        future.result(_TIMEOUT_S)


@contextmanager
def _told(refusals: list[str]) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        refusals.append(f"the broker does not let us change it: {error.args[0].str()}")
