"""What capture does with a lead: check it, give it an id, keep it, and wake the relay."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Final

from lead_capture.lead import CapturedLead, InvalidLead, Problem, Submission, read_submission
from lead_capture.leads_csv import LeadTable, Row
from lead_capture.store import LeadStore, Outcome
from signalbox.envelope import derived_id
from signalbox.names import LeadId

_BATCH: Final = 500
_LISTED_ERRORS: Final = 1000


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was not taken, by the line on which it starts, and why."""

    line: int
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class ImportResult:
    """What became of a file. Of very many errors the first thousand are listed, and all are counted."""

    accepted: int = 0
    rejected: int = 0
    lead_ids: list[LeadId] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)

    def accept(self, lead_id: LeadId) -> None:
        """Count a row that is in the store."""
        self.accepted += 1
        self.lead_ids.append(lead_id)

    def reject(self, error: RowError) -> None:
        """Count a row that was not taken."""
        self.rejected += 1
        if len(self.errors) < _LISTED_ERRORS:
            self.errors.append(error)


_Batch = list[tuple[Row, Submission | tuple[Problem, ...]]]


class Capture:
    """Takes leads in. ``wake`` is called on the event loop when there is something new to publish."""

    def __init__(self, store: LeadStore, wake: Callable[[], None]) -> None:
        self._store = store
        self._wake = wake

    async def submit(self, submission: Submission, idempotency_key: str | None = None) -> LeadId:
        """Keep one lead and return its id; the same submission under the same id or key is one lead.

        Raises:
            InvalidLead: when the id or the key was used before for another lead.
            Unavailable: when the store can't be written; then the lead was not taken.
        """
        lead = _captured(submission, "lead", idempotency_key)
        (outcome,) = await self._store.add([lead])
        if outcome is Outcome.TAKEN:
            raise InvalidLead(_taken(submission))
        self._wake()
        return lead.lead_id

    async def import_csv(self, file: IO[bytes], idempotency_key: str | None = None) -> ImportResult:
        """Keep the good rows of a CSV file, batch by batch; with a key, a repeat adds nothing.

        Raises:
            UnreadableCsv: when the file as a whole is no CSV of leads; then nothing was stored.
            Unavailable: when the store can't be written; batches before it may have been stored.
        """
        try:
            return await self._import(file, idempotency_key)
        finally:
            self._wake()

    async def _import(self, file: IO[bytes], key: str | None) -> ImportResult:
        # Reading and checking rows takes a while: it is done beside the event loop.
        table = await asyncio.to_thread(LeadTable, file)
        try:
            result = ImportResult(ignored_columns=table.ignored_columns)
            rows = table.rows()
            while batch := await asyncio.to_thread(_read_batch, rows):
                await self._import_batch(batch, key, result)
            return result
        finally:
            table.close()

    async def _import_batch(self, read: _Batch, key: str | None, result: ImportResult) -> None:
        good = [_captured(lead, str(row.line), key) for row, lead in read if isinstance(lead, Submission)]
        stored = iter(zip(good, await self._store.add(good), strict=True)) if good else iter(())
        for row, lead in read:
            problems = lead if isinstance(lead, tuple) else _note(lead, stored, result)
            if problems:
                result.reject(RowError(row.line, problems))


def _read_batch(rows: Iterator[Row]) -> _Batch:
    return [(row, _read(row)) for row in islice(rows, _BATCH)]


def _read(row: Row) -> Submission | tuple[Problem, ...]:
    if row.fault:
        return (row.fault,)
    try:
        return read_submission(row.fields)
    except InvalidLead as error:
        return error.problems


def _note(
    submission: Submission, stored: Iterator[tuple[CapturedLead, Outcome]], result: ImportResult
) -> tuple[Problem, ...]:
    lead, outcome = next(stored)
    if outcome is Outcome.TAKEN:
        return (_taken(submission),)
    result.accept(lead.lead_id)
    return ()


def _captured(submission: Submission, part: str, key: str | None) -> CapturedLead:
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return CapturedLead(_lead_id(submission, part, key), submission.details(), now)


def _lead_id(submission: Submission, part: str, key: str | None) -> LeadId:
    if submission.lead_id:
        return LeadId(submission.lead_id)
    # The id follows from the key, so the store's unique lead id is all that idempotency needs.
    return LeadId(derived_id("idempotency", key, part) if key else str(uuid.uuid4()))


def _taken(submission: Submission) -> Problem:
    name = "lead_id" if submission.lead_id else "Idempotency-Key"
    return Problem(name, "was used before for a lead with other contents")
