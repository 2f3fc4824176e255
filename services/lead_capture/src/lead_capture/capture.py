"""What capture does with a lead: check it, give it an id, keep it, and wake the relay."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Final

from lead_capture.callers import Caller
from lead_capture.charges import Limited, TooManyLeads
from lead_capture.lead import CapturedLead, InvalidLead, Problem, Submission, read_submission
from lead_capture.leads_csv import LeadTable, Row
from lead_capture.rates import Rates
from lead_capture.store import CaptureOutcome, LeadStore
from lead_capture.store_watch import StoreWatch
from signalbox.protocol.envelope import derived_id
from signalbox.protocol.names import LeadId

_BATCH: Final = 500
_MOST_ERRORS: Final = 1000
_IMPORTS: Final = 2
"""So many files are read at once: each keeps a core busy."""
_NOT_YOURS: Final = (
    "is given by callers on this machine or with an API key alone: leave it out, and get one of ours"
)


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was not taken, by the line on which it starts, and why."""

    line: int
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class ImportResult:
    """What became of a file. ``stopped`` says where and why reading ended early, if it did."""

    accepted: int = 0
    rejected: int = 0
    lead_ids: list[LeadId] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    ignored_columns: list[str] = field(default_factory=list)
    stopped: str | None = None

    def accept(self, lead_id: LeadId) -> None:
        """Count a row that is in the store."""
        self.accepted += 1
        self.lead_ids.append(lead_id)

    def reject(self, error: RowError) -> None:
        """Count a row that was not taken."""
        self.rejected += 1
        self.errors.append(error)

    def stop_after(self, line: int) -> None:
        """Note that the rows behind this line were not read."""
        self.stopped = (
            f"{self.rejected} rows are bad: reading ended at line {line}, and what follows it was not read. "
            "Mend the file, and send the rows that were not taken"
        )


_Batch = list[tuple[Row, Submission | tuple[Problem, ...]]]


class Capture:
    """Takes leads in. ``wake`` is called on the event loop when there is something new to publish."""

    def __init__(self, store: LeadStore, watch: StoreWatch, rates: Rates, wake: Callable[[], None]) -> None:
        self._store = store
        self._watch = watch
        self._rates = rates
        self._wake = wake
        self._importing = asyncio.Semaphore(_IMPORTS)

    async def submit(
        self, submission: Submission, caller: Caller, idempotency_key: str | None = None
    ) -> LeadId:
        """Keep one lead and return its id; the same submission under the same id or key is one lead.

        Raises:
            InvalidLead: when the id or the key was used before for another lead, or a stranger gives an id.
            TooManyLeads: a stranger has posted enough; the lead was not taken.
            Unavailable: when the store can't be written; then the lead was not taken.
        """
        if caller.stranger and submission.lead_id:
            raise InvalidLead(Problem("lead_id", _NOT_YOURS))
        lead = _captured(submission, "lead", caller, idempotency_key)
        charges = self._rates.charges(caller, submission.email)
        outcome = await self._watch.writing(self._store.admit(lead, charges))
        if isinstance(outcome, Limited):
            raise TooManyLeads(outcome)
        if outcome is CaptureOutcome.TAKEN:
            raise InvalidLead(_taken(submission))
        self._wake()
        return lead.lead_id

    async def import_csv(
        self, file: IO[bytes], caller: Caller, idempotency_key: str | None, given_up: Callable[[], bool]
    ) -> ImportResult:
        """Keep the good rows of a CSV file, batch by batch; with a key, a repeat adds nothing.

        It stops after very many bad rows, and after the batch in hand when ``given_up`` says so.

        Raises:
            UnreadableCsv: when the file as a whole is no CSV of leads; then nothing was stored.
            Unavailable: when the store can't be written; batches before it may have been stored.
        """
        try:
            async with self._importing:
                return await self._import(file, caller, idempotency_key, given_up)
        finally:
            self._wake()

    async def _import(
        self, file: IO[bytes], caller: Caller, key: str | None, given_up: Callable[[], bool]
    ) -> ImportResult:
        # Reading and checking rows takes a while: it is done beside the event loop.
        table = await asyncio.to_thread(LeadTable, file)
        try:
            result = ImportResult(ignored_columns=table.ignored_columns)
            rows = table.rows()
            while not given_up():
                batch = await asyncio.to_thread(_read_batch, rows, _MOST_ERRORS - result.rejected)
                if not batch:
                    break
                await self._import_batch(batch, caller, key, result)
                if result.rejected >= _MOST_ERRORS:
                    result.stop_after(batch[-1][0].line)
                    break
            return result
        finally:
            table.close()

    async def _import_batch(
        self, read: _Batch, caller: Caller, key: str | None, result: ImportResult
    ) -> None:
        good = [
            _captured(lead, str(row.line), caller, key) for row, lead in read if isinstance(lead, Submission)
        ]
        outcomes = await self._watch.writing(self._store.add(good)) if good else []
        stored = iter(zip(good, outcomes, strict=True))
        for row, lead in read:
            if row.blank:
                continue
            problems = lead if isinstance(lead, tuple) else _note(lead, stored, result)
            if problems:
                result.reject(RowError(row.line, problems))


def _read_batch(rows: Iterator[Row], bad_left: int) -> _Batch:
    """Read some rows, and no further than the last bad one that is listed."""
    batch: _Batch = []
    for row in islice(rows, _BATCH):
        lead = _read(row)
        batch.append((row, lead))
        bad_left -= not row.blank and isinstance(lead, tuple)
        if bad_left <= 0:
            break
    return batch


def _read(row: Row) -> Submission | tuple[Problem, ...]:
    if row.blank:
        return ()
    if row.fault:
        return (row.fault,)
    try:
        return read_submission(row.fields)
    except InvalidLead as error:
        return error.problems


def _note(
    submission: Submission, stored: Iterator[tuple[CapturedLead, CaptureOutcome]], result: ImportResult
) -> tuple[Problem, ...]:
    lead, outcome = next(stored)
    if outcome is CaptureOutcome.TAKEN:
        return (_taken(submission),)
    result.accept(lead.lead_id)
    return ()


def _captured(submission: Submission, part: str, caller: Caller, key: str | None) -> CapturedLead:
    now = datetime.now(UTC)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return CapturedLead(_lead_id(submission, part, caller, key), submission.details(), now)


def _lead_id(submission: Submission, part: str, caller: Caller, key: str | None) -> LeadId:
    if submission.lead_id:
        return LeadId(submission.lead_id)
    if not key:
        return LeadId(str(uuid.uuid4()))
    # The id follows from the key, so the store's unique lead id is all that idempotency needs. Each caller
    # has keys of his own. Strangers can't be told apart: theirs count with the contents, so that no one can
    # take another's key, or learn from it whether there is a lead.
    if caller.stranger:
        return LeadId(derived_id("idempotency of strangers", key, submission.model_dump_json()))
    if caller.name:
        return LeadId(derived_id("idempotency of a program", caller.name, key, part))
    return LeadId(derived_id("idempotency", key, part))


def _taken(submission: Submission) -> Problem:
    name = "lead_id" if submission.lead_id else "Idempotency-Key"
    return Problem(name, "was used before for a lead with other contents")
