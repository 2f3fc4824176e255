"""Waiting until nothing moves any more: the moment at which the checks may look."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
from confluent_kafka import Consumer, KafkaException, TopicPartition

from evidence import REGISTRATIONS, TOPICS

_LOOK_EVERY_S: Final = 1.0
_STILL_S: Final = 8.0
"""Longer than anything that happens without a record: a second question to the registry, a commit."""
_NO_PROGRESS_S: Final = 90.0
_MAIL_LEASE_S: Final = 130.0
"""How long a mail may be claimed by a mailer that is gone."""
_UNSETTLED: Final = "SELECT status, count(*) FROM mails WHERE due_at <= ? GROUP BY status"
_SOON_S: Final = 120.0
"""A mail that was refused for the moment is tried again so soon at the latest."""


@dataclass(frozen=True, slots=True)
class Moment:
    """How far everything is: the ends of the topics, the console's figures, the mails by status."""

    ends: int
    stats: tuple[tuple[str, int], ...]
    mails: tuple[tuple[str, int], ...]

    def settled(self, captured: int) -> bool:
        """True when every lead is in and none is in flight, and no mail is on its way."""
        stats, mails = dict(self.stats), dict(self.mails)
        at_rest = stats.get("captured") == captured and stats.get("in_flight") == 0
        return at_rest and not mails.get("scheduled") and not mails.get("handing_over")


class Quiet:
    """Looks at the brokers, the console and Send Email's schedule until they come to rest."""

    def __init__(self, servers: str, console: str, schedule: Path) -> None:
        self._servers = servers
        self._console = console
        self._schedule = schedule

    def wait(self, captured: int, tell: Callable[[str], None]) -> str:
        """Return once nothing moves any more; say why the wait ended: ``quiet``, or what was left over."""
        client = Consumer({"bootstrap.servers": self._servers, "group.id": "fault-quiet"})
        try:
            return self._wait(client, captured, tell)
        finally:
            client.close()

    def _wait(self, client: Consumer, captured: int, tell: Callable[[str], None]) -> str:
        before, since = self._moment(client), time.monotonic()
        while True:
            time.sleep(_LOOK_EVERY_S)
            now = self._moment(client)
            if now != before:
                before, since = now, time.monotonic()
                tell(f"in flight {dict(now.stats).get('in_flight', '?')}, mails {dict(now.mails)}")
            still = time.monotonic() - since
            if still > _STILL_S and now.settled(captured):
                return "quiet"
            claimed = dict(now.mails).get("handing_over", 0) > 0
            if still > (_MAIL_LEASE_S if claimed else _NO_PROGRESS_S):
                return f"no progress for {still:.0f} s: {dict(now.stats)}, mails {dict(now.mails)}"

    def _moment(self, client: Consumer) -> Moment:
        return Moment(_ends(client), tuple(sorted(self._stats().items())), tuple(self._mails()))

    def _stats(self) -> Mapping[str, int]:
        try:
            stats: dict[str, int] = (
                httpx2.get(f"{self._console}/api/stats", timeout=10).raise_for_status().json()
            )
        except httpx2.HTTPError:
            return {}
        return stats

    def _mails(self) -> list[tuple[str, int]]:
        connection = sqlite3.connect(f"file:{self._schedule}?mode=ro", uri=True, timeout=10)
        try:
            return sorted(connection.execute(_UNSETTLED, (time.time() + _SOON_S,)))
        finally:
            connection.close()


def _ends(client: Consumer) -> int:
    try:
        known = client.list_topics(timeout=10).topics
        return sum(
            client.get_watermark_offsets(TopicPartition(topic, number), timeout=10)[1]
            for topic in TOPICS
            if topic != REGISTRATIONS  # agents repeat theirs as long as they live
            for number in known[topic].partitions
        )
    except KafkaException:
        return -1
