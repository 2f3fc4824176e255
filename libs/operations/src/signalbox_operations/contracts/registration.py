"""Registers the contracts: idempotent, never at run time of a service, the compatibility level first."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from signalbox.catalog import Catalog, CatalogRecord
from signalbox.protocol.names import RecordType, Subject
from signalbox_operations.contracts.compatibility import judge
from signalbox_operations.contracts.earlier import InRegistry
from signalbox_operations.contracts.registry_api import RefusedByRegistry, Registered, RegistryApi
from signalbox_operations.contracts.revert_mark import says_the_same
from signalbox_operations.contracts.sources import Sources
from signalbox_operations.contracts.verdict import CompatibilityFinding, Severity, Verdict, Version

_BY_REGISTRY: Final = "by the registry, which demands more than the catalog's level"


class RegistrationOutcome(StrEnum):
    """What registration did, or would do, with a contract."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Registration:
    """One contract's outcome. ``level_was`` is set when its compatibility level changes.

    ``change`` is ``new subject``, ``new version``, ``level only``, ``nothing`` or ``refused``;
    ``findings`` are what `check` says of the text.
    """

    record_type: RecordType
    outcome: RegistrationOutcome
    detail: str
    version: int | None = None
    schema_id: int | None = None
    level: str = ""
    level_was: str | None = None
    change: str = ""
    findings: tuple[CompatibilityFinding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Step:
    """What registering one contract takes, as `plan` found it."""

    record_type: RecordType
    entry: CatalogRecord
    text: str
    verdict: Verdict
    registered: Registered | None
    earlier: tuple[Version, ...]
    level_now: str | None

    @property
    def newest(self) -> int:
        """The newest live version, 0 when there is none."""
        return (self.earlier[-1].number or 0) if self.earlier else 0

    @property
    def changes_text(self) -> bool:
        """Whether it is another text than any that is registered, under a subject that has some."""
        return bool(self.earlier) and self.registered is None

    @property
    def sets_level(self) -> bool:
        """Whether the subject's level is not what the catalog says."""
        return self.level_now != self.verdict.level

    def preview(self) -> Registration:
        """Say what registering would do, without doing it."""
        if self.registered is not None:
            return self.outcome(RegistrationOutcome.UNCHANGED, self._unchanged(), self.registered)
        if not self.verdict.compatible:
            return self.outcome(RegistrationOutcome.REFUSED, _reasons(self.verdict))
        # No number: the registry gives it, and gives none of a deregistered version a second time.
        what = f"after version {self.newest}" if self.newest else "no version is live"
        return self.outcome(RegistrationOutcome.CREATED, what)

    def outcome(
        self, outcome: RegistrationOutcome, detail: str, registered: Registered | None = None
    ) -> Registration:
        """Describe how this step ended."""
        return Registration(
            self.record_type,
            outcome,
            detail,
            version=registered.version if registered else None,
            schema_id=registered.schema_id if registered else None,
            level=self.verdict.level,
            level_was=(self.level_now or "the registry's own") if self.sets_level else None,
            change=self._change(outcome),
            findings=self.verdict.findings,
        )

    def _change(self, outcome: RegistrationOutcome) -> str:
        match outcome:
            case RegistrationOutcome.REFUSED:
                return "refused"
            case RegistrationOutcome.CREATED:
                return "new version" if self.newest else "new subject"
        return "level only" if self.sets_level else "nothing"

    def _unchanged(self) -> str:
        if self.registered is None or self.registered.version == self.newest:
            return f"version {self.newest}"
        number = self.registered.version
        if says_the_same(self.text, self.earlier[-1].text):
            return f"version {self.newest}, which repeats version {number}"
        again = f"`signalbox contracts revert {self.record_type} --to {number}` would make it so again"
        return f"is version {number}, but the newest is {self.newest}; {again}"


def plan(catalog: Catalog, registry: RegistryApi, *, drop_rules: bool = False) -> Iterator[Step]:
    """Compare each catalogued contract with the registry; changes nothing.

    Raises:
        Unavailable, ConfigurationError: as `RegistryApi`, and when a source is missing or wrong.
    """
    sources, earlier = Sources.load(catalog.directory / "avro"), InRegistry(registry)
    for record_type, entry in sorted(catalog.records.items()):
        subject, text = Subject(record_type), sources.schema_text(record_type)
        versions = earlier.versions(record_type)
        yield Step(
            record_type,
            entry,
            text,
            judge(record_type, text, versions, catalog, drop_rules=drop_rules),
            registered=registry.lookup(subject, text) if versions else None,
            earlier=tuple(versions),
            level_now=registry.compatibility(subject),
        )


def apply(step: Step, registry: RegistryApi) -> Registration:
    """Do what one step of the plan takes.

    Raises:
        Unavailable, ConfigurationError: as `RegistryApi`.
    """
    foreseen = step.preview()
    if foreseen.outcome is RegistrationOutcome.REFUSED:
        return foreseen
    subject = Subject(step.record_type)
    if step.sets_level:  # before the text, so that the registry judges it at the right level
        registry.set_compatibility(subject, step.verdict.level)
    if foreseen.outcome is RegistrationOutcome.UNCHANGED:
        return foreseen
    answer = registry.register(subject, step.text)
    if isinstance(answer, RefusedByRegistry):
        return step.outcome(RegistrationOutcome.REFUSED, f"{_BY_REGISTRY}: {answer.detail}")
    registered = registry.lookup(subject, step.text)
    detail = f"version {registered.version}" if registered else f"id {answer}, of no live version yet"
    return step.outcome(RegistrationOutcome.CREATED, detail, registered)


def _reasons(verdict: Verdict) -> str:
    return "; ".join(f"{finding.path or '(record)'}: {finding.detail}" for finding in _breaks(verdict))


def _breaks(verdict: Verdict) -> list[CompatibilityFinding]:
    return [finding for finding in verdict.findings if finding.severity is Severity.BREAKS]
