"""Puts the parts together."""

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp

from dev_registry.catalogue import Catalogue
from dev_registry.deletion import Deletion
from dev_registry.reading import Reader
from dev_registry.registration import Registration
from dev_registry.settings import Settings
from dev_registry.settings_in_force import SettingsInForce
from dev_registry.store import Store
from dev_registry.web.health import health_routes
from dev_registry.web.protocol import answer_errors, body_reader
from dev_registry.web.requests import AsSent, KnownHosts, Requests
from dev_registry.web.rules import compatibility_routes, config_routes, mode_routes
from dev_registry.web.schemas import schema_routes
from dev_registry.web.subjects import reading_routes, writing_routes


def create_app(settings: Settings) -> ASGIApp:
    """Open the store and return the application that answers for it."""
    store = Store(settings.database)
    reader = Reader(store)
    in_force = SettingsInForce(store)
    catalogue = Catalogue(store, reader)
    registration = Registration(store, reader, in_force, catalogue)
    body = body_reader(settings.body_limit)
    metrics = CollectorRegistry()

    app = FastAPI(title="Signalbox development Schema Registry", openapi_url=None, redirect_slashes=False)
    answer_errors(app)
    for routes in (
        schema_routes(catalogue),
        reading_routes(catalogue),
        writing_routes(body, catalogue, registration, Deletion(store, in_force)),
        compatibility_routes(body, registration),
        config_routes(body, in_force),
        mode_routes(body, in_force),
        health_routes(store, catalogue, metrics),
    ):
        app.include_router(routes)
    return KnownHosts(AsSent(app, Requests(metrics)), settings.hosts)
