"""The contracts in force for an agent's outputs: what the registry demands now, beside what was built in."""

from collections.abc import Iterable
from typing import Final

from signalbox.avro import decode, unframe
from signalbox.gate import Contract, Contracts
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import RecordType
from signalbox.protocol.reasons import Reason
from signalbox_agent.own_contract import OwnContract


class InForce:
    """Holds an output against the newest registered contract, as the gate will.

    A stricter rule that is registered while the agent runs counts for it within ``CONTRACT_REFRESH_S``,
    and its model is told of it before anything is published.
    """

    def __init__(self, contracts: Contracts, record_types: Iterable[RecordType]) -> None:
        self._contracts = contracts
        self._record_types = tuple(record_types)
        self._held: dict[RecordType, Contract | None] = {}

    def told(self) -> str:
        """Say which version of each output is in force, for the operator."""
        return self._contracts.told()

    async def load(self) -> None:
        """Take over what is known; what is not known yet is asked for.

        Raises:
            Unavailable: the registry is needed and can't be reached.
        """
        for record_type in self._record_types:
            self._held[record_type] = await self._contracts.get(record_type)

    async def renew(self) -> None:
        """Ask the registry again.

        Raises:
            Unavailable: it has no answer about one record type at least; what was in force of it stays so.
        """
        try:
            await self._contracts.look()
        finally:
            await self.load()

    def check(self, own: OwnContract, value: bytes) -> None:
        """Read a framed output as a reader with the contract in force does, and hold it against its rules.

        Raises:
            Refusal: the gate would not let it pass.
        """
        contract = self._held.get(own.record_type)
        if contract is None or contract.schema_id == own.schema_id:
            return  # its rules are those that the agent was built with, and were checked
        contract.rules.check(decode(unframe(value)[1], own.schema, contract.schema))


_MENDABLE: Final = frozenset({Reason.RULE_VIOLATED, Reason.MALFORMED, Reason.TOO_LARGE})
"""Reasons that say something about an output's values: another answer of the model may be fine."""


def violation_of(refusal: Refusal) -> str:
    """Say what is wrong with an output, for the model to mend.

    Raises:
        Refusal: no other answer would be better, as when the contracts don't fit together.
    """
    if refusal.reason not in _MENDABLE:
        raise refusal
    return f"{refusal.field}: {refusal.detail}" if refusal.field else refusal.detail
