"""``ROUTER_ASK=learned`` in a joined orchestrator: whom the operator hears of when the file fits no more."""

from contextlib import AsyncExitStack
from pathlib import Path

from joined_orchestrator import Joined
from orchestrator.bootstrap import bootstrap
from orchestrator.settings import OrchestratorSettings
from routing_in_memory import ANSWERED, ASKED
from signalbox.control.models import AgentOutput
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.names import AgentId
from signalbox_decide.learned import write_learned
from small_cases import learned_by_words

GIVES = AgentOutput(record_type=ANSWERED, terminal=False)


def learned_with(file: Path, description: str) -> Path:
    """Write a file that was learned when alpha and beta were described so."""
    agents = {
        AgentId(name): AgentDefinition.model_validate(
            {"id": name, "name": name, "description": description, "input": [ASKED], "output": [ANSWERED]}
        )
        for name in ("alpha", "beta")
    }
    write_learned(file, learned_by_words(agents, {"alpha": "bread", "beta": "brakes"}))
    return file


async def impaired(joined: Joined, settings: OrchestratorSettings, *agents: str) -> list[str]:
    async with AsyncExitStack() as closing:
        parts = bootstrap(settings, closing, joined.ports())
        await parts.control.load()
        for agent in agents:
            await joined.routing.taken_into(parts.directory, agent, ASKED, GIVES)
        return parts.readiness.impaired


def asking_learned(settings: OrchestratorSettings, file: Path) -> OrchestratorSettings:
    return settings.model_copy(update={"router_ask": "learned", "router_learned": file})


async def test_a_file_that_was_learned_with_the_announced_definitions_is_good(
    joined: Joined, settings: OrchestratorSettings, tmp_path: Path
) -> None:
    file = learned_with(tmp_path / "l.json", "Answers what it is asked.")
    assert await impaired(joined, asking_learned(settings, file), "alpha", "beta") == []


async def test_a_file_that_was_learned_with_other_definitions_is_told_before_any_message(
    joined: Joined, settings: OrchestratorSettings, tmp_path: Path
) -> None:
    file = learned_with(tmp_path / "l.json", "Answers nobody.")
    [told] = await impaired(joined, asking_learned(settings, file), "alpha", "beta")
    assert told.startswith("router learned: refused where alpha, beta may take the message, and the model is")
    assert "signalbox routes train" in told


async def test_an_agent_that_came_later_is_told_alone(
    joined: Joined, settings: OrchestratorSettings, tmp_path: Path
) -> None:
    file = learned_with(tmp_path / "l.json", "Answers what it is asked.")
    [told] = await impaired(joined, asking_learned(settings, file), "alpha", "beta", "gamma")
    assert "where gamma may take" in told


async def test_without_a_learned_router_nothing_is_said_of_one(
    joined: Joined, settings: OrchestratorSettings
) -> None:
    assert await impaired(joined, settings, "alpha") == []
