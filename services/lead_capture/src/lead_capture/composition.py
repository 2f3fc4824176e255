"""The composition root: the one place that picks the real store, registry and broker."""

from typing import Final

from fastapi import FastAPI

from lead_capture.app import create_app
from lead_capture.publisher import KafkaPublisher
from lead_capture.settings import LeadCaptureSettings
from lead_capture.sql_store import SqlLeadStore
from lead_capture.store import LeadStore
from signalbox.kafka import KafkaSettings, Producer
from signalbox.registry.client import Registry, RegistrySettings

_MONGODB: Final = ("mongodb://", "mongodb+srv://")


def bootstrap(settings: LeadCaptureSettings | None = None) -> FastAPI:
    """Wire the real store, registry and broker, as the environment says."""
    settings = settings or LeadCaptureSettings()
    kafka = KafkaSettings()
    registry = Registry(RegistrySettings())
    publisher = KafkaPublisher(registry, lambda: Producer(kafka, "lead_capture"))

    async def close() -> None:
        await publisher.close()
        await registry.close()

    return create_app(open_store(settings), publisher, settings, close)


def open_store(settings: LeadCaptureSettings) -> LeadStore:
    """Open the store that ``LEAD_STORE_URL`` names.

    Raises:
        ConfigurationError: the URL can't be used, or SQLAlchemy's driver for it is not installed.
    """
    url = settings.store_url()
    if not url.startswith(_MONGODB):
        return SqlLeadStore(url, settings.lease(), settings.lead_capture_replica or _only_one_of(url))
    from lead_capture.mongo_store import MongoLeadStore  # its driver takes a while to load

    return MongoLeadStore(url, settings.lease(), settings.lead_capture_replica)


def _only_one_of(url: str) -> str:
    """Name the process for its store, where a store has one process: an SQLite file is not shared."""
    return "lead_capture" if url.startswith("sqlite") else ""
