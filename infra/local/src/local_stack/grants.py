"""Grants for the agents of a stack: their keys, where they live, what the catalog lets them take and give."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from local_stack.services import APPLICATIONS, ORCHESTRATOR, Address, Service
from signalbox.catalog import Catalog
from signalbox.protocol.names import AgentId
from signalbox.trust.key_files import agents_key, holders_key

AGENTS: Final = tuple(
    service.name for service in APPLICATIONS if service.name not in {ORCHESTRATOR, "lead_capture", "console"}
)
GRANTS_FILE: Final = "grants.json"


def write_grants(
    run_dir: Path, services: Iterable[Service], addresses: Mapping[str, Address], settings: Mapping[str, str]
) -> Path | None:
    """Make the keys of the agents among ``services``, and the file that `signalbox agents apply` takes.

    Returns None when there is no agent among them.
    """
    endpoints = {
        service.name: _endpoint(service, addresses, settings)
        for service in services
        if service.name in AGENTS
    }
    path = run_dir / GRANTS_FILE
    keys, catalog = Path(settings["AGENT_KEYS_DIR"]), Catalog.load(settings["CATALOG"])
    path.write_text(grants_of(keys, endpoints, catalog))
    return path if endpoints else None


def grants_of(keys: Path, endpoints: Mapping[str, str], catalog: Catalog) -> str:
    """Make the keys of agents, of the orchestrator and of operators; return what `agents apply` takes.

    ``endpoints`` say where each agent lives.
    """
    agents = {
        agent: {
            "endpoints": [endpoint],
            "public_keys": [agents_key(keys, AgentId(agent)).public],
            **allowed(catalog, agent),
        }
        for agent, endpoint in endpoints.items()
    }
    for holder in (ORCHESTRATOR, "operator"):
        holders_key(keys, holder)
    return json.dumps({"agents": agents}, indent=2)  # JSON is YAML, too


def renew_grant(
    run_dir: Path, service: str, settings: Mapping[str, str], apply: Callable[[Path], None]
) -> bool:
    """``apply`` the file with what the catalog by now allows an agent; says whether that was anything new.

    A contract that came after `make up` is so taken and given by whom the catalog lists. Nothing is taken
    away before the next `make up`: what runs until then announced itself by the grant that it had. What
    ``apply`` raises goes through, and the file stays as it was.
    """
    path = run_dir / GRANTS_FILE
    if service not in AGENTS or not path.exists():
        return False
    before = path.read_text()
    grants = json.loads(before)
    if (grant := grants["agents"].get(service)) is None:
        return False
    now = allowed(Catalog.load(settings["CATALOG"]), service)
    wider = grant | {what: sorted({*grant[what], *types}) for what, types in now.items()}
    if wider == grant:
        return False
    grants["agents"][service] = wider
    path.write_text(json.dumps(grants, indent=2))
    try:
        apply(path)
    except BaseException:
        path.write_text(before)
        raise
    return True


def allowed(catalog: Catalog, agent: str) -> dict[str, Any]:
    """Return the record types that the catalog lists an agent as a consumer and as a producer of."""
    own = {name: one for name, one in catalog.records.items() if not name.startswith("control.")}
    return {
        "takes": sorted(name for name, one in own.items() if agent in one.consumers),
        "gives": sorted(name for name, one in own.items() if agent in one.producers),
    }


def _endpoint(service: Service, addresses: Mapping[str, Address], settings: Mapping[str, str]) -> str:
    # Where it does not announce the address that it listens on: a proxy stands before it.
    return settings.get(f"{service.name.upper()}_ENDPOINT") or addresses[service.name].url
