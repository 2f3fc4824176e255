"""Which registered versions are adopted: each is judged once, against those that were adopted before it.

A version's verdict follows from the version and the adopted ones before it. Neither ever changes, so a
refresh judges what is new, and nothing else: a new version is held against each of its predecessors once,
and against those that differ in texts and rules alone only once for all of them.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from signalbox.avro.form import reader_form
from signalbox.avro.limits import Limits
from signalbox.avro.resolution import mismatches
from signalbox.avro.schema import ParsedSchema, parse
from signalbox.gate.rules import Rules
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.names import RecordType, SchemaId
from signalbox.registry.port import SchemaVersion

_PAIRS: Final = 65_536
_TOLD_ASIDE: Final = frozenset({"doc", "confluent:rules", "confluent:tags"})


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """A version that is safe, and whose rules compile; those are made again for the one that holds.

    Versions of one ``shape`` are read by the same readers: they differ in docs, rules and tags alone.
    """

    version: int
    schema_id: SchemaId
    schema: ParsedSchema
    shape: bytes


@dataclass(slots=True)
class Judged:
    """The verdicts on a record type's versions, in their order: each is a version, or why it is none."""

    versions: list[tuple[int, SchemaId]] = field(default_factory=list)
    verdicts: list[Readable | str] = field(default_factory=list)

    @property
    def adopted(self) -> list[Readable]:
        """The versions that could be held to, in ascending order."""
        return [verdict for verdict in self.verdicts if not isinstance(verdict, str)]

    @property
    def passed_over(self) -> list[tuple[int, str]]:
        """The other versions, and what is against each."""
        both = zip(self.versions, self.verdicts, strict=True)
        return [(version, why) for (version, _), why in both if isinstance(why, str)]

    def first(self, count: int) -> "Judged":
        """Return the verdicts on the first ``count`` versions: what comes later has no part in them."""
        return Judged(self.versions[:count], self.verdicts[:count])


class Stopped(Exception):
    """No one waits for the verdict any more."""


class Adoption:
    """Judges versions and remembers the verdicts; :meth:`judge` is for a thread of its own."""

    def __init__(self, limits: Limits, pairs: int = _PAIRS) -> None:
        self._limits = limits
        self._judged: dict[RecordType, Judged] = {}
        self._pairs: OrderedDict[tuple[bytes, bytes], str | None] = OrderedDict()
        self._most_pairs = pairs

    def known(self, record_type: RecordType, versions: Sequence[SchemaVersion]) -> Judged | None:
        """Return the verdicts on exactly these versions; None when there is something to judge."""
        before = self._judged.get(record_type)
        return before if before is not None and before.versions == _keys(versions) else None

    def judge(
        self, record_type: RecordType, versions: Sequence[SchemaVersion], stopped: threading.Event
    ) -> Judged:
        """Judge ``versions``, in ascending order; those at the beginning that are known are not judged again.

        Raises:
            Stopped: ``stopped`` was set.
        """
        keys = _keys(versions)
        before = self._judged.get(record_type, Judged())
        same = next(
            (at for at, (old, new) in enumerate(zip(before.versions, keys, strict=False)) if old != new),
            min(len(before.versions), len(keys)),
        )
        built = dict(zip(before.versions, before.verdicts, strict=True))
        judged, adopted = before.first(same), before.first(same).adopted
        for key, version in zip(keys[same:], versions[same:], strict=True):
            known = built.get(key)
            found = known if isinstance(known, Readable) else self._built(record_type, version)
            verdict = found if isinstance(found, str) else self._reads_all(found, adopted, stopped)
            judged.versions.append(key)
            judged.verdicts.append(verdict)
            if isinstance(verdict, Readable):
                adopted.append(verdict)
        self._judged[record_type] = judged
        return judged

    def _built(self, record_type: RecordType, version: SchemaVersion) -> Readable | str:
        try:
            schema = parse(version.schema_text, self._limits)
            if schema.name != record_type:
                return f"it is a schema of {schema.name or 'no record'}, not of {record_type}"
            reader_form(schema)  # raises when a default does not fit
            Rules(schema)  # raises when one does not compile
            return Readable(version.version, version.schema_id, schema, _shape(version.schema_text))
        except (Refusal, ConfigurationError) as error:
            return str(error)

    def _reads_all(
        self, version: Readable, predecessors: Sequence[Readable], stopped: threading.Event
    ) -> Readable | str:
        for predecessor in predecessors:
            if stopped.is_set():
                raise Stopped
            if (why := self._unreadable(version, predecessor)) is not None:
                return f"it does not read version {predecessor.version}: {why}"
        return version

    def _unreadable(self, reader: Readable, writer: Readable) -> str | None:
        pair = reader.shape, writer.shape
        if pair not in self._pairs:
            self._pairs[pair] = _mismatch(reader.schema, writer.schema)
            if len(self._pairs) > self._most_pairs:
                self._pairs.popitem(last=False)
        return self._pairs[pair]


def _keys(versions: Sequence[SchemaVersion]) -> list[tuple[int, SchemaId]]:
    return [(version.version, version.schema_id) for version in versions]


def _shape(text: str) -> bytes:
    said = json.dumps(_bare(json.loads(text)), sort_keys=True)
    return hashlib.blake2b(said.encode(), digest_size=16).digest()


def _bare(said: Any) -> Any:
    match said:
        case dict():
            return {name: _bare(value) for name, value in said.items() if name not in _TOLD_ASIDE}
        case list():
            return [_bare(value) for value in said]
        case _:
            return said


def _mismatch(reader: ParsedSchema, writer: ParsedSchema) -> str | None:
    # Not by the gate's own cache of pairs, which is for those that records are read with.
    found = () if reader is writer else mismatches(writer, reader)
    if not found:
        return None
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0].detail}{more} (at {found[0].path})"
