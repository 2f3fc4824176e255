"""What the gate knows of schema ids: the writer's schema, judged once, and the subjects that use it."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from signalbox.avro.limits import Limits
from signalbox.avro.schema import ParsedSchema, parse
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import SchemaId, Subject
from signalbox.registry.port import SchemaRegistry

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")
_KNOWN: Final = 10_000
_UNKNOWN: Final = 100_000
_LATELY_S: Final = 5.0
_SOON_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """The schema of an id: parsed, or the verdict why it must not be used."""

    parsed: ParsedSchema | None
    unsafe: Refusal | None = None


class _Recent(Generic[_K, _V]):
    """Remembers at most ``size`` entries, the oldest go first, and none longer than ``ttl_s`` seconds."""

    def __init__(self, size: int, ttl_s: float | None = None) -> None:
        self._entries: OrderedDict[_K, tuple[_V, float]] = OrderedDict()
        self._size = size
        self._ttl_s = ttl_s

    def get(self, key: _K, within_s: float | None = None) -> _V | None:
        """Return the value of ``key``; ``within_s`` takes the place of ``ttl_s``."""
        value, since = self._entries.get(key, (None, 0.0))
        limit = self._ttl_s if within_s is None else within_s
        return None if limit is not None and time.monotonic() - since > limit else value

    def put(self, key: _K, value: _V) -> None:
        self._entries[key] = value, time.monotonic()
        self._entries.move_to_end(key)
        while len(self._entries) > self._size:
            self._entries.popitem(last=False)


class WriterSchemas:
    """Schemas and usages by id, asked of the registry once.

    An id that is unknown is asked again after ``ask_again_s`` seconds, since registry followers lag. It then
    stays unknown for ``unknown_for_s``, so that a flood of records is no flood of questions; no longer,
    since a registry that was wrong for a while must cost no record that comes when it is right again.
    """

    def __init__(
        self,
        registry: SchemaRegistry,
        limits: Limits,
        *,
        ask_again_s: float = 1.0,
        unknown_for_s: float = 0.5,
        usages_for_s: float = 1.0,
    ) -> None:
        self._registry = registry
        self._limits = limits
        self._ask_again_s = ask_again_s
        self._schemas: _Recent[SchemaId, WriterSchema] = _Recent(_KNOWN)
        self._unknown_for_s = unknown_for_s
        self._unknown: _Recent[SchemaId, bool] = _Recent(_UNKNOWN)
        self._subjects: _Recent[SchemaId, frozenset[Subject]] = _Recent(_KNOWN)
        self._asked: _Recent[SchemaId, bool] = _Recent(_KNOWN, usages_for_s)
        self._asking: dict[SchemaId, asyncio.Task[WriterSchema | None]] = {}

    async def get(self, schema_id: SchemaId) -> WriterSchema | None:
        """Return the schema of an id; None when the registry does not know it.

        Raises:
            Unavailable: the registry can't be asked now.
            Refusal: ``UNKNOWN_SCHEMA``, when it has no answer about this id alone.
        """
        known = self._schemas.get(schema_id)
        if known is not None or self._unknown.get(schema_id, self._unknown_for_s):
            return known
        # Many records of one new schema arrive together: one of them asks, all wait for the answer.
        asking = self._asking.get(schema_id)
        if asking is None:
            asking = asyncio.create_task(self._ask(schema_id))
            self._asking[schema_id] = asking
            asking.add_done_callback(_retrieved)
            asking.add_done_callback(lambda _: self._asking.pop(schema_id, None))
        return await asyncio.shield(asking)

    async def _ask(self, schema_id: SchemaId) -> WriterSchema | None:
        schema = await self._judged(schema_id)
        if schema is None:
            # Followers had their time when it was asked a moment ago; what is behind this record waits, too.
            lately = self._unknown.get(schema_id, _LATELY_S)
            await asyncio.sleep(min(self._ask_again_s, _SOON_S) if lately else self._ask_again_s)
            schema = await self._judged(schema_id)
        if schema is None:
            self._unknown.put(schema_id, True)
            return None
        self._schemas.put(schema_id, schema)
        return schema

    async def _judged(self, schema_id: SchemaId) -> WriterSchema | None:
        text = await self._registry.schema_text(schema_id)
        if text is None:
            return None
        try:
            return WriterSchema(parse(text, self._limits))
        except Refusal as refusal:
            return WriterSchema(None, refusal)

    async def subjects(self, schema_id: SchemaId, wanted: Callable[[Subject], bool]) -> frozenset[Subject]:
        """Return the ``wanted`` subjects of an id; deleted versions count. Raises Unavailable.

        That a subject uses an id stays true. That none does may change with the next registration, so the
        registry is asked again then, but not more often than once in ``usages_for_s`` an id.
        """
        found = _only(self._subjects.get(schema_id), wanted)
        if found or self._asked.get(schema_id):
            return found
        usages = await self._registry.usages(schema_id)
        subjects = frozenset(subject for subject, _ in usages)
        self._subjects.put(schema_id, subjects)
        self._asked.put(schema_id, True)
        return _only(subjects, wanted)


def _only(subjects: frozenset[Subject] | None, wanted: Callable[[Subject], bool]) -> frozenset[Subject]:
    return frozenset(subject for subject in subjects or () if wanted(subject))


def _retrieved(task: asyncio.Task[WriterSchema | None]) -> None:
    # Its waiters may all have been cancelled; an outcome that no one takes is not worth a warning.
    if not task.cancelled():
        task.exception()
