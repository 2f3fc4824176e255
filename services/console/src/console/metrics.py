"""The counts of one snapshot as metrics, read when they are scraped."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from console.journey import Status
from console.queries import Queries
from signalbox.protocol.errors import Unavailable

_COUNTS: Final = {
    "unattributed": "Messages whose workflow belongs to no captured lead",
    "refused_at_intake": "Leads refused at intake and not replayed",
    "llm_calls": "Requests to the router's model",
    "rejected_before_llm": "Messages that intake, gate or a guard rejected",
}


class Counts(Collector):
    """Collects ``signalbox_console_*``."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the counts, all of the same snapshot; none while the store can't be read."""
        try:
            stats, stalled = self._queries.stats().model_dump(), self._queries.stalled()
        except Unavailable:
            return
        leads = GaugeMetricFamily("signalbox_console_leads", "Captured leads by status", labels=["status"])
        for status in Status:
            leads.add_metric([status.value], stats[status.value])
        yield leads
        for name, meaning in _COUNTS.items():
            yield GaugeMetricFamily(f"signalbox_console_{name}", meaning, value=stats[name])
        meaning = "Leads in flight without progress for STALLED_AFTER_S"
        yield GaugeMetricFamily("signalbox_console_leads_stalled", meaning, value=stalled)
