"""``signalbox agents``: who announced itself, whose word counts, and tokens for requests."""

from typing import Annotated, Any

import typer

from signalbox_cli.agent_grants import apply, grant, remove, revoke
from signalbox_cli.agent_tokens import token
from signalbox_cli.console_client import console
from signalbox_cli.output import AsJson, print_json, print_rows

app = typer.Typer()
for command in (grant, apply, revoke, remove, token):
    app.command()(command)


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
