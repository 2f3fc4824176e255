"""What a process says about itself: JSON logs, Prometheus metrics, health and readiness."""

from signalbox.telemetry.health import Readiness, operations_routes
from signalbox.telemetry.logs import configure_logging, logger
from signalbox.telemetry.personal import hide_from_logs
from signalbox.telemetry.server import Server

__all__ = ["Readiness", "Server", "configure_logging", "hide_from_logs", "logger", "operations_routes"]
