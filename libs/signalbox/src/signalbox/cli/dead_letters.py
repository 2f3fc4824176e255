"""``signalbox dead-letters``: what was refused, and why."""

import base64
import json as json_format
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from signalbox.cli.console_client import console
from signalbox.cli.output import AsJson, hex_lines, print_json, print_rows, visible
from signalbox.errors import SignalboxError

app = typer.Typer()

ConsoleUrl = Annotated[
    str | None, typer.Option(help="The console; else CONSOLE_URL, else http://127.0.0.1:8080.")
]
_POSITION: Final = re.compile(r"([A-Za-z0-9._-]+)/(\d{1,9})/(\d{1,18})", re.ASCII)


@app.command("list")
def list_dead_letters(
    reason: Annotated[
        str | None, typer.Option(help="Only those refused for this reason, like MALFORMED.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 100,
    console_url: ConsoleUrl = None,
    json: AsJson = False,
) -> None:
    """List dead letters, newest first: where each lies, what became of it, and why it was refused.

    Example: signalbox dead-letters list --reason RULE_VIOLATED
    """
    letters = list(console(console_url).pages("/api/dead-letters", "dead_letters", limit, reason=reason))
    if json:
        print_json(letters)
        return
    rows = [letter | {"position": _position(letter)} for letter in letters]
    columns = ("position", "at", "state", "reason", "stage", "lead_id", "field", "detail")
    print_rows(rows, columns, "no dead letters")


@app.command()
def show(
    position: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `list` prints it.")],
    console_url: ConsoleUrl = None,
    json: AsJson = False,
) -> None:
    """Show one dead letter: why it was refused, its headers, its bytes, and its value as far as it decodes.

    Example: signalbox dead-letters show agent_messages_dlt/0/17
    """
    match = _POSITION.fullmatch(position)
    if match is None:
        raise typer.BadParameter(f"{position!r} is not TOPIC/PARTITION/OFFSET, like agent_messages_dlt/0/17")
    letter = console(console_url).find(f"/api/dead-letters/{quote(match[1])}/{int(match[2])}/{int(match[3])}")
    if letter is None:
        raise SignalboxError(f"there is no dead letter at {position}")
    if json:
        print_json(letter)
    else:
        _print(letter)


def _print(letter: Mapping[str, Any]) -> None:
    typer.echo(f"dead letter  {_position(letter)} ({letter['state']})")
    for name in ("reason", "detail", "field", "stage", "at", "record_type", "lead_id", "message_id"):
        if letter[name]:
            typer.echo(f"{name:<12} {visible(letter[name])}")
    typer.echo(
        f"came from    {letter['source_topic']}/{letter['source_partition']}/{letter['source_offset']}"
    )
    typer.echo("\nheaders")
    for header in letter["headers"]:
        typer.echo(f"  {visible(header['name'])}: {_header_text(header)}")
    _print_bytes("key", letter["key_base64"])
    _print_bytes("value", letter["value_base64"])
    typer.echo("\ndecoded by its writer's schema")
    if letter["decoded"] is None:
        typer.echo(f"  not possible: {visible(letter['decode_error'])}")
    else:
        typer.echo(json_format.dumps(letter["decoded"], indent=2, ensure_ascii=False))


def _header_text(header: Mapping[str, Any]) -> str:
    if header["base64"] is None:
        return "null"
    if header["text"] is None:
        return f"0x{base64.b64decode(header['base64']).hex()}"
    return visible(header["text"])


def _print_bytes(name: str, encoded: str | None) -> None:
    data = None if encoded is None else base64.b64decode(encoded)
    typer.echo(f"\n{name}, " + ("null" if data is None else f"{len(data)} bytes"))
    for line in hex_lines(data or b""):
        typer.echo(f"  {line}")


def _position(letter: Mapping[str, Any]) -> str:
    return f"{letter['topic']}/{letter['partition']}/{letter['offset']}"
