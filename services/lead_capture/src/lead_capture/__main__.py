"""``python -m lead_capture``: serve until SIGTERM."""

from lead_capture.composition import bootstrap
from signalbox.process.running import begin
from signalbox.telemetry import Server


def main() -> None:
    """Run the service."""
    begin("lead_capture")
    Server(bootstrap(), "lead_capture", 8000).run()


if __name__ == "__main__":
    main()
