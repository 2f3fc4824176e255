"""``signalbox dead-letters``: what was refused, and why; send it in again, or give it up."""

import base64
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from signalbox.protocol.errors import SignalboxError
from signalbox_cli.console_client import console
from signalbox_cli.dead_letter_closing import discard, replay
from signalbox_cli.dead_letter_selection import (
    AgentFilter,
    ConsoleUrl,
    ContractFilter,
    Filters,
    ReasonFilter,
    SinceFilter,
    TopicFilter,
    listed,
    named,
    position_of,
)
from signalbox_cli.output import AsJson, hex_lines, print_json, print_rows, say, visible

app = typer.Typer()
app.command()(replay)
app.command()(discard)

_FRAME = 5


@app.command("list")
def list_dead_letters(
    reason: ReasonFilter = None,
    topic: TopicFilter = None,
    agent: AgentFilter = None,
    contract: ContractFilter = None,
    since: SinceFilter = None,
    open_only: Annotated[
        bool, typer.Option("--open/--all", help="Only those neither replayed nor discarded, or all.")
    ] = True,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 100,
    console_url: ConsoleUrl = None,
    json: AsJson = False,
) -> None:
    """List dead letters, newest first: where each lies, what became of it, and why it was refused.

    Example: signalbox dead-letters list --reason RULE_VIOLATED --since 2h
    """
    filters = Filters(reason, topic, agent, contract, since)
    dead_letters = list(listed(console(console_url), filters, "open" if open_only else None, limit))
    rows = [dead_letter | {"position": str(position_of(dead_letter))} for dead_letter in dead_letters]
    if json:
        print_json(rows)
        return
    columns = ("position", "at", "state", "reason", "stage", "record_type", "lead_id", "field", "detail")
    print_rows(rows, columns, "no open dead letters" if open_only else "no dead letters")


@app.command()
def show(
    position: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `list` prints it.")],
    console_url: ConsoleUrl = None,
    json: AsJson = False,
) -> None:
    """Show one dead letter: why it was refused, its headers, its bytes, and its value as far as it decodes.

    Also says which schema it was written with, which contract holds now, and what the gate says of it now.

    Example: signalbox dead-letters show agent_messages_dlt/0/17
    """
    from signalbox_cli.dead_letter_verdict import verdict_on

    [at] = named([position])
    dead_letter = console(console_url).find(f"/api/dead-letters/{at}")
    if dead_letter is None:
        raise SignalboxError(f"there is no dead letter at {position}")
    shown = dead_letter | {"position": position, "held_against": verdict_on(dead_letter)}
    if json:
        print_json(shown)
    else:
        _print(shown)


def _print(dead_letter: Mapping[str, Any]) -> None:
    say(f"dead letter  {dead_letter['position']} ({_state(dead_letter)})")
    for name in ("reason", "detail", "field", "stage", "at", "record_type", "lead_id", "message_id"):
        if dead_letter[name]:
            say(f"{name:<12} {visible(dead_letter[name])}")
    source = (dead_letter[f"source_{part}"] for part in ("topic", "partition", "offset"))
    say(f"came from    {'/'.join(map(str, source))}")
    _print_held_against(dead_letter["held_against"])
    say("\nheaders")
    for header in dead_letter["headers"]:
        say(f"  {visible(header['name'])}: {_header_text(header)}")
    _print_bytes("key", dead_letter["key_base64"])
    _print_bytes("value", dead_letter["value_base64"], _failing_byte(dead_letter["detail"]))
    say("\ndecoded by its writer's schema")
    if dead_letter["decoded"] is None:
        say(f"  not possible: {visible(dead_letter['decode_error'])}")
    else:
        print_json(dead_letter["decoded"])


def _state(dead_letter: Mapping[str, Any]) -> str:
    said = [f"by {visible(dead_letter['closed_by'])}"] if dead_letter.get("closed_by") else []
    said += [f"at {dead_letter['closed_at']}"] if dead_letter.get("closed_at") else []
    why = f": {visible(dead_letter['closed_why'])}" if dead_letter.get("closed_why") else ""
    return " ".join([dead_letter["state"], *said]) + why


def _print_held_against(held: Mapping[str, Any]) -> None:
    if held["unknown"]:
        say(f"held against not known now: {visible(held['unknown'])}")
        return
    written, contract, verdict = held["written_with"], held["contract"], held["verdict"]
    say(f"written with {_written(written)}")
    if contract is None:
        say("held against no contract that holds now")
    else:
        text = f"{contract['record_type']} version {contract['version']} (schema id {contract['schema_id']})"
        say(f"held against {text}, the version in force now")
    if verdict is None:
        say("gate now     would let it pass")
    else:
        field = f" (at {verdict['field']})" if verdict["field"] else ""
        say(f"gate now     {verdict['reason']}: {visible(verdict['detail'] + field)}")


def _written(written: Mapping[str, Any] | None) -> str:
    if written is None:
        return "no schema: the value is not in the wire format"
    usages = [f"{one['subject']} version {one['version']}" for one in written["registered_as"]]
    return f"schema id {written['schema_id']}: {visible(', '.join(usages) or 'unknown to the registry')}"


def _header_text(header: Mapping[str, Any]) -> str:
    if header["base64"] is None:
        return "null"
    if header["text"] is None:
        return f"0x{base64.b64decode(header['base64']).hex()}"
    return visible(header["text"])


def _failing_byte(detail: str) -> int | None:
    from signalbox.protocol.dead_letters import failing_byte

    inside = failing_byte(detail)
    return None if inside is None else inside + _FRAME


def _print_bytes(name: str, encoded: str | None, failing: int | None = None) -> None:
    data = None if encoded is None else base64.b64decode(encoded)
    at = "" if failing is None else f", failing at byte {failing} (0x{failing:06x})"
    say(f"\n{name}, " + ("null" if data is None else f"{len(data)} bytes{at}"))
    for number, line in enumerate(hex_lines(data or b"")):
        marked = failing is not None and failing // 16 == number
        say(f"{'>' if marked else ' '} {line}")
