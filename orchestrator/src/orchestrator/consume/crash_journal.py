"""Finding the record that this process dies of: which one was being decided when it died, and how often.

A process that is killed by a crash in native code, or for its memory, says nothing any more. So each step of
each decision first notes down which record it is for, in a file that outlives the process. One loop takes
one step at a time, so what stands there after a death is what the process was at work on, and what merely
waited beside it (for a model, an agent, the registry) is never accused.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from prometheus_client import Counter

from signalbox.process.private_files import write_private
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import logger

T = TypeVar("T")
Decide = Callable[[Record], Coroutine[Any, Any, Sequence[Draft]]]
Refuse = Callable[[Record, Refusal], Sequence[Draft]]

_log = logger(__name__)
_DEATHS = Counter("signalbox_deaths", "Starts after a process died while it decided on a record")
_POISON = Counter("signalbox_poison", "Records that were dead-lettered since the process died of them")
_SIZE: Final = 1024
_REMEMBERED: Final = 1000


class CrashJournal:
    """What earlier processes of this replica died of, and what this one is at work on.

    ``limit`` deaths make a record poison. Everything is kept in ``folder``, which must outlive the process.

    Raises:
        ConfigurationError: ``folder`` can't be written.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._limit = limit
        self._counts_file = folder / "deaths.json"
        try:
            self._note = _mapped(folder / "at_work")
            self._counts = _read(self._counts_file)
            self._take_over()
        except OSError as error:
            raise ConfigurationError(f"DATA_DIR must be a folder that can be written: {error}") from error

    def watching(
        self, stage: str, decide: Decide, refuse: Refuse
    ) -> Callable[[Record], Awaitable[Sequence[Draft]]]:
        """Return ``decide`` with every step noted down; ``refuse`` gets the records that are poison."""

        async def decided(record: Record) -> Sequence[Draft]:
            # With its time, since a topic that is made again has other records at the same offsets.
            place = _fitting(
                f"{stage} {record.topic}/{record.partition}/{record.offset}@{record.timestamp_ms}"
            )
            deaths = self._counts.get(place, 0)
            if deaths >= self._limit:
                _POISON.inc()
                _log.error("poison", record=place, deaths=deaths)
                return refuse(record, Refusal(Reason.POISON, f"the orchestrator died of it {deaths} times"))
            drafts = await _Noted(decide(record), self._note, place.encode())
            if deaths:
                self._acquit(place)
            return drafts

        return decided

    def _take_over(self) -> None:
        place = self._note[:].rstrip(b"\0").decode(errors="replace")
        self._note[:] = bytes(_SIZE)
        if not place:
            return
        self._counts[place] = self._counts.get(place, 0) + 1
        _DEATHS.inc()
        _log.error("the process before died of a record", record=place, deaths=self._counts[place])
        self._keep()

    def _acquit(self, place: str) -> None:
        self._counts.pop(place, None)
        self._keep()

    def _keep(self) -> None:
        newest = dict(list(self._counts.items())[-_REMEMBERED:])
        write_private(self._counts_file, json.dumps(newest))


@dataclass(frozen=True, slots=True)
class _Noted(Awaitable[T]):
    """A coroutine, each of whose steps has ``place`` noted down as long as it lasts."""

    coroutine: Coroutine[Any, Any, T]
    note: mmap.mmap
    place: bytes

    def __await__(self) -> Generator[Any, Any, T]:
        thrown: BaseException | None = None
        while True:
            self.note[: len(self.place)] = self.place
            try:
                waited_for = self.coroutine.send(None) if thrown is None else self.coroutine.throw(thrown)
            except StopIteration as finished:
                result: T = finished.value
                return result
            finally:
                self.note[: len(self.place)] = bytes(len(self.place))
            thrown = None
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - handed on to the coroutine, whatever it is
                thrown = error


def _fitting(place: str) -> str:
    # The note has a fixed size, and what was noted must be read back as it was.
    if len(place.encode("utf-8", "surrogatepass")) <= _SIZE and place.isprintable():
        return place
    return hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()


def _mapped(path: Path) -> mmap.mmap:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, _SIZE)
        # Pages that are written belong to the kernel: they are in the file even when the process is killed.
        return mmap.mmap(descriptor, _SIZE)
    finally:
        os.close(descriptor)


def _read(path: Path) -> dict[str, int]:
    try:
        counts = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(counts, dict):  # nothing that this process wrote
        return {}
    return {place: count for place, count in counts.items() if isinstance(count, int)}
