"""What `check` says of a contract: findings against earlier versions, and the verdict they make."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from signalbox.catalog import Compatibility
from signalbox.protocol.names import RecordType


class Severity(StrEnum):
    """What a finding means."""

    BREAKS = "breaks"
    WARNS = "warns"
    NOTES = "notes"


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
