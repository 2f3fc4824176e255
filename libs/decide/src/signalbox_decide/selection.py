"""Selection: who may take a message, and which of them the model chooses."""

from collections.abc import Sequence
from dataclasses import dataclass

from signalbox.catalog import Catalog
from signalbox.gate import Accepted
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AgentId
from signalbox.protocol.reasons import Reason
from signalbox_decide.asking import Chooser
from signalbox_decide.clock import SYSTEM, Clock
from signalbox_decide.decisions import Ended, Routed, Terminal, chosen, without_model
from signalbox_decide.directory import Directory
from signalbox_decide.guards import Guards
from signalbox_decide.registered import RegisteredAgent
from signalbox_decide.reporting import Report, untold


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long a type waits for an agent that takes it, in seconds, by which clock, and who is told."""

    seconds: float
    report: Report = untold
    clock: Clock = SYSTEM


class Selection:
    """Finds who may take a message, and asks the model which of them does."""

    def __init__(
        self, directory: Directory, catalog: Catalog, guards: Guards, router: Chooser, waiting: Waiting
    ) -> None:
        self._directory = directory
        self._catalog = catalog
        self._guards = guards
        self._router = router
        self._waiting = waiting

    async def route(self, message: Accepted) -> Routed | Ended | Terminal:
        """Decide on a message that passed the gate.

        Raises:
            Refusal: a guard's, ``NO_CANDIDATE``, or :class:`Unroutable`.
            Unavailable: the model can't be reached.
        """
        if self._is_terminal(message):
            reason = f"terminal: {message.record_type} completes the workflow"
            return Terminal(message, without_model(reason))
        self._guards.check(message.envelope)
        willing = await self._willing(message)
        if not willing:
            names = ", ".join(agent.definition.id for agent in self._directory.taking(message.record_type))
            reason = f"no condition holds: {names} take {message.record_type}, but not this one"
            return Ended(message, without_model(reason))
        return await self._chosen(message, willing)

    async def reroute(self, message: Accepted, refused_by: AgentId, why: str) -> Routed:
        """Decide once more, among the candidates that are left after ``refused_by`` said no.

        Raises:
            Refusal: ``AGENT_REFUSED``, when none is left or the model chooses none; a guard's, or
                :class:`Unroutable`.
            Unavailable: the model can't be reached.
        """
        self._guards.check(message.envelope)
        left = [agent for agent in self._accepting(message) if agent.definition.id != refused_by]
        willing = self._reached(left) or left
        if not willing:
            raise Refusal(Reason.AGENT_REFUSED, f"{refused_by} refused it, and no other takes it: {why}")
        decision = await self._chosen(message, willing, (refused_by,))
        if isinstance(decision, Ended):
            raise Refusal(
                Reason.AGENT_REFUSED, f"{refused_by} refused it, and the router chose no other: {why}"
            )
        return decision

    def others(self, message: Accepted, agent: AgentId) -> bool:
        """Say whether there is somebody for ``message`` beside ``agent``: who was reached, and takes it."""
        return any(one.definition.id != agent for one in self._reached(self._accepting(message)))

    def _is_terminal(self, message: Accepted) -> bool:
        # The catalog decides on the types that it lists. For others an agent's word counts, but only for
        # what that agent itself gave: otherwise one registration could end everybody's workflows.
        entry = self._catalog.record(message.record_type)
        if entry is not None:
            return entry.terminal
        return self._directory.ends_with(message.record_type, message.envelope.source)

    async def _chosen(
        self, message: Accepted, willing: Sequence[RegisteredAgent], excluded: tuple[AgentId, ...] = ()
    ) -> Routed | Ended:
        candidates = self._guards.unspent(message.envelope, [agent.definition for agent in willing])
        choice = await self._router.choose(message, candidates)
        if choice.agent is not None:
            self._directory.route_to(choice.agent)
        return chosen(message, choice, tuple(candidates), excluded)

    def _accepting(self, message: Accepted) -> list[RegisteredAgent]:
        takers = self._directory.taking(message.record_type)
        return [agent for agent in takers if agent.accepts(message.record_type, message.datum)]

    def _reached(self, agents: Sequence[RegisteredAgent]) -> list[RegisteredAgent]:
        return [agent for agent in agents if self._directory.was_reached(agent.definition.id)]

    async def _willing(self, message: Accepted) -> list[RegisteredAgent]:
        # Nothing is given up before the directory has been quiet for the whole wait: agents may start after
        # us, and an empty directory is a bad moment, not a bad message. Nor does anything go to an agent that
        # was never reached while another takes it. One that is alone is waited for as long, and then gets a
        # route all the same: behind it waits that agent's own line, and no longer the topic that all share.
        began = self._waiting.clock.elapsed()
        while True:
            accepting = self._accepting(message)
            if willing := self._reached(accepting):
                return willing
            takers = self._directory.taking(message.record_type)
            if takers and not accepting:
                return []
            left = self._patience_s(began, accepting)
            if left is not None and left <= 0:
                if takers:
                    return accepting
                detail = f"no registered agent takes {message.record_type}"
                raise Refusal(Reason.NO_CANDIDATE, f"{detail}; waited {self._waiting.seconds:g} s")
            names = ", ".join(agent.definition.id for agent in accepting)
            await self._until_changed(message, left, f"never reached: {names}" if names else "no agent")

    def _patience_s(self, began: float, unreached: Sequence[RegisteredAgent]) -> float | None:
        """Return how long it is still waited, in seconds; None: without limit, as no one is there."""
        if not self._directory.agents:
            return None
        known = [self._directory.known_since(agent.definition.id) for agent in unreached]
        since = min(known) if known else max(began, self._directory.changed_at)
        return since + self._waiting.seconds - self._waiting.clock.elapsed()

    async def _until_changed(self, message: Accepted, left: float | None, why: str) -> None:
        change = self._directory.change(left)
        part = f"routing {message.record_type}"
        self._waiting.report(part, f"waits for an agent that takes it: {why}")
        try:
            await change
        finally:
            self._waiting.report(part, None)
