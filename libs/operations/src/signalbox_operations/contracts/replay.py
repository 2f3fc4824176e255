"""What a planned contract would do to messages that were accepted: the gate's own checks, held against it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from signalbox.avro import ParsedSchema, decode, parse, unframe
from signalbox.gate.rules import Rules
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox_operations.contracts.accepted import AcceptedMessage
from signalbox_operations.contracts.fleet import SchemaById


@dataclass(frozen=True, slots=True)
class Failure:
    """Messages that fail by the same rule at the same field; ``messages`` are where they lie.

    ``rule`` is the data rule's name, empty for another reason; ``detail`` is what is said of the first.
    """

    reason: str
    rule: str
    field: str
    detail: str
    messages: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many they are."""
        return len(self.messages)

    def as_dict(self) -> dict[str, Any]:
        """Return the group as plain values, for JSON."""
        return {**asdict(self), "count": self.count}


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of the messages; ``unusable`` says why the gate would not adopt the contract at all."""

    examined: int
    failures: tuple[Failure, ...] = ()
    unusable: str = ""

    @property
    def failed(self) -> int:
        """How many messages would fail."""
        return sum(failure.count for failure in self.failures)

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain values, for JSON."""
        failures = [failure.as_dict() for failure in self.failures]
        return {**asdict(self), "failures": failures, "failed": self.failed}


def replay(text: str, messages: Iterable[AcceptedMessage], schemas: SchemaById) -> Replay:
    """Hold ``messages`` against the contract ``text`` as the gate would; nothing is published.

    Raises:
        Unavailable: the registry is needed for a writer's schema and can't be reached.
    """
    try:
        contract = parse(text)
        rules = Rules(contract)
    except (Refusal, ConfigurationError) as error:
        return Replay(0, unusable=str(error))
    tally = _Tally()
    for message in messages:
        tally.count(message, _refusal(message, contract, rules, schemas))
    return Replay(tally.examined, tally.failures())


def _refusal(
    message: AcceptedMessage, contract: ParsedSchema, rules: Rules, schemas: SchemaById
) -> Refusal | None:
    try:
        schema_id, body = unframe(message.value)
        rules.check(decode(body, schemas(schema_id), contract))
    except Refusal as refusal:
        return refusal
    return None


@dataclass(slots=True)
class _Tally:
    examined: int = 0
    _alike: dict[tuple[str, str, str], list[tuple[str, Refusal]]] = field(default_factory=dict)

    def count(self, message: AcceptedMessage, refusal: Refusal | None) -> None:
        self.examined += 1
        if refusal is not None:
            rule = refusal.detail.partition(":")[0] if refusal.reason == "RULE_VIOLATED" else ""
            key = str(refusal.reason), rule, refusal.field
            self._alike.setdefault(key, []).append((message.position, refusal))

    def failures(self) -> tuple[Failure, ...]:
        found = [
            Failure(reason, rule, place, alike[0][1].detail, tuple(position for position, _ in alike))
            for (reason, rule, place), alike in self._alike.items()
        ]
        return tuple(sorted(found, key=lambda failure: -failure.count))
