"""What a lint rule looks at, and what it says."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from signalbox_operations.contracts.located_json import Path
from signalbox_operations.contracts.schema_walk import FieldAt, TypeAt, fields, types
from signalbox_operations.contracts.sources import Source, Sources


@dataclass(frozen=True, slots=True)
class Problem:
    """Something is wrong at ``path`` of the file; ``hint`` says what would be right."""

    path: Path
    message: str
    hint: str


@dataclass(frozen=True)
class LintedSubject:
    """One source among all of them."""

    source: Source
    sources: Sources

    @cached_property
    def types(self) -> tuple[TypeAt, ...]:
        """Every type that is written in the file."""
        return tuple(types(self.source.definition))

    @cached_property
    def fields(self) -> tuple[FieldAt, ...]:
        """Every field that is written in the file."""
        return tuple(fields(self.source.definition))

    @cached_property
    def definitions(self) -> dict[str, Any]:
        """Every named type of all sources, by full name."""
        return {
            name: here.schema
            for source in self.sources.values()
            for here in types(source.definition)
            if (name := here.defines)
        }

    @cached_property
    def written_out(self) -> Any:
        """The self-contained schema."""
        return self.sources.self_contained(self.source.name)

    def defining(self) -> Iterator[tuple[str, TypeAt]]:
        """Give each named type that the file defines, with its full name."""
        return ((name, here) for here in self.types if (name := here.defines))
