"""Data rules: what a contract demands of a record beyond its types.

Source: Confluent's inline validation rules. ``confluent:rules`` on a record or a field is a list of
``{name, doc, expr}``; ``expr`` is CEL with ``this`` bound to the record or to the field's value, and gives a
bool or a text (not empty: violated, and this is why). A field that is null is skipped; nested records are
visited wherever they are. A rule that fails to evaluate counts as violated.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from signalbox.avro.schema import ParsedSchema
from signalbox.avro.types import RecordNode
from signalbox.gate.cel import Binding, EvaluationFailed, Expression, Unreadable, timestamp
from signalbox.gate.pii import redacted
from signalbox.gate.record_rules import RecordRules, Work, declared_rules
from signalbox.gate.visits import Found, Planner
from signalbox.protocol.errors import ConfigurationError

__all__ = ["Condition", "Rules", "redacted"]

_CONDITION_BUDGET: Final = 5_000_000
_log: Final = structlog.get_logger(__name__)


class Rules:
    """The rules of one contract, compiled."""

    def __init__(self, schema: ParsedSchema) -> None:
        """Compile them.

        Raises:
            ConfigurationError: one is malformed or does not compile; the text says which.
        """
        self._visit = Planner(_record_rules).visit(schema.root)

    def check(self, datum: Mapping[str, Any]) -> None:
        """Check a datum of the contract.

        Raises:
            Refusal: ``RULE_VIOLATED``, with the rule's name in ``detail`` and the place in ``field``.
        """
        if self._visit is None:
            return
        found: Found[RecordRules] = {}
        self._visit(datum, None, found)
        work = Work(timestamp(datetime.now(UTC)))
        for rules, members in found.items():
            rules.check(members, work)


def _record_rules(record: RecordNode) -> RecordRules | None:
    rules = declared_rules(record)
    return RecordRules(record, rules) if rules else None


class Condition:
    """One CEL expression on ``this``, an agent's ``when``."""

    def __init__(self, expression: str) -> None:
        """Compile it.

        Raises:
            ConfigurationError: it does not compile, or can't give a bool.
        """
        self._expression = Expression(expression)
        if not self._expression.may_be_bool:
            raise ConfigurationError(f"the condition {expression!r} gives no bool")

    def holds(self, datum: Mapping[str, Any]) -> bool:
        """Say whether it holds; one that can't be evaluated does not, and is logged."""
        size = Binding()
        try:
            this = size.bind(dict(datum))
            if self._expression.cost(1, size) > _CONDITION_BUDGET:
                raise EvaluationFailed("it would take too long on a record of this size")
            return self._expression.evaluate(this, timestamp(datetime.now(UTC))) is True
        except (EvaluationFailed, Unreadable) as error:
            _log.warning("condition_failed", expression=self._expression.text, error=str(error))
            return False
