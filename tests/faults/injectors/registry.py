"""Faults of the registry: services reach it through a proxy."""

from typing import Final

from fault import Fault, Kind
from injectors.away import ListenerFault
from injectors.http_proxy import Harm, HttpProxy, Instead, Late
from injectors.strikes import StrikeFault

_MODES: Final[dict[str, Harm]] = {
    "registry-slow": Late(2.0),
    "registry-answers-500": Instead(500, b'{"error_code": 50001, "message": "a fault was injected"}'),
    "registry-answers-rubbish": Instead(200, b"<html>\xff\x00 welcome to the hotel's network", "text/html"),
}


def registry_faults(proxy: HttpProxy) -> list[Fault]:
    """Return what goes wrong between services and registry."""
    servers = {"the registry": proxy.strikes}
    down = ListenerFault("registry-down", Kind.REGISTRY, {"the registry": proxy.listener})
    return [down, *(StrikeFault(name, Kind.REGISTRY, servers, mode) for name, mode in _MODES.items())]
