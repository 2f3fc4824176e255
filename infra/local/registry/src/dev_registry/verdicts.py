"""Says whether one schema can read what another one wrote, and why not.

The verdict is Apache Avro's (``avro.compatibility``). Three things are made as the Java implementation has
them, since it is the reference: an alias of a named type without a namespace is meant in the type's own
namespace and a bare name in the null namespace (both by resolving names before, see ``parsed``), and a
reader's field that matches several fields of the writer is refused instead of taking the first.
The texts are those of the Confluent Schema Registry, because people search for them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityResult,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
    check_fixed_size,
    check_reader_enum_contains_writer_enum,
    check_schema_names,
    incompatible,
    merge,
)

from dev_registry.model import Level
from dev_registry.parsed import NO_NAMESPACE, ParsedSchema

Reason = SchemaIncompatibilityType

_TEXTS = {
    Reason.fixed_size_mismatch: (
        "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the "
        "{writer} schema"
    ),
    Reason.type_mismatch: (
        "The type (path '{path}') of a field in the {reader} schema does not match with the {writer} schema"
    ),
    Reason.name_mismatch: "The name of the schema has changed (path '{path}')",
    Reason.missing_enum_symbols: (
        "The {reader} schema is missing enum symbols '{detail}' at path '{path}' in the {writer} schema"
    ),
    Reason.missing_union_branch: (
        "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema"
    ),
    Reason.reader_field_missing_default_value: (
        "The field '{detail}' at path '{path}' in the {reader} schema has no default value and is missing "
        "in the {writer} schema"
    ),
}


MAX_PAIRS = 50_000
"""Pairs of types that one comparison looks at, some two seconds; a large contract has some hundreds."""

MAX_FINDINGS = 100
"""Reasons that are collected; the verdict needs one."""


@dataclass(frozen=True)
class Finding:
    """One reason why the reader can't read the writer; ``path`` leads to the place in the reader."""

    reason: Reason
    path: str
    detail: str

    def text(self, reader: str, writer: str) -> str:
        said = _TEXTS[self.reason].format(path=self.path, detail=self.detail, reader=reader, writer=writer)
        kind = self.reason.name.upper()
        return f"{{errorType:'{kind}', description:'{said}', additionalInfo:'{self.detail}'}}"


@dataclass(frozen=True)
class Earlier:
    """A version that a new schema is held against."""

    version: int
    text: str
    parsed: ParsedSchema


def findings_at(level: Level, new: ParsedSchema, earlier: Sequence[Earlier]) -> list[str]:
    """Hold ``new`` against earlier versions (ascending); return the texts of what is wrong, or nothing.

    The latest version decides, all of them at a transitive level; the newest one that fails is reported.
    """
    if level is Level.NONE:
        return []
    for other in reversed(earlier if level.endswith("_TRANSITIVE") else earlier[-1:]):
        texts = list(_texts(level, new, other.parsed))
        if texts:
            return [
                *texts,
                f"{{oldSchemaVersion: {other.version}}}",
                f"{{oldSchema: '{other.text}'}}",
                f"{{validateFields: 'false', compatibility: '{level}'}}",
            ]
    return []


def _texts(level: Level, new: ParsedSchema, old: ParsedSchema) -> Iterator[str]:
    if level.startswith(("BACKWARD", "FULL")):
        yield from (finding.text("new", "old") for finding in findings(new, old))
    if level.startswith(("FORWARD", "FULL")):
        yield from (finding.text("old", "new") for finding in findings(old, new))


def findings(reader: ParsedSchema, writer: ParsedSchema) -> list[Finding]:
    """Return why ``reader`` can't read what ``writer`` wrote; nothing when it can. Raises TooComplex."""
    checker = _Checker()
    try:
        if checker.accepts(reader.avro, writer.avro):
            return []
    except RecursionError as error:
        raise TooComplex("the schemas are nested too deeply to be compared") from error
    explanation = _Explanation(checker).of(reader.avro, writer.avro, [_Checker.ROOT_REFERENCE_TOKEN])
    return list(islice(explanation, MAX_FINDINGS)) or [
        Finding(Reason.type_mismatch, "/", "the schemas differ in a recursive part")
    ]


class TooComplex(Exception):
    """The comparison would take too long: two unions of thousands of types have millions of pairs."""


class _Checker(ReaderWriterCompatibilityChecker):
    """Avro's checker, with fields matched as the Java one matches them, and with bounded work."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left = MAX_PAIRS

    def calculate_compatibility(
        self, reader: Any, writer: Any, location: list[str]
    ) -> SchemaCompatibilityResult:
        self._left -= 1
        if self._left < 0:
            raise TooComplex(f"comparing takes more than {MAX_PAIRS} steps")
        return super().calculate_compatibility(reader, writer, location)

    def accepts(self, reader: Any, writer: Any) -> bool:
        verdict = self.get_compatibility(reader, writer).compatibility
        return bool(verdict is SchemaCompatibilityType.compatible)

    def check_reader_writer_record_fields(
        self, reader: Any, writer: Any, location: list[str]
    ) -> SchemaCompatibilityResult:
        result = SchemaCompatibilityResult(SchemaCompatibilityType.compatible)
        for path, field, match in matched_fields(reader, writer, location):
            found = match or refused_field(field, path)
            if found is None:
                continue
            if not isinstance(found, SchemaCompatibilityResult):
                found = self.get_compatibility(field.type, found.type, "type", path)
            result = merge(result, found)
            if len(result.incompatibilities) >= MAX_FINDINGS:
                break
        return result


def matched_fields(
    reader: Any, writer: Any, location: list[str]
) -> Iterator[tuple[list[str], Any, Any | SchemaCompatibilityResult | None]]:
    """Yield each reader's field with its place and the writer's field: by name, or else by alias.

    Several writer's fields for one reader's field are an error of the schema (Java:
    SchemaCompatibility.lookupWriterField), so an incompatibility stands in the field's place.
    """
    written = writer.fields_dict
    for index, field in enumerate(reader.fields):
        path = [*location, "fields", str(index)]
        names = dict.fromkeys([field.name, *field.props.get("aliases", [])])
        matches = [written[name] for name in names if name in written]
        if len(matches) > 1:
            detail = f"Reader record field {field.name} matches multiple fields in writer record schema"
            yield path, field, incompatible(Reason.name_mismatch, detail, path)
        else:
            yield path, field, matches[0] if matches else None


def refused_field(field: Any, path: list[str]) -> SchemaCompatibilityResult | None:
    """Return why a field that the writer lacks can't be read; None when its default stands in."""
    if field.has_default:
        return None
    return incompatible(Reason.reader_field_missing_default_value, field.name, path)


class _Explanation:
    """Finds the places of an incompatibility; Avro's result lists reasons and places, but not together."""

    def __init__(self, checker: _Checker) -> None:
        self._checker = checker
        self._seen: set[tuple[int, int]] = set()

    def of(self, reader: Any, writer: Any, path: list[str]) -> Iterator[Finding]:
        pair = (id(reader), id(writer))
        if pair in self._seen or self._checker.accepts(reader, writer):
            return
        self._seen.add(pair)
        yield from self._of_kind(reader, writer, path)

    def _of_kind(self, reader: Any, writer: Any, path: list[str]) -> Iterator[Finding]:
        match (reader.type, writer.type):
            case ("record", "record"):
                yield from _of_results(check_schema_names(reader, writer, path))
                yield from self._of_fields(reader, writer, path)
            case ("array", "array"):
                yield from self.of(reader.items, writer.items, [*path, "items"])
            case ("map", "map"):
                yield from self.of(reader.values, writer.values, [*path, "values"])
            case ("enum", "enum"):
                yield from _of_results(check_schema_names(reader, writer, path))
                if check_reader_enum_contains_writer_enum(reader, writer, path).incompatibilities:
                    yield _missing_symbols(reader, writer, path)
            case ("fixed", "fixed"):
                yield from _of_results(
                    check_schema_names(reader, writer, path), check_fixed_size(reader, writer, path)
                )
            case ("union", _):
                yield from self._of_union(reader, writer, path)
            case (_, "union"):
                for branch in writer.schemas:
                    yield from self.of(reader, branch, path)
            case _:
                kinds = (reader.type.upper(), writer.type.upper())
                detail = "reader type: {} not compatible with writer type: {}".format(*kinds)
                yield from _of_results(incompatible(Reason.type_mismatch, detail, path))

    def _of_fields(self, reader: Any, writer: Any, location: list[str]) -> Iterator[Finding]:
        for path, field, match in matched_fields(reader, writer, location):
            found = match or refused_field(field, path)
            if isinstance(found, SchemaCompatibilityResult):
                yield from _of_results(found)
            elif found is not None:
                yield from self.of(field.type, found.type, [*path, "type"])

    def _of_union(self, reader: Any, writer: Any, path: list[str]) -> Iterator[Finding]:
        branches: Iterable[tuple[list[str], Any]] = [(path, writer)]
        if writer.type == "union":
            branches = (([*path, str(index)], branch) for index, branch in enumerate(writer.schemas))
        for place, branch in branches:
            if not self._checker.accepts(reader, branch):
                detail = f"reader union lacking writer type: {branch.type.upper()}"
                yield from _of_results(incompatible(Reason.missing_union_branch, detail, place))


def _missing_symbols(reader: Any, writer: Any, path: list[str]) -> Finding:
    missing = ", ".join(sorted(set(writer.symbols) - set(reader.symbols)))
    [found] = _of_results(incompatible(Reason.missing_enum_symbols, f"[{missing}]", [*path, "symbols"]))
    return found


def _of_results(*results: SchemaCompatibilityResult) -> Iterator[Finding]:
    for result in results:
        if result.compatibility is SchemaCompatibilityType.incompatible:
            [reason], [path], [detail] = result.incompatibilities, result.locations, result.messages
            yield Finding(reason, path, detail.replace(f"{NO_NAMESPACE}.", ""))
