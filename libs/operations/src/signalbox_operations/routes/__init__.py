"""Decisions of the router: read back with the messages that they were made on, and corrected."""

from signalbox_operations.routes.corrections import Correction, NotCorrectable
from signalbox_operations.routes.recorded import Recorded, RecordedRoute
from signalbox_operations.routes.service import RouteService, open_route_service

__all__ = ["Correction", "NotCorrectable", "Recorded", "RecordedRoute", "RouteService", "open_route_service"]
