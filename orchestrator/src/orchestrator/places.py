"""Whether the topics take what this process must write to them: looked at once, before it begins."""

from collections.abc import Sequence
from typing import Final

from signalbox.catalog import Catalog
from signalbox.kafka import KafkaSettings, TopicChange, TopicSpec, compare, topics_of
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import (
    AGENT_GRANTS,
    AGENT_MESSAGES,
    AGENT_REGISTRY,
    AGENT_ROUTES,
    GOVERNANCE_AUDIT,
    INCOMING_LEADS,
    dead_letter_topic,
)
from signalbox.telemetry import Readiness, logger

_log = logger(__name__)
_STAGES: Final = (INCOMING_LEADS, AGENT_MESSAGES, AGENT_ROUTES)
_OURS: Final = frozenset(
    {*_STAGES, *map(dead_letter_topic, _STAGES), AGENT_REGISTRY, AGENT_GRANTS, GOVERNANCE_AUDIT}
)
_MEND: Final = "run `signalbox topics apply`"


def wanted_of(catalog: Catalog) -> list[TopicSpec]:
    """Return the topics that the orchestrator reads and writes."""
    return [spec for spec in topics_of(catalog) if spec.name in _OURS]


async def look_at(kafka: KafkaSettings, wanted: Sequence[TopicSpec], readiness: Readiness) -> None:
    """Report topics that could refuse what must be written to them; the work begins all the same.

    Raises:
        Unavailable: the broker can't be reached, or lacks a topic: nothing could be written to it.
    """
    report(await compare(kafka, wanted), readiness)


def report(changes: Sequence[TopicChange], readiness: Readiness) -> None:
    """Say which topics are missing or too small.

    Raises:
        Unavailable: one is missing.
    """
    if missing := [change.name for change in changes if change.outcome == "missing"]:
        raise Unavailable("topics", f"{', '.join(missing)}: not on this broker; {_MEND}")
    differing = "; ".join(f"{one.name} {one.detail}" for one in changes if one.outcome == "differs")
    if differing:
        _log.error("topics could refuse what must be written to them", topics=differing, mend=_MEND)
    readiness.degraded("topics", f"{differing}: {_MEND}" if differing else None)
