"""/healthz, /readyz and /metrics."""

import sqlite3

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from dev_registry.catalogue import Catalogue
from dev_registry.store import Store
from dev_registry.web.protocol import PLAIN_JSON, Json


def health_routes(store: Store, catalogue: Catalogue, metrics: CollectorRegistry) -> APIRouter:
    """Return the routes for those who watch the process."""
    routes = APIRouter()
    held = Gauge("registry_held", "What the registry holds that is not deleted", ["what"], registry=metrics)

    @routes.get("/healthz")
    async def alive() -> Response:
        return Json({"status": "alive"}, media_type=PLAIN_JSON)

    @routes.get("/readyz")
    def ready() -> Response:
        try:
            store.ping()
        except sqlite3.Error:
            return Json({"ready": False, "waiting_for": ["store"]}, 503, media_type=PLAIN_JSON)
        return Json({"ready": True, "waiting_for": []}, media_type=PLAIN_JSON)

    @routes.get("/metrics")
    def show_metrics() -> Response:
        for what, count in catalogue.counts().items():
            held.labels(what).set(count)
        return Response(generate_latest(metrics), media_type=CONTENT_TYPE_LATEST)

    return routes
