"""What this process counts, for ``/metrics``."""

from typing import Final

from prometheus_client import Counter, Gauge

CAPTURED: Final = Counter("lead_capture_accepted_total", "Leads that were accepted", ["via"])
REJECTED: Final = Counter("lead_capture_rejected_total", "Submissions that were refused", ["via"])
PUBLISHED: Final = Counter("lead_capture_published_total", "Leads that the broker has acknowledged")
WAITING: Final = Gauge("lead_capture_waiting", "Leads that are still to be published")
