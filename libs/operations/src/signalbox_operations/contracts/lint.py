"""Lints the contracts: one table of rules; every finding has an id that stays, a place and a hint."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from signalbox.catalog import Catalog
from signalbox_operations.contracts import (
    lint_catalog,
    lint_defaults,
    lint_gate,
    lint_history,
    lint_rules,
    lint_shape,
    lint_style,
    lint_unions,
)
from signalbox_operations.contracts.earlier import Earlier
from signalbox_operations.contracts.lint_subject import LintedSubject, Problem
from signalbox_operations.contracts.located_json import Position
from signalbox_operations.contracts.sources import Sources, Unreadable, read

_NOT_JSON: Final = "SB001"
_HISTORY: Final = "SB106"


@dataclass(frozen=True, slots=True)
class LintRule:
    """A rule on one source file. Its id never changes its meaning."""

    id: str
    title: str
    check: Callable[[LintedSubject], Iterator[Problem]]


@dataclass(frozen=True, slots=True)
class CatalogRule:
    """A rule on the catalog and all sources together."""

    id: str
    title: str
    check: Callable[[Catalog, Sources], Iterator[lint_catalog.CatalogProblem]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where (``line`` and ``column`` from 1), and what would be right."""

    rule: str
    path: str
    line: int
    column: int
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {self.rule} {self.message}\n    {self.hint}"

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain values, for JSON."""
        return asdict(self)


SOURCE_RULES: Final = (
    LintRule("SB002", "a file is named after the type it defines", lint_style.file_names_its_type),
    LintRule("SB003", "a type has a doc", lint_style.type_has_doc),
    LintRule("SB004", "a field has a doc", lint_style.field_has_doc),
    LintRule("SB005", "a field's name is snake_case", lint_style.field_is_snake_case),
    LintRule(
        "SB006", "a type's name is PascalCase, an enum's symbols UPPER_SNAKE_CASE", lint_style.type_names
    ),
    LintRule("SB007", "an enum has a default symbol", lint_shape.enum_has_default),
    LintRule("SB008", "a point in time has a timestamp logical type", lint_shape.time_has_logical_type),
    LintRule(
        "SB009", "an optional field is [null, X] with default null", lint_shape.optional_defaults_to_null
    ),
    LintRule("SB010", "a contract is not recursive", lint_shape.not_recursive),
    LintRule("SB011", "array items take at least a byte", lint_shape.items_have_width),
    LintRule("SB012", "a contract is nested at most 32 deep", lint_shape.not_too_deep),
    LintRule("SB013", "a name stands for a source or for a type of the file", lint_shape.names_resolve),
    LintRule("SB014", "a contract is valid Avro", lint_shape.is_valid_avro),
    LintRule("SB015", "personal data is tagged PII", lint_rules.personal_data_is_tagged),
    LintRule("SB016", "a data rule has a name, a doc and an expression", lint_rules.rules_are_complete),
    LintRule("SB017", "a data rule is valid CEL and runs on its own schema", lint_rules.rules_run),
    LintRule(
        "SB018", "data rules are where they are read: on a record or a field", lint_rules.rules_are_read
    ),
    LintRule("SB019", "a default keeps the field's own rules", lint_rules.defaults_keep_rules),
    LintRule("SB020", "a default fits its field's type", lint_defaults.defaults_fit),
    LintRule("SB021", "the gate would adopt the contract", lint_gate.gate_takes_it),
    LintRule("SB022", "the branches of a union can be told apart", lint_unions.branches_are_apart),
)

CATALOG_RULES: Final = (
    CatalogRule("SB101", "a source is in a namespace of the catalog", lint_catalog.namespace_is_listed),
    CatalogRule("SB102", "a catalogued record has a source that is a record", lint_catalog.record_has_source),
    CatalogRule(
        "SB103", "a record has an owner and a level, or is part of one", lint_catalog.record_is_owned
    ),
    CatalogRule("SB104", "a catalogued record is admitted by a topic", lint_catalog.record_is_admitted),
    CatalogRule("SB105", "a namespace uses only its own types", lint_catalog.namespace_stands_alone),
    CatalogRule(_HISTORY, "an added field has a default", lint_history.added_field_has_default),
    CatalogRule("SB107", "a client reads and writes topics", lint_catalog.client_uses_known_topics),
    CatalogRule(
        "SB108", "a producer writes a topic that admits its record", lint_catalog.producer_writes_its_topic
    ),
    CatalogRule("SB109", "a client's groups and transactions are its own", lint_catalog.group_is_no_readers),
)


def lint(catalog: Catalog, registered: Earlier | None = None) -> list[Finding]:
    """Check every source and the catalog; findings come in the order of their places.

    SB106 holds against ``registered``, too: a breaking change that is committed is no longer one to git.

    Raises:
        ConfigurationError: the catalog or the folder of the sources can't be read.
        Unavailable: ``registered`` can't be asked.
    """
    sources, unreadable = read(catalog.directory / "avro")
    found = [_not_json(file) for file in unreadable]
    found += [finding for name in sources for finding in _of_source(LintedSubject(sources[name], sources))]
    places = lint_catalog.CatalogPlaces(catalog.path)
    problems = [(rule.id, problem) for rule in CATALOG_RULES for problem in rule.check(catalog, sources)]
    if registered is not None:
        committed = lint_history.registered_field_has_default(catalog, sources, registered)
        problems += [(_HISTORY, problem) for problem in committed]
    for rule_id, problem in problems:
        path, position = problem.place(places)
        found.append(_finding(rule_id, path, position, problem.message, problem.hint))
    return sorted(set(found), key=lambda finding: (finding.path, finding.line, finding.column, finding.rule))


def _of_source(subject: LintedSubject) -> Iterator[Finding]:
    for rule in SOURCE_RULES:
        for problem in rule.check(subject):
            position = subject.source.document.position(problem.path)
            yield _finding(rule.id, subject.source.path, position, problem.message, problem.hint)


def _not_json(file: Unreadable) -> Finding:
    return _finding(
        _NOT_JSON, file.path, file.error.position, file.error.problem, "Write the file as JSON (RFC 8259)."
    )


def _finding(rule: str, path: Path, position: Position, message: str, hint: str) -> Finding:
    return Finding(rule, str(path), position.line, position.column, message, hint)
