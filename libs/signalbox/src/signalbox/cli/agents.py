"""``signalbox agents``: who announced itself; remove one."""

import asyncio
from typing import Annotated, Any

import typer

from signalbox.cli.console_client import console
from signalbox.cli.output import AsJson, print_json, print_rows, say
from signalbox.errors import SignalboxError

app = typer.Typer()


@app.command("list")
def list_agents(
    everyone: Annotated[bool, typer.Option("--all", help="Removed ones too.")] = False,
    console_url: Annotated[
        str | None, typer.Option(help="The console; else CONSOLE_URL, else http://127.0.0.1:8080.")
    ] = None,
    json: AsJson = False,
) -> None:
    """List the agents: what each takes and gives, and where it answers.

    Example: signalbox agents list
    """
    known = console(console_url).get("/api/agents")["agents"]
    agents = [agent for agent in known if everyone or not agent["removed"]]
    if json:
        print_json(agents)
        return
    rows = [_row(agent) for agent in agents]
    print_rows(rows, ("agent", "takes", "gives", "endpoint", "announced", "state"), "no agents")


@app.command()
def remove(
    agent_id: Annotated[str, typer.Argument(help="The agent's id, as `list` prints it.")],
    json: AsJson = False,
) -> None:
    """Remove an agent from the directory. It is not stopped, and comes back when it starts again.

    What was routed to it and not handled is dead-lettered as AGENT_REMOVED.

    Example: signalbox agents remove greeter
    """
    from signalbox.kafka import KafkaSettings

    asyncio.run(_remove(KafkaSettings(), agent_id))
    if json:
        print_json({"removed": agent_id})
    else:
        say(f"removed {agent_id}")


async def _remove(settings: Any, agent_id: str) -> None:
    from signalbox.kafka import Producer, read_to_end
    from signalbox.names import AGENT_REGISTRY
    from signalbox.records import Draft

    key = agent_id.encode()
    records = await asyncio.to_thread(lambda: list(read_to_end(settings, [AGENT_REGISTRY])))
    last = next((record for record in reversed(records) if record.key == key), None)
    if last is None or last.value is None:
        raise SignalboxError(f"there is no agent {agent_id!r}; `signalbox agents list` shows who is there")
    producer = Producer(settings, "signalbox-agents")
    try:
        await producer.publish(Draft(AGENT_REGISTRY, key, None))
    finally:
        await producer.close()


def _row(agent: dict[str, Any]) -> dict[str, Any]:
    definition = agent["definition"] or {}
    return {
        "agent": agent["agent_id"],
        "takes": [one["record_type"] for one in definition.get("input", [])],
        "gives": [one["record_type"] for one in definition.get("output", [])],
        "endpoint": definition.get("endpoint"),
        "announced": agent["at"],
        "state": "removed" if agent["removed"] else "there",
    }
