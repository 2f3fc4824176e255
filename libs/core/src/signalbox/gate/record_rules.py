"""The rules of one record type, evaluated together where that gives the same answer, one by one where not."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from signalbox.avro.types import RecordNode
from signalbox.gate.cel import Binding, EvaluationFailed, Expression, Unreadable
from signalbox.gate.visits import Member, Path, rendered
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.reasons import Reason

RULES_PROPERTY: Final = "confluent:rules"
_BUDGET: Final = 10_000_000
"""What all rules may cost for one message, in estimated nanoseconds."""
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_CHUNK: Final = 256
_THIS: Final = re.compile(r"\bthis\b(?:\s*\.\s*([A-Za-z_]\w*+)(?!\s*\())?")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a record, or of its field ``field``."""

    name: str
    doc: str
    expression: Expression
    field: str | None

    def violated(self, path: str, why: str = "") -> Refusal:
        detail = f"{self.name}: {why or self.doc or self.expression.text}"
        return Refusal(Reason.RULE_VIOLATED, detail, path)


@dataclass(slots=True)
class Work:
    """What is left of a message's budget, and its one idea of now."""

    now: Timestamp
    left: int = _BUDGET

    def charge(self, cost: int, path: Path) -> None:
        self.left -= cost
        if self.left < 0:
            raise Refusal(
                Reason.RULE_VIOLATED, "its rules would take too long on a record of its size", rendered(path)
            )


class RecordRules:
    """The rules of one record type, those of its fields included, joined into one program."""

    def __init__(self, record: RecordNode, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._reads = _fields_read(record, rules)
        joined = [rule for rule in rules if rule.expression.is_bool]
        text = " && ".join(_term(rule) for rule in joined)
        self._joined = _compiled(text) if joined else None
        self._joined_items = _compiled(f"items.all(this, {text})") if joined else None
        self._unjoined = [rule for rule in rules if not (rule.expression.is_bool and self._joined)]
        # Rules with loops of their own each need the evaluator's whole budget of iterations.
        self._chunk = 1 if any(rule.expression.loops for rule in rules) else _CHUNK

    def check(self, members: Iterable[Member], work: Work) -> None:
        remaining = iter(members)
        while chunk := list(islice(remaining, self._chunk)):
            if not self._hold_together(chunk, work):
                self._check_each(self._rules, chunk, work)
            else:
                self._check_each(self._unjoined, chunk, work)

    def _hold_together(self, chunk: Sequence[Member], work: Work) -> bool:
        if self._joined is None or self._joined_items is None:
            return True
        sizes = {name: Binding() for name in self._reads}
        bound = [self._bound(member, sizes) for member in chunk]
        work.charge(self._cost(sizes, len(chunk)), chunk[0][0])
        try:
            if len(bound) == 1:
                return self._joined.evaluate(bound[0], work.now) is True
            return self._joined_items.evaluate_all(bound, work.now) is True
        except EvaluationFailed:
            return False  # which one fails, and how, is found one by one

    def _bound(self, member: Member, sizes: Mapping[str, Binding]) -> dict[str, Any]:
        path, record = member
        bound = {}
        for name, size in sizes.items():
            value = record.get(name)
            if (
                type(value) in _PLAIN
            ):  # what needs no conversion, without a call: it may be ten thousand times
                size.values += 1
                bound[name] = value
            else:
                bound[name] = _bind(value, (path, f".{name}"), size)
        return bound

    def _cost(self, sizes: Mapping[str, Binding], members: int) -> int:
        together = Binding.total(sizes.values())
        return sum(
            rule.expression.cost(members, sizes[rule.field] if rule.field else together)
            for rule in self._rules
            if rule.expression.is_bool
        )

    def _check_each(self, rules: Sequence[Rule], chunk: Sequence[Member], work: Work) -> None:
        for member in chunk:
            for rule in rules:
                self._check_one(rule, member, work)

    def _check_one(self, rule: Rule, member: Member, work: Work) -> None:
        path, record = member
        if rule.field is None:
            sizes = {name: Binding() for name in self._reads}
            this: Any = self._bound(member, sizes)
            size = Binding.total(sizes.values())
        else:
            path, size = (path, f".{rule.field}"), Binding()
            this = _bind(record.get(rule.field), path, size)
            if this is None:
                return
        work.charge(rule.expression.cost(1, size), path)
        try:
            outcome = rule.expression.evaluate(this, work.now)
        except EvaluationFailed as error:
            raise rule.violated(rendered(path), f"could not be evaluated: {error}") from error
        if outcome is False or (isinstance(outcome, str) and outcome):
            raise rule.violated(rendered(path), outcome or "")


def _term(rule: Rule) -> str:
    # A line break ends a comment that the rule may end with.
    own = f"({rule.expression.text}\n)"
    return (
        own if rule.field is None else f"(this.{rule.field} == null || [this.{rule.field}].all(this, {own}))"
    )


def _compiled(text: str) -> Expression | None:
    try:
        return Expression(text)
    except ConfigurationError:
        return None  # each compiles alone; together they are over the evaluator's limits


def _fields_read(record: RecordNode, rules: Iterable[Rule]) -> tuple[str, ...]:
    names = {rule.field for rule in rules}
    everything = tuple(field.name for field in record.fields)
    for rule in rules:
        if rule.field is None:
            read = _THIS.findall(rule.expression.text)
            if "" in read:
                return everything
            names.update(read)
    return tuple(name for name in everything if name in names)


def _bind(value: Any, path: Path, size: Binding) -> Any:
    try:
        return size.bind(value)
    except Unreadable as unreadable:
        detail = f"rules can't be checked: {unreadable.detail}"
        raise Refusal(Reason.RULE_VIOLATED, detail, rendered((path, unreadable.path))) from unreadable


def declared_rules(record: RecordNode) -> list[Rule]:
    """Compile what ``record`` and its fields declare, the record's own first.

    Raises:
        ConfigurationError: a rule is malformed or does not compile; the text says which.
    """
    rules = _declared(record.name, record.props, None)
    for part in record.fields:
        rules.extend(_declared(f"{record.name}.{part.name}", part.props, part.name))
    return rules


def _declared(place: str, props: Mapping[str, Any], field: str | None) -> list[Rule]:
    entries = props.get(RULES_PROPERTY) or []
    if not isinstance(entries, list):
        raise ConfigurationError(f"{RULES_PROPERTY} of {place} is no list")
    return [_rule(place, entry, field) for entry in entries]


def _rule(place: str, entry: Any, field: str | None) -> Rule:
    match entry:
        case {"expr": str(text)}:
            name, doc = entry.get("name") or "unnamed", entry.get("doc") or ""
            try:
                return Rule(str(name), str(doc), Expression(text), field)
            except ConfigurationError as error:
                raise ConfigurationError(f"{place}, rule {name}: {error}") from error
        case _:
            raise ConfigurationError(f"{place}: a rule is an object with name, doc and expr")
