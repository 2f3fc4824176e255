"""Whether a contract may change as it did: each changed contract against its earlier versions, at its level.

Three judges: Apache Avro's schema resolution in the directions that the level demands; what registries do not
see (a logical type, an enum's default, a data rule), at any level but ``NONE``; and the gate, which has to
adopt it.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from avro.errors import AvroException
from avro.schema import Schema
from avro.schema import parse as parse_avro

from signalbox.catalog import Catalog, Compatibility
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.adoption import adoption
from signalbox_operations.contracts.differences import Change, Difference, differences
from signalbox_operations.contracts.fleet import Fleet, Parties
from signalbox_operations.contracts.resolution import Mismatch, mismatches
from signalbox_operations.contracts.verdict import CompatibilityFinding, Severity, Verdict, Version

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
_DROPPED: Final = "Keep the rule, or say --drop-rules when it is meant."


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
        unusable = adoption(text, (), Parties(record_type, entry, fleet), said=())
        return Verdict(record_type, level, "new", tuple(unusable))
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
    unread: set[str] = set()
    for version in earlier if level.transitive else [latest]:
        changes = differences(json.loads(version.text), new)
        breaks = list(_resolution(text, version, parties))
        if level is not Compatibility.NONE:
            breaks += _unseen(changes, version, parties)
        unread |= {one.against for one in breaks if one.kind != "forward"}
        yield from breaks
        if version is latest:
            yield from _remarks(changes, version, drop_rules=drop_rules)
    yield from adoption(text, earlier, parties, said=unread)


def _resolution(text: str, version: Version, parties: Parties) -> Iterator[CompatibilityFinding]:
    new, old = _parsed(text, "the new text"), _parsed(version.text, version.label)
    level, number = parties.entry.compatibility, version.number
    if level.backward:
        affected = (*parties.listed_readers(), *parties.writers(number))
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


def _hint(found: Mismatch) -> str:
    return next((hint for words, hint in _HINTS.items() if words in found.detail), _OTHERWISE)


def _parsed(text: str, label: str) -> Schema:
    try:
        return parse_avro(text)
    except (AvroException, KeyError, TypeError, RecursionError) as error:
        raise ConfigurationError(f"{label} is not valid Avro: {error}") from error
