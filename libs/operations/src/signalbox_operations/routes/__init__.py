"""Decisions of the router that were made: read back with the messages that they were made on."""

from signalbox_operations.routes.recorded import Recorded, RecordedRoute
from signalbox_operations.routes.service import RouteService, open_route_service

__all__ = ["Recorded", "RecordedRoute", "RouteService", "open_route_service"]
