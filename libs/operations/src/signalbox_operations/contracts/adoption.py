"""Whether the gate would adopt a contract: it must be safe, its rules compile, and it reads its predecessors.

The gate's judgement counts beside the registry's: a version that the registry takes and the gate passes over
looks registered and has no effect.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from signalbox.avro import ParsedSchema, parse
from signalbox.avro.codec import require_readable
from signalbox.avro.form import reader_form
from signalbox.gate.rules import Rules
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox_operations.contracts.fleet import Parties
from signalbox_operations.contracts.verdict import CompatibilityFinding, Severity, Version

_UNUSABLE: Final = "`signalbox contracts lint` says where, and what would be right."
_NOT_ADOPTED: Final = "The gate goes on with the version before it, and services that read keep to theirs."


def adoption(
    text: str, earlier: Sequence[Version], parties: Parties, said: Collection[str]
) -> Iterator[CompatibilityFinding]:
    """Say why the gate would not adopt ``text``; ``said`` are the labels of versions it is said of already.

    Not reading a predecessor breaks at the levels that demand it, and is a warning at the others.
    """
    readers = parties.listed_readers()
    try:
        new = parse(text)
        reader_form(new)
        Rules(new)
    except (Refusal, ConfigurationError) as error:
        detail = f"the gate would never adopt it: {error}"
        yield CompatibilityFinding(
            Severity.BREAKS, "unusable", "", detail, _held_against(earlier), readers, _UNUSABLE
        )
        return
    level = parties.entry.compatibility
    for version in earlier:
        demanded = level.backward and (level.transitive or version is earlier[-1])
        refusal = _unread(new, version) if version.label not in said else None
        if refusal is not None:
            detail = f"the gate would not adopt it, since it can't read {version.label}: {refusal.detail}"
            severity = Severity.BREAKS if demanded else Severity.WARNS
            yield CompatibilityFinding(
                severity, "gate", refusal.field, detail, version.label, readers, _NOT_ADOPTED
            )


def _held_against(earlier: Sequence[Version]) -> str:
    return earlier[-1].label if earlier else "the gate's limits"


def _unread(new: ParsedSchema, version: Version) -> Refusal | None:
    try:
        require_readable(parse(version.text), new)
    except Refusal as refusal:
        return refusal
    return None
