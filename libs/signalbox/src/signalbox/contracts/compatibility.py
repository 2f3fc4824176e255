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

from signalbox.avro import ParsedSchema, parse
from signalbox.avro.codec import require_readable
from signalbox.contracts.catalog import Catalog, Compatibility
from signalbox.contracts.differences import Change, Difference, differences
from signalbox.contracts.fleet import Fleet, Parties
from signalbox.contracts.resolution import Mismatch, mismatches
from signalbox.errors import ConfigurationError, Refusal
from signalbox.governance.rules import Rules
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
_HINTS: Final = {
    "no default": "Give the field a default, in the version that adds it and in the one that drops it.",
    "missing enum symbols": "Give the enum a default symbol, which readers take for what they do not know.",
    "missing union branch": "Keep the union's branches, and add a field beside it for the new kind.",
    "union has no": "Keep the union's branches, and add a field beside it for the new kind.",
    "type mismatch": "Keep the field as it is, and add one of the new type, with a default, beside it.",
    "name mismatch": "Keep the name: a renamed type is another type.",
}
_OTHERWISE: Final = (
    "Make a record type of its own beside this one, and let go of this one when it is drained."
)
_UNUSABLE: Final = "`signalbox contracts lint` says where, and what would be right."
_NOT_ADOPTED: Final = "The gate goes on with the version before it, and services that read keep to theirs."
_DROPPED: Final = "Keep the rule, or say --drop-rules when it is meant."


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier text of a contract; ``label`` says which, such as ``version 3``.

    ``number`` is its version in the registry, None where it comes from elsewhere.
    """

    label: str
    text: str
    number: int | None = None


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
    fleet: Fleet | None = None,
) -> Verdict:
    """Judge ``text`` against ``earlier``, oldest first, at the level that the catalog gives.

    ``fleet`` lets findings name who runs with which version.

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
    parties = Parties(record_type, entry, fleet)
    found = list(_findings(text, earlier, parties, drop_rules=drop_rules))
    doc_only = all(finding.kind == Change.DOC for finding in found)
    return Verdict(record_type, level, "doc only" if found and doc_only else "changed", tuple(found))


def _findings(
    text: str, earlier: Sequence[Version], parties: Parties, *, drop_rules: bool
) -> Iterator[CompatibilityFinding]:
    level = parties.entry.compatibility
    new, latest = json.loads(text), earlier[-1]
    for version in earlier if level.transitive else [latest]:
        yield from _resolution(text, version, parties)
        changes = differences(json.loads(version.text), new)
        if level is not Compatibility.NONE:
            yield from _unseen(changes, version, parties)
        if version is latest:
            yield from _remarks(changes, version, drop_rules=drop_rules)
    yield from _adoption(text, earlier, parties)


def _resolution(text: str, version: Version, parties: Parties) -> Iterator[CompatibilityFinding]:
    new, old = _parsed(text, "the new text"), _parsed(version.text, version.label)
    level, number = parties.entry.compatibility, version.number
    if level.backward:
        affected = (*_listed_readers(parties), *parties.writers(number))
        for found in mismatches(reader=new, writer=old):
            detail = f"the new contract can't read what {version.label} wrote: {found.detail}"
            yield _breaks("backward", found.path, detail, version, affected, _hint(found))
    if level.forward:
        for found in mismatches(reader=old, writer=new):
            detail = f"readers of {version.label} can't read what the new contract writes: {found.detail}"
            yield _breaks("forward", found.path, detail, version, parties.readers(number), _hint(found))


def _unseen(changes: list[Difference], version: Version, parties: Parties) -> Iterator[CompatibilityFinding]:
    for change in changes:
        if hint := _BREAKING.get(change.change):
            affects = (*parties.readers(version.number), *parties.writers(version.number))
            yield _breaks(change.change, change.path, change.detail, version, affects, hint)


def _adoption(text: str, earlier: Sequence[Version], parties: Parties) -> Iterator[CompatibilityFinding]:
    """Say where the gate would not adopt the contract: it demands that it reads all its predecessors.

    Where the level demands less than that, the registry takes the version, and the gate passes it over.
    """
    try:
        new = parse(text)
        Rules(new)
    except (Refusal, ConfigurationError) as error:
        detail = f"the gate would never adopt it: {error}"
        yield _breaks("unusable", "", detail, earlier[-1], _listed_readers(parties), _UNUSABLE)
        return
    severity = Severity.BREAKS if parties.entry.compatibility.backward else Severity.WARNS
    for version in earlier:
        unread = _unread(new, version)
        if unread is not None and not _said(text, version, parties):
            detail = f"the gate would not adopt it, since it can't read {version.label}: {unread.detail}"
            yield CompatibilityFinding(
                severity, "gate", unread.field, detail, version.label, _listed_readers(parties), _NOT_ADOPTED
            )


def _unread(new: ParsedSchema, version: Version) -> Refusal | None:
    try:
        require_readable(parse(version.text), new)
    except Refusal as refusal:
        return refusal
    return None


def _said(text: str, version: Version, parties: Parties) -> bool:
    """Whether Avro's own judgement has said already that the new text can't read ``version``."""
    level = parties.entry.compatibility
    if level is Compatibility.NONE or not level.backward:
        return False
    new, old = _parsed(text, "the new text"), _parsed(version.text, version.label)
    logical = [c for c in differences(json.loads(version.text), json.loads(text)) if c.change in _BREAKING]
    return bool(mismatches(reader=new, writer=old) or logical)


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


def _listed_readers(parties: Parties) -> tuple[str, ...]:
    """Name everybody who will read by the new contract once it is deployed."""
    return tuple(f"reader {name}" for name in parties.entry.consumers)


def _hint(found: Mismatch) -> str:
    return next((hint for words, hint in _HINTS.items() if words in found.detail), _OTHERWISE)


def _parsed(text: str, label: str) -> Schema:
    try:
        return parse_avro(text)
    except (AvroException, KeyError, TypeError, RecursionError) as error:
        raise ConfigurationError(f"{label} is not valid Avro: {error}") from error
