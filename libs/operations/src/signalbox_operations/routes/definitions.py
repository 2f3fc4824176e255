"""The agents' definitions as they are announced now."""

from collections.abc import Sequence
from contextlib import suppress

from pydantic import ValidationError

from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox_operations.contracts.announced import announcements_in_force, decoded_by

Definitions = dict[AgentId, AgentDefinition]


async def definitions(control: ControlRecords, registrations: Sequence[Record]) -> Definitions:
    """Return the definitions that count for the orchestrator; one that is not right is left out, as there.

    ``registrations`` are the records of ``agent_grants`` and ``agent_registry``.

    Raises:
        Unavailable: the registry can't be reached.
    """
    in_force = announcements_in_force(registrations, await decoded_by(control, registrations))
    found: Definitions = {}
    for agent, said in sorted(in_force.items()):
        with suppress(ValidationError):
            found[agent] = AgentDefinition.announced(said.model_dump())
    return found
