"""The ladder: what to write in place of an outcome that the broker will never take, until it takes one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter, Gauge

from signalbox.protocol.dead_letters import is_dead_letter, source_of
from signalbox.protocol.envelope import time_text
from signalbox.protocol.errors import Unwritable
from signalbox.protocol.headers import DL
from signalbox.protocol.lesser_dead_letters import lesser_dead_letters
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness, logger
from signalbox.telemetry.repeated import Repeated

Instead = Callable[[Record, Sequence[Draft], Unwritable], Sequence[Draft]]
"""Makes a dead letter of a record whose decision can't be written."""
Retention = Callable[[str], int | None]
"""Says how long a topic keeps its records, in milliseconds; None when it deletes none."""


def nothing_instead(_: Record, __: Sequence[Draft], ___: Unwritable) -> Sequence[Draft]:
    """Have no other outcome: a record whose decision can't be written holds its partition, and says so."""
    return []


_log = logger(__name__)
_LESSER = Counter(
    "signalbox_lesser_outcomes", "Outcomes that the broker did not take as they were", ["stage"]
)
_REFERENCES = Counter("signalbox_letters_by_reference", "Dead letters whose bytes are not in them", ["stage"])
_GONE_AT = Gauge("signalbox_letter_bytes_gone_at_seconds", "When the first such bytes go, since the epoch")
_ALARM: Final = "dead letters by reference"
_REPEATED: Final = Repeated()  # a record that holds its partition comes here five times a second


@dataclass(slots=True)
class References:
    """The alarm about dead letters whose bytes lie on the source topic only, and go with its retention."""

    readiness: Readiness
    retention: Retention
    first: tuple[datetime, str] | None = None
    """When the first such bytes go, and from which topic."""
    count: int = 0

    def gone_at(self, topic: str, written: datetime | None) -> datetime | None:
        """Say when the bytes of a record of ``topic`` go; None when it deletes none."""
        kept_ms = self.retention(topic)
        if kept_ms is None:
            return None
        return (written or datetime.now(UTC)) + timedelta(milliseconds=kept_ms)

    def note(self, stage: str, topic: str, gone_at: datetime | None) -> None:
        """Raise the alarm for one more."""
        self.count += 1
        _REFERENCES.labels(stage).inc()
        if gone_at is not None and (self.first is None or gone_at < self.first[0]):
            self.first = (gone_at, topic)
            _GONE_AT.set(gone_at.timestamp())
        until, where = ("never", topic) if self.first is None else (time_text(self.first[0]), self.first[1])
        detail = (
            f"{self.count} were written without their bytes, which {where} has until {until}:"
            " run `signalbox topics apply`, then replay or discard these dead letters before that"
        )
        self.readiness.degraded(_ALARM, detail)


@dataclass(slots=True)
class Ladder:
    """One record's outcome, and the lesser ones below it. ``drafts`` is what to write now."""

    stage: str
    record: Record
    drafts: Sequence[Draft]
    instead: Instead
    references: References
    _below: list[Draft] = field(default_factory=list)
    _is_full: bool = True

    def step_down(self, why: Unwritable) -> bool:
        """Take the next step; False when there is none, and nothing at all can be written.

        A decision becomes a dead letter. That goes without its audit event if this is what is refused, to
        another partition if its own is not there, and else loses what is largest.
        """
        _LESSER.labels(self.stage).inc()
        self._tell(why)
        dead_letter = next((draft for draft in self.drafts if is_dead_letter(draft)), None)
        if dead_letter is None:
            self.drafts = self.instead(self.record, self.drafts, why)
            return bool(self.drafts)
        if why.topic != dead_letter.topic and len(self.drafts) > 1:
            self.drafts = [dead_letter]
            return True
        if why.misplaced:
            return self._moved(dead_letter)
        return self._lessened(dead_letter)

    def written(self) -> None:
        """Say that ``drafts`` are written."""
        for draft in self.drafts:
            if any(name == DL.BY_REFERENCE for name, _ in draft.headers):
                topic = source_of(draft)
                self.references.note(self.stage, topic, self._gone_at(topic))

    def _tell(self, why: Unwritable) -> None:
        place = f"{self.record.topic}/{self.record.partition}/{self.record.offset}"
        if (left_out := _REPEATED.due((self.stage, place, str(why)))) is not None:
            _log.error(
                "an outcome can't be written", stage=self.stage, record=place, why=str(why), left_out=left_out
            )

    def _moved(self, dead_letter: Draft) -> bool:
        if dead_letter.partition is None:
            return False
        self._below = [replace(one, partition=None) for one in self._below]
        self._write(replace(dead_letter, partition=None))
        return True

    def _lessened(self, dead_letter: Draft) -> bool:
        if self._is_full:
            gone_at = self._gone_at(source_of(dead_letter))
            self._below = lesser_dead_letters(dead_letter, "" if gone_at is None else time_text(gone_at))
            self._is_full = False
        if not self._below:
            return False
        self._write(self._below.pop(0))
        return True

    def _write(self, dead_letter: Draft) -> None:
        self.drafts = [dead_letter, *(draft for draft in self.drafts if not is_dead_letter(draft))]

    def _gone_at(self, topic: str) -> datetime | None:
        return self.references.gone_at(topic, self.record.time)
