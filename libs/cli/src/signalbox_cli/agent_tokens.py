"""``signalbox agents token``: the token for one request, for people with curl."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.trust import OPERATOR, RequestParts, TrustSettings, token_for


def token(
    agent_id: Annotated[str, typer.Argument(help="The agent that the request is for.")],
    body: Annotated[str, typer.Option(help="The file with the body, - for the input; empty for none.")] = "",
    header: Annotated[
        list[str] | None,
        typer.Option(help="A ce-… or Idempotency-Key header to send, 'name: value'."),
    ] = None,
    content_type: Annotated[str, typer.Option(help="The Content-Type that is sent.")] = "application/json",
    method: Annotated[str, typer.Option(help="The request's method.")] = "POST",
    path: Annotated[str, typer.Option(help="Its path, with the query if there is one.")] = "/messages",
) -> None:
    """Print a token for one request to an agent, good for a minute and for nothing else.

    It is signed with the operator's key: OPERATOR_SIGNING_KEY, or the one in AGENT_KEYS_DIR, which is made
    there when it is missing. An agent elsewhere has to know its public half (OPERATOR_PUBLIC_KEY).

    Example: signalbox agents token lead_scoring --body lead.json --header 'ce-id: by-hand-1'
    """
    headers = [_pair(one) for one in header or []]
    if content_type:
        headers.append(("content-type", content_type))
    request = RequestParts(method, path, tuple(headers), _read(body))
    typer.echo(token_for(request, AgentId(agent_id), TrustSettings().operators_key(), OPERATOR))


def _pair(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon or not name.strip():
        raise ConfigurationError(f"{header!r} is no header: write 'name: value'")
    return name.strip(), value.strip()


def _read(body: str) -> bytes:
    try:
        if body == "-":
            return sys.stdin.buffer.read()
        return Path(body).read_bytes() if body else b""
    except OSError as error:
        raise ConfigurationError(f"{body} can't be read: {error}") from error
