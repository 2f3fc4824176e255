"""``signalbox agents grant``, ``apply``, ``revoke`` and ``remove``: whose word counts for an agent."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from signalbox.control.models import AgentGranted
from signalbox.protocol.errors import ConfigurationError, SignalboxError
from signalbox.protocol.names import AgentId, RecordType
from signalbox.trust import TrustSettings, public_keys
from signalbox.trust.grants import require_endpoint
from signalbox.trust.key_files import agents_public_keys
from signalbox_cli.granting import GrantService, granted, removal_time, with_grant_service
from signalbox_cli.output import AsJson, print_json, print_rows, say

_PATIENCE_S: Final = 60.0
"""`make up` asks for grants while topics and contracts are made."""
_TOLD: Final = ("agent", "outcome", "endpoints", "keys")
_COMPARED: Final = ("public_keys", "endpoints", "takes", "gives")

AgentArgument = Annotated[str, typer.Argument(help="The agent's id.")]
Why = Annotated[str, typer.Option(help="Why; it stands in the grant.")]


class Wanted(BaseModel):
    """What a grant should say. A public key is a PEM, or the path of a file with one or several."""

    model_config = ConfigDict(extra="forbid")

    endpoints: list[str] = Field(default_factory=list)
    public_keys: list[str] = Field(default_factory=list)
    takes: list[RecordType] = Field(default_factory=list)
    gives: list[RecordType] = Field(default_factory=list)


def grant(
    agent_id: AgentArgument,
    endpoint: Annotated[list[str], typer.Option(help="Where it lives; may be given several times.")],
    public_key: Annotated[
        list[Path] | None, typer.Option(help="Its public key (PEM); else the one in AGENT_KEYS_DIR.")
    ] = None,
    takes: Annotated[list[str] | None, typer.Option(help="A record type it may take; else any.")] = None,
    gives: Annotated[list[str] | None, typer.Option(help="A record type it may give; else any.")] = None,
    why: Why = "",
    json: AsJson = False,
) -> None:
    """Say which key speaks for an agent, and where it lives. It takes the place of what was granted before.

    Example: signalbox agents grant greeter --endpoint http://greeter:8201 --public-key greeter.pub
    """
    wanted = Wanted(
        endpoints=endpoint,
        public_keys=[str(path) for path in public_key or []],
        takes=[RecordType(name) for name in takes or []],
        gives=[RecordType(name) for name in gives or []],
    )
    told = with_grant_service(lambda service: _apply(service, {AgentId(agent_id): wanted}, why, True))
    _tell(asyncio.run(told), json)


def apply(
    file: Annotated[Path, typer.Argument(help="YAML: under `agents:`, for each id what `grant` takes.")],
    why: Why = "",
    json: AsJson = False,
) -> None:
    """Make grants as a file has them, as often as one likes; one that was revoked stays so.

    Example: signalbox agents apply grants.yaml
    """
    wanted = _wanted(file)
    told = with_grant_service(lambda service: _apply(service, wanted, why, False), patience_s=_PATIENCE_S)
    _tell(asyncio.run(told), json)


def revoke(agent_id: AgentArgument, why: Why = "", json: AsJson = False) -> None:
    """Let nothing speak for an agent any more. It leaves the directory, and starting it again does not help.

    What was routed to it and not handled is dead-lettered as AGENT_REMOVED. `grant` gives it back.

    Example: signalbox agents revoke greeter --why "its key was stolen"
    """
    _tell(asyncio.run(with_grant_service(lambda service: _revoke(service, AgentId(agent_id), why))), json)


def remove(
    agent_id: Annotated[str, typer.Argument(help="The agent's id, as `list` prints it.")],
    json: AsJson = False,
) -> None:
    """Remove an agent from the directory. It is not stopped, and comes back when it starts again.

    What was routed to it and not handled is dead-lettered as AGENT_REMOVED.

    Example: signalbox agents remove greeter
    """
    asyncio.run(with_grant_service(lambda service: _remove(service, AgentId(agent_id))))
    if json:
        print_json({"removed": agent_id})
    else:
        say(f"removed {agent_id}")


async def _apply(
    service: GrantService, wanted: Mapping[AgentId, Wanted], why: str, give_back: bool
) -> list[dict[str, Any]]:
    known, settings = await service.known(), TrustSettings()
    told, changed = [], []
    for agent, one in wanted.items():
        former = known.granted.get(agent)
        fields = {**one.model_dump(), "public_keys": list(_keys(agent, one, settings))}
        for endpoint in one.endpoints:
            require_endpoint(endpoint)
        outcome = "granted"
        if former is not None and former.revoked and not give_back:
            outcome = "is revoked; `signalbox agents grant` gives it back"
        elif former is not None and not former.revoked and _same(former, fields):
            outcome = "unchanged"
        else:
            changed.append(granted(agent, former, **fields, why=why))
        told.append(_row(agent, outcome, fields))
    if changed:
        await service.write(changed)
    return told


async def _revoke(service: GrantService, agent: AgentId, why: str) -> list[dict[str, Any]]:
    known = await service.known()
    former = known.granted.get(agent)
    if former is None and agent not in known.announced:
        raise SignalboxError(f"there is no agent {agent!r}; `signalbox agents list` shows who is there")
    changed = granted(agent, former, revoked=True, removed_at=removal_time(known, agent), why=why)
    await service.write([changed])
    return [_row(agent, "revoked", changed.model_dump())]


async def _remove(service: GrantService, agent: AgentId) -> None:
    known = await service.known()
    former = known.granted.get(agent)
    gone = former is not None and former.removed_at is not None and agent not in known.registrations.in_force
    if agent not in known.announced or gone:
        raise SignalboxError(f"there is no agent {agent!r}; `signalbox agents list` shows who is there")
    revoked = former is not None and former.revoked
    changed = granted(agent, former, revoked=revoked, removed_at=removal_time(known, agent), why="removed")
    await service.write([changed])


def _keys(agent: AgentId, wanted: Wanted, settings: TrustSettings) -> tuple[str, ...]:
    found = [key for one in wanted.public_keys for key in public_keys(_pem(one))]
    found = found or list(agents_public_keys(settings.folder, agent))
    if not found:
        raise ConfigurationError(
            f"{agent} has no public key in {settings.folder}: name its file by --public-key"
            " (`openssl pkey -in KEY -pubout` prints it)"
        )
    return tuple(found)


def _pem(given: str) -> str:
    if given.lstrip().startswith("-----BEGIN"):
        return given
    try:
        return Path(given).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the public key {given} can't be read: {error}") from error


def _wanted(file: Path) -> dict[AgentId, Wanted]:
    try:
        entries = yaml.safe_load(file.read_text())["agents"]
        return {AgentId(str(agent)): Wanted.model_validate(one) for agent, one in entries.items()}
    except OSError as error:
        raise ConfigurationError(f"{file} can't be read: {error}") from error
    except (yaml.YAMLError, ValidationError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{file} is no file of grants: {error}") from error


def _same(former: AgentGranted, fields: Mapping[str, Any]) -> bool:
    return all(list(getattr(former, name)) == list(fields[name]) for name in _COMPARED)


def _row(agent: AgentId, outcome: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "agent": agent,
        "outcome": outcome,
        "endpoints": list(fields["endpoints"]),
        "keys": len(fields["public_keys"]),
    }


def _tell(rows: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(rows)
    else:
        print_rows(rows, _TOLD, "no agents")
