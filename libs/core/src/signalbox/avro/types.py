"""The types of a schema as plain nodes: named types are resolved, a type that is used twice is one node.

Every node knows three numbers that its decoder would otherwise learn the hard way: its ``height`` (nested
records, arrays and maps), whether it is ``zero_width`` (takes no bytes), and ``parts`` (what each datum of
it holds at least, weighed by :func:`weight` as the scan weighs it).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical type that the decoder converts; ``precision`` and ``scale`` are a decimal's."""

    name: str
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    kind: str
    logical: Logical | None = None
    height: int = 0
    parts: int = 0

    @property
    def zero_width(self) -> bool:
        return self.kind == "null"


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    name: str
    size: int
    aliases: tuple[str, ...] = ()
    logical: Logical | None = None
    height: int = 0
    parts: int = 0
    kind: str = "fixed"

    @property
    def zero_width(self) -> bool:
        return self.size == 0


@dataclass(frozen=True, slots=True, eq=False)
class Enumeration:
    name: str
    symbols: tuple[str, ...]
    default: str | None = None
    aliases: tuple[str, ...] = ()
    height: int = 0
    parts: int = 0
    kind: str = "enum"
    zero_width: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    items: "Node"
    height: int
    parts: int = 0
    kind: str = "array"
    zero_width: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    values: "Node"
    height: int
    parts: int = 0
    kind: str = "map"
    zero_width: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    branches: tuple["Node", ...]
    height: int
    parts: int
    kind: str = "union"
    zero_width: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A record's field. ``default`` is as the schema text has it (JSON); ``props`` holds the rest."""

    name: str
    type: "Node"
    aliases: tuple[str, ...] = ()
    has_default: bool = False
    default: Any = None
    props: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class RecordNode:
    name: str
    fields: tuple[Field, ...]
    height: int
    parts: int
    zero_width: bool
    aliases: tuple[str, ...] = ()
    props: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "record"


Node: TypeAlias = Primitive | Fixed | Enumeration | Array | Map | Union | RecordNode
Named: TypeAlias = Fixed | Enumeration | RecordNode


def weight(node: Node) -> int:
    """Return what one value of ``node`` counts: 1, and more where decoding it takes longer (measured).

    A union has its branch looked up; a logical type has an object made of its number.
    """
    match node:
        case Union(branches=branches):
            return 1 + max(weight(branch) for branch in branches)
        case Primitive(logical=Logical()) | Fixed(logical=Logical()):
            return 4
        case _:
            return 1
