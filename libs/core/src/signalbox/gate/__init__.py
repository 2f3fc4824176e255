"""Stream governance: the gate, the contracts in force, data rules, and the port to the schema registry."""

from signalbox.gate.contracts import Contract, Contracts, Standing
from signalbox.gate.gate import Accepted, Admission, Gate, Limits, Rejected
from signalbox.gate.pii import personal_values
from signalbox.gate.rules import Condition, Rules, redacted
from signalbox.registry.port import SchemaRegistry, SchemaVersion

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
    "Standing",
    "personal_values",
    "redacted",
]
