"""Two versions of a contract told apart in words: what changed, and who can read whom."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from signalbox.avro import parse
from signalbox.avro.codec import require_readable
from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.names import RecordType, Subject
from signalbox_operations.contracts.differences import Difference, differences
from signalbox_operations.contracts.earlier import InGit
from signalbox_operations.contracts.registry_api import RegistryApi
from signalbox_operations.contracts.sources import Sources

FILE = "file"
"""Names the text of the working copy."""


@dataclass(frozen=True, slots=True)
class ToldDifferences:
    """What changed from ``before`` to ``after``. ``reads`` say who can read whom."""

    record_type: RecordType
    before: str
    after: str
    differences: tuple[Difference, ...]
    reads: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self)


def text_of(
    version: str, record_type: RecordType, catalog: Catalog, registry: RegistryApi
) -> tuple[str, str]:
    """Return a label and the text of ``version``: ``file``, ``latest``, a number or ``git:REF``.

    Raises:
        ConfigurationError: there is no such version.
        Unavailable: the registry is needed and can't be reached.
    """
    if version == FILE:
        return "the file", Sources.load(catalog.directory / "avro").schema_text(record_type)
    if version.startswith("git:"):
        found = InGit(version.removeprefix("git:"), catalog).versions(record_type)
        if not found:
            raise ConfigurationError(f"{record_type} is not in {version}")
        return found[0].label, found[0].text
    live = registry.versions(Subject(record_type))
    wanted = [one for one in live if version in ("latest", str(one.version))]
    if not wanted:
        listed = ", ".join(str(one.version) for one in live) or "none"
        raise ConfigurationError(
            f"{record_type} has no version {version!r}; there are: {listed}, {FILE}, git:REF"
        )
    return f"version {wanted[-1].version}", wanted[-1].text


def tell(record_type: RecordType, before: tuple[str, str], after: tuple[str, str]) -> ToldDifferences:
    """Tell ``before`` and ``after`` apart, each a label and a text.

    Raises:
        ConfigurationError: a text can't be used by the gate.
    """
    return ToldDifferences(
        record_type,
        before[0],
        after[0],
        tuple(differences(json.loads(before[1]), json.loads(after[1]))),
        (_reading(after, before), _reading(before, after)),
    )


def _reading(reader: tuple[str, str], writer: tuple[str, str]) -> str:
    try:
        require_readable(parse(writer[1]), parse(reader[1]))
    except Refusal as refusal:
        at = f" ({refusal.field})" if refusal.field else ""
        return f"{reader[0]} can't read what {writer[0]} wrote: {refusal.detail}{at}"
    return f"{reader[0]} reads what {writer[0]} wrote"
