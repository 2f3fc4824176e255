"""The running service: closed until its contracts are found, then open with a handler."""

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent.contracts import OwnContracts
from signalbox_agent.idempotent_handler import IdempotentHandler
from signalbox_agent.parts import Parts
from signalbox_agent.problems import unavailable


class Service:
    """What the routes work with. ``definition`` carries the address under which the agent was announced."""

    def __init__(self, definition: AgentDefinition, parts: Parts) -> None:
        self.definition = definition
        self.parts = parts
        self._open: tuple[OwnContracts, IdempotentHandler] | None = None

    def open(self, contracts: OwnContracts, handler: IdempotentHandler) -> None:
        """Begin to take messages."""
        self._open = contracts, handler

    def opened(self) -> tuple[OwnContracts, IdempotentHandler]:
        """Return what messages are handled with.

        Raises:
            Problem: 503, the service isn't ready.
        """
        if self._open is None:
            raise unavailable("the agent is starting; /readyz says what it waits for")
        return self._open

    def versions(self) -> list[dict[str, str | int]]:
        """Return the contract versions that the agent was built with; none are known before it is ready."""
        return self._open[0].versions() if self._open else []

    async def drain(self, timeout_s: float) -> None:
        """Finish what is in flight, for at most ``timeout_s`` seconds."""
        if self._open is not None:
            await self._open[1].drain(timeout_s)
