"""Ports: taken, chosen by the environment, or found free."""

import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from typing import Final

from local_stack.instances import service_named
from local_stack.services import SERVICES, Address, Service
from signalbox.protocol.errors import ConfigurationError

# Below the range that the system hands out to outgoing connections, so that none of those takes a port
# between the moment in which it was found free and the moment in which a process listens on it.
_FREE_RANGE: Final = range(20_000, 32_000)
_LAST_PORT: Final = 65_535


def chosen_addresses(
    environ: Mapping[str, str], ports: Mapping[str, int], services: Iterable[Service] = SERVICES.values()
) -> dict[str, Address]:
    """Say where each service listens: ``ports`` first, then ``<SERVICE>_PORT``, then its usual port."""
    return {
        service.name: Address(
            environ.get(service.host_variable) or "127.0.0.1",
            ports[service.name] if service.name in ports else _port(service, environ),
        )
        for service in services
    }


def free_ports(names: Iterable[str]) -> dict[str, int]:
    """Find a free port for each name, all different."""
    found: dict[str, int] = {}
    with ExitStack() as held:
        for name in names:
            while name not in found:
                port = random.choice(_FREE_RANGE)
                if (listener := _listen("127.0.0.1", port)) is not None:
                    held.enter_context(closing(listener))
                    found[name] = port
    return found


def ensure_free(addresses: Mapping[str, Address]) -> None:
    """Check that every port can be listened on.

    Raises:
        ConfigurationError: names each port that can't, and the variable that moves it.
    """
    taken_by: dict[int, str] = {}
    problems = []
    for name, address in addresses.items():
        variable = service_named(name).port_variable
        if address.port in taken_by:
            other = taken_by[address.port]
            problems.append(f"port {address.port} is set for {other} and for {name}: change {variable}")
        elif is_taken(address):
            problems.append(f"port {address.port} ({name}) is taken: set {variable}")
        taken_by[address.port] = name
    if problems:
        raise ConfigurationError("\n".join(problems))


def is_taken(address: Address) -> bool:
    """Tell whether something listens on ``address``, or no one may."""
    with socket.socket(_family(address.host)) as client:
        client.settimeout(0.5)
        # Some systems let two sockets listen on one port when their addresses differ: so ask, too.
        if client.connect_ex((address.host, address.port)) == 0:
            return True
    listener = _listen(address.bind_host, address.port)
    if listener is None:
        return True
    listener.close()
    return False


def _listen(host: str, port: int) -> socket.socket | None:
    listener = socket.socket(_family(host))
    # As servers do: connections that linger after their close don't count.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError:
        listener.close()
        return None
    return listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _port(service: Service, environ: Mapping[str, str]) -> int:
    text = environ.get(service.port_variable) or str(service.default_port)
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _LAST_PORT):
        raise ConfigurationError(
            f"{service.port_variable} is {text!r}, expected a port from 1 to {_LAST_PORT}"
        )
    return int(text)
