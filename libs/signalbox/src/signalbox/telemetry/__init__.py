"""What a process says about itself: JSON logs, Prometheus metrics, health and readiness."""

from signalbox.telemetry.health import Readiness, operations_routes
from signalbox.telemetry.logs import configure_logging, logger
from signalbox.telemetry.server import Server

__all__ = ["Readiness", "Server", "configure_logging", "logger", "operations_routes"]
