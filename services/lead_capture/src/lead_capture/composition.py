"""The composition root: the one place that picks the real store, registry and broker."""

from fastapi import FastAPI

from lead_capture.app import create_app
from lead_capture.publisher import KafkaPublisher
from lead_capture.settings import LeadCaptureSettings
from lead_capture.store import SqlLeadStore
from signalbox.kafka import KafkaSettings, Producer, Registry, RegistrySettings


def bootstrap(settings: LeadCaptureSettings | None = None) -> FastAPI:
    """Wire the real store, registry and broker, as the environment says."""
    settings = settings or LeadCaptureSettings()
    kafka = KafkaSettings()
    registry = Registry(RegistrySettings())
    publisher = KafkaPublisher(registry, lambda: Producer(kafka, "lead_capture"))

    async def close() -> None:
        await publisher.close()
        await registry.close()

    return create_app(SqlLeadStore(settings.store_url()), publisher, settings, close)
