"""How many there are of a kind: ``BROKERS`` and ``ORCHESTRATORS``; one of everything else."""

import re
from collections.abc import Mapping
from typing import Final

from local_stack.services import BROKER, ORCHESTRATOR, SERVICES, Service
from signalbox.protocol.errors import ConfigurationError

COUNT_VARIABLES: Final = {BROKER: "BROKERS", ORCHESTRATOR: "ORCHESTRATORS"}

_MOST: Final = 9
_NAME: Final = re.compile(r"(?P<kind>.+?)(?:_(?P<number>[1-9]\d*))?")


def counts_of(environ: Mapping[str, str], chosen: Mapping[str, int] | None = None) -> dict[str, int]:
    """Say how many of each counted kind there are: as ``chosen``, else by the environment, else one.

    Raises:
        ConfigurationError: a count is none, or brokers could not agree on a majority.
    """
    counts = {kind: _count(variable, environ) for kind, variable in COUNT_VARIABLES.items()}
    counts |= chosen or {}
    for kind, count in counts.items():
        variable = COUNT_VARIABLES.get(kind)
        if variable is None:
            raise ConfigurationError(f"there is one {kind} only; {', '.join(COUNT_VARIABLES)} may be several")
        if not 0 < count <= _MOST:
            raise ConfigurationError(f"{variable} is {count}, expected 1 to {_MOST}")
    if counts[BROKER] % 2 == 0:
        raise ConfigurationError(
            f"BROKERS is {counts[BROKER]}, expected an odd number: they decide by majority"
        )
    return counts


def all_services(counts: Mapping[str, int]) -> list[Service]:
    """List every process that a whole stack consists of, in the order in which it is started."""
    return [
        Service(service.kind, service.first_port, number)
        for service in SERVICES.values()
        for number in range(1, counts.get(service.kind, 1) + 1)
    ]


def service_named(name: str) -> Service:
    """Return the service of a name such as ``broker``, ``broker_2`` or ``lead_scoring``.

    Raises:
        ConfigurationError: there can be none.
    """
    if name in SERVICES:
        return SERVICES[name]
    parts = _NAME.fullmatch(name)
    if parts and parts["kind"] in COUNT_VARIABLES and int(parts["number"] or 1) > 1:
        return Service(parts["kind"], SERVICES[parts["kind"]].first_port, int(parts["number"]))
    raise ConfigurationError(f"there can be no service {name!r}")


def kind_of(name: str) -> str:
    """Return what kind a process of this name is; a name that no service has is its own kind."""
    try:
        return service_named(name).kind
    except ConfigurationError:
        return name


def _count(variable: str, environ: Mapping[str, str]) -> int:
    text = environ.get(variable) or "1"
    if not (text.isascii() and text.isdecimal()):
        raise ConfigurationError(f"{variable} is {text!r}, expected a number from 1 to {_MOST}")
    return int(text)
