"""Following leads until each is in a final state, with live progress."""

import itertools
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from signalbox.protocol.errors import Unavailable
from signalbox_cli.console_client import Service

_IN_FLIGHT: Final = "in_flight"
_POLL_S: Final = 0.5
_ONE_BY_ONE: Final = 50


class Followed:
    """Leads of which some are not final yet; a console that restarts meanwhile is waited for."""

    def __init__(self, console: Service, lead_ids: Sequence[str]) -> None:
        self._console = console
        self._pending = deque(dict.fromkeys(lead_ids))
        self.total = len(self._pending)
        self.statuses: dict[str, str] = {}
        self.waiting_for: Unavailable | None = None

    @property
    def unfinished(self) -> list[str]:
        """The leads that are not final as far as is known."""
        return list(self._pending)

    def poll(self) -> None:
        """Ask the console once for what is pending: many by the list, the rest one by one."""
        try:
            known = self._listed() if len(self._pending) > _ONE_BY_ONE else {}
            known |= self._asked([lead_id for lead_id in self._pending if lead_id not in known])
            self.waiting_for = None
        except Unavailable as error:
            self.waiting_for = error
            return
        self.statuses |= {
            lead_id: status for lead_id, status in known.items() if lead_id in set(self._pending)
        }
        final = {lead_id for lead_id, status in known.items() if status != _IN_FLIGHT}
        self._pending = deque(lead_id for lead_id in self._pending if lead_id not in final)
        # Those that were not asked this time come first the next time.
        self._pending.rotate(-_ONE_BY_ONE)

    def reasons(self) -> Counter[str]:
        """Count the dead-lettered leads by the reason of their last dead letter."""
        dead = [lead_id for lead_id, status in self.statuses.items() if status == "dead_lettered"]
        return Counter(self._reason(lead_id) for lead_id in dead)

    def _listed(self) -> dict[str, str]:
        newest = self._console.pages("/api/leads", "leads", limit=self.total + 1000)
        return {lead["lead_id"]: lead["status"] for lead in newest}

    def _asked(self, lead_ids: Sequence[str]) -> dict[str, str]:
        found = {lead_id: self._find(lead_id) for lead_id in itertools.islice(lead_ids, _ONE_BY_ONE)}
        return {lead_id: lead["status"] for lead_id, lead in found.items() if lead}

    def _find(self, lead_id: str) -> dict[str, Any] | None:
        return self._console.find(f"/api/leads/{quote(lead_id, safe='')}")

    def _reason(self, lead_id: str) -> str:
        timeline = (self._find(lead_id) or {}).get("timeline", [])
        dead_letters = [step["detail"].get("reason") for step in timeline if step["stage"] == "dead_lettered"]
        return str(dead_letters[-1]) if dead_letters else "UNKNOWN"


def follow(console: Service, lead_ids: Sequence[str], deadline_s: float, *, quiet: bool) -> dict[str, Any]:
    """Follow ``lead_ids`` for at most ``deadline_s`` and count them by status and dead-letter reason.

    Raises:
        Unavailable: the console did not answer by the deadline.
    """
    followed = Followed(console, lead_ids)
    ends_at = time.monotonic() + deadline_s
    with _progress(quiet) as progress:
        bar = progress.add_task("", total=followed.total)
        while True:
            followed.poll()
            text = "waiting for the console" if followed.waiting_for else _counts(followed)
            progress.update(bar, completed=followed.total - len(followed.unfinished), description=text)
            if not followed.unfinished or time.monotonic() >= ends_at:
                break
            time.sleep(min(_POLL_S, max(0.0, ends_at - time.monotonic())))
    if followed.waiting_for:
        raise followed.waiting_for
    return {
        "statuses": dict(
            sorted(Counter(_status_of(followed, one) for one in dict.fromkeys(lead_ids)).items())
        ),
        "reasons": dict(sorted(followed.reasons().items())),
        "unfinished": followed.unfinished,
    }


def _status_of(followed: Followed, lead_id: str) -> str:
    return followed.statuses.get(lead_id, "not_seen")


def _counts(followed: Followed) -> str:
    counts = Counter(followed.statuses.values())
    return ", ".join(f"{status} {count}" for status, count in sorted(counts.items())) or "not seen yet"


def _progress(quiet: bool) -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(stderr=True), disable=quiet)
