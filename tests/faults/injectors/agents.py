"""Faults of agents: the orchestrator reaches each through a proxy that it announces as its endpoint."""

from collections.abc import Mapping
from typing import Final

from fault import Kind
from injectors.http_messages import Request
from injectors.http_proxy import Hang, Harm, HttpProxy, Instead, ResetAfterWork, Rewritten
from injectors.strikes import StrikeFault

_MODES: Final[dict[str, tuple[Harm, float]]] = {
    # A share, so that most messages get through within the attempts that they have.
    "agent-answers-500": (Instead(500), 0.5),
    "agent-hangs": (Hang(), 0.5),
    "agent-resets-after-work": (ResetAfterWork(), 0.5),
    "agent-answers-rubbish": (Rewritten(b'{"answers": [{"id": 7, "record_type": "sdr.Nonsense"'), 1.0),
}


def is_message(request: Request) -> bool:
    """Tell whether it is work; the agent's health stays what it is."""
    return request.method == "POST" and request.target.startswith("/messages")


def agent_faults(proxies: Mapping[str, HttpProxy]) -> list[StrikeFault[Harm]]:
    """Return what goes wrong between orchestrator and one of the agents."""
    servers = {agent: proxy.strikes for agent, proxy in proxies.items()}
    return [StrikeFault(name, Kind.AGENT, servers, mode, share) for name, (mode, share) in _MODES.items()]
