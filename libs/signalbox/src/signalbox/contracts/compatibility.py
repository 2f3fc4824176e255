"""Whether a contract may change as it did: each changed contract against its earlier versions, at its level.

Two judges: Apache Avro's schema resolution in the directions that the level demands, and what registries do
not see (a logical type, an enum's default, a data rule). Anything but ``NONE`` asks both.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from avro.errors import AvroException
from avro.schema import Schema
from avro.schema import parse as parse_avro

from signalbox.contracts.catalog import Catalog, CatalogRecord, Compatibility
from signalbox.contracts.differences import Change, Difference, differences
from signalbox.contracts.resolution import mismatches
from signalbox.errors import ConfigurationError
from signalbox.names import RecordType


class Severity(StrEnum):
    """What a finding means."""

    BREAKS = "breaks"
    WARNS = "warns"
    NOTES = "notes"


_BREAKING: Final = {
    Change.LOGICAL_TYPE: "Add a field of the new logical type beside it; registries do not see this.",
    Change.ENUM_DEFAULT: "Keep the enum's default: readers fall back to it on unknown symbols.",
}
_WARNING: Final = {
    Change.RULE_ADDED: "It holds for records in flight too, as soon as it is registered.",
    Change.RULE_CHANGED: "If stricter, it refuses records in flight as soon as it is registered.",
    Change.PII_UNTAGGED: "Logs and lists will show the field.",
    Change.DEFAULT: "Readers of messages without the field will see the new value.",
}
_DROPPED: Final = "Keep the rule, or say --drop-rules when it is meant."


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier text of a contract; ``label`` says which, such as ``version 3``."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class CompatibilityFinding:
    """One effect of a change. ``against`` is the earlier version, ``affects`` who has to bear it."""

    severity: Severity
    kind: str
    path: str
    detail: str
    against: str
    affects: tuple[str, ...] = ()
    hint: str = ""

    def __str__(self) -> str:
        who = f" ({', '.join(self.affects)})" if self.affects else ""
        hint = f"\n      {self.hint}" if self.hint else ""
        return f"{self.severity}: {self.path or '(record)'}: {self.detail}, against {self.against}{who}{hint}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `judge` says of one record type."""

    record_type: RecordType
    level: Compatibility
    status: str
    findings: tuple[CompatibilityFinding, ...] = ()

    @property
    def compatible(self) -> bool:
        """Whether the change may be registered."""
        return all(finding.severity is not Severity.BREAKS for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values, for JSON."""
        return {**asdict(self), "compatible": self.compatible}


def judge(
    record_type: RecordType,
    text: str,
    earlier: Sequence[Version],
    catalog: Catalog,
    *,
    drop_rules: bool = False,
) -> Verdict:
    """Judge ``text`` against ``earlier``, oldest first, at the level that the catalog gives.

    Raises:
        ConfigurationError: the catalog does not list ``record_type``, or a text is not valid Avro.
    """
    entry = catalog.record(record_type)
    if entry is None:
        raise ConfigurationError(f"{catalog.path}: records: does not list {record_type}")
    level = entry.compatibility
    if not earlier:
        return Verdict(record_type, level, "new")
    if json.loads(text) == json.loads(earlier[-1].text):
        return Verdict(record_type, level, "unchanged")
    found = list(_findings(text, earlier, entry, drop_rules=drop_rules))
    doc_only = all(finding.kind == Change.DOC for finding in found)
    return Verdict(record_type, level, "doc only" if found and doc_only else "changed", tuple(found))


def _findings(
    text: str, earlier: Sequence[Version], entry: CatalogRecord, *, drop_rules: bool
) -> Iterator[CompatibilityFinding]:
    level = entry.compatibility
    new, latest = json.loads(text), earlier[-1]
    for version in earlier if level.transitive else [latest]:
        yield from _resolution(text, version, entry)
        changes = differences(json.loads(version.text), new)
        if level is not Compatibility.NONE:
            yield from _unseen(changes, version, entry)
        if version is latest:
            yield from _remarks(changes, version, drop_rules=drop_rules)


def _resolution(text: str, version: Version, entry: CatalogRecord) -> Iterator[CompatibilityFinding]:
    new, old = _parsed(text, "the new text"), _parsed(version.text, version.label)
    if entry.compatibility.backward:
        for found in mismatches(reader=new, writer=old):
            detail = f"the new contract can't read what {version.label} wrote: {found.detail}"
            yield _breaks("backward", found.path, detail, version, _readers(entry))
    if entry.compatibility.forward:
        for found in mismatches(reader=old, writer=new):
            detail = f"readers of {version.label} can't read what the new contract writes: {found.detail}"
            yield _breaks("forward", found.path, detail, version, _readers(entry))


def _unseen(
    changes: list[Difference], version: Version, entry: CatalogRecord
) -> Iterator[CompatibilityFinding]:
    for change in changes:
        if hint := _BREAKING.get(change.change):
            affects = (*_readers(entry), *(f"writer {name}" for name in entry.producers))
            yield _breaks(change.change, change.path, change.detail, version, affects, hint)


def _remarks(
    changes: list[Difference], version: Version, *, drop_rules: bool
) -> Iterator[CompatibilityFinding]:
    for change in changes:
        if change.change in _BREAKING:
            continue
        if change.change is Change.RULE_DROPPED and not drop_rules:
            yield _breaks(change.change, change.path, change.detail, version, (), _DROPPED)
            continue
        hint = _WARNING.get(change.change, "")
        severity = Severity.WARNS if hint else Severity.NOTES
        yield CompatibilityFinding(
            severity, change.change, change.path, change.detail, version.label, (), hint
        )


def _breaks(
    kind: str, path: str, detail: str, version: Version, affects: tuple[str, ...], hint: str = ""
) -> CompatibilityFinding:
    return CompatibilityFinding(Severity.BREAKS, kind, path, detail, version.label, affects, hint)


def _readers(entry: CatalogRecord) -> tuple[str, ...]:
    return tuple(f"reader {name}" for name in entry.consumers)


def _parsed(text: str, label: str) -> Schema:
    try:
        return parse_avro(text)
    except (AvroException, KeyError, TypeError, RecursionError) as error:
        raise ConfigurationError(f"{label} is not valid Avro: {error}") from error
