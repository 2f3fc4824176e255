"""Stream governance: the gate, the contracts in force, data rules, and the port to the schema registry."""

from signalbox.governance.contracts import Contract, Contracts
from signalbox.governance.gate import Accepted, Admission, Gate, Limits, Rejected
from signalbox.governance.pii import personal_values
from signalbox.governance.registry import SchemaRegistry, SchemaVersion
from signalbox.governance.rules import Condition, Rules, redacted

__all__ = [
    "Accepted",
    "Admission",
    "Condition",
    "Contract",
    "Contracts",
    "Gate",
    "Limits",
    "Rejected",
    "Rules",
    "SchemaRegistry",
    "SchemaVersion",
    "personal_values",
    "redacted",
]
