"""Following the registrations: what the topic ``agent_registry`` says, judged, goes into the directory."""

from functools import partial

from orchestrator.trust import Trust, read_topics
from signalbox.kafka import KafkaSettings
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.names import AGENT_REGISTRY
from signalbox.telemetry import Readiness
from signalbox_decide.directory import Directory


async def follow_registrations(
    directory: Directory, settings: KafkaSettings, readiness: Readiness, client_id: str, trust: Trust
) -> None:
    """Read the topic from its beginning, without an end; ready once its end was reached."""
    await trust.grants_read.wait()
    async for records, caught_up in read_topics(
        settings, [AGENT_REGISTRY], readiness, "directory", client_id
    ):
        for record in records:
            judged = partial(trust.judge, record, directory.apply, caught_up)
            await retry_while_unavailable(judged, readiness)
        if caught_up:
            readiness.done("directory")
            directory.is_read()
