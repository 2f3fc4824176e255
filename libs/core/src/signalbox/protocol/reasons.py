"""Why a message was dead-lettered: the values of the header ``dl_reason`` and of ``dl_stage``."""

from enum import StrEnum


class Reason(StrEnum):
    """One word a cause. The gate's own come first, in the order in which it checks."""

    TOO_LARGE = "TOO_LARGE"
    NOT_FRAMED = "NOT_FRAMED"
    HEADER_INVALID = "HEADER_INVALID"
    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    NOT_ADMITTED = "NOT_ADMITTED"
    UNSAFE_SCHEMA = "UNSAFE_SCHEMA"
    MALFORMED = "MALFORMED"
    INCOMPATIBLE = "INCOMPATIBLE"
    RULE_VIOLATED = "RULE_VIOLATED"

    CONFLICT = "CONFLICT"
    """A lead that has the id of another one, which was taken in before."""

    HOP_LIMIT = "HOP_LIMIT"
    VISIT_LIMIT = "VISIT_LIMIT"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"

    UNROUTABLE = "UNROUTABLE"
    NO_CANDIDATE = "NO_CANDIDATE"

    AGENT_REFUSED = "AGENT_REFUSED"
    AGENT_FAILED = "AGENT_FAILED"
    AGENT_REMOVED = "AGENT_REMOVED"

    POISON = "POISON"
    """A process died of the message, each time that it had it: the orchestrator's or the agent's."""


class Stage(StrEnum):
    """Where a message was stopped."""

    INTAKE = "intake"
    GATE = "gate"
    GUARD = "guard"
    ROUTER = "router"
    DISPATCH = "dispatch"
