import socket

import pytest

from local_stack.ports import chosen_addresses, ensure_free, free_ports, is_taken
from local_stack.services import Address
from signalbox.protocol.errors import ConfigurationError


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(["a", "b", "c"])
    assert len(set(ports.values())) == 3
    assert not any(is_taken(Address("127.0.0.1", port)) for port in ports.values())


def test_a_port_on_which_something_listens_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert is_taken(Address("127.0.0.1", server.getsockname()[1]))
        assert is_taken(Address("0.0.0.0", server.getsockname()[1]))


def test_every_taken_port_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        wanted = {
            "console": Address("127.0.0.1", one.getsockname()[1]),
            "lead_capture": Address("127.0.0.1", two.getsockname()[1]),
        }
        with pytest.raises(ConfigurationError, match=r"(?s)CONSOLE_PORT.*LEAD_CAPTURE_PORT"):
            ensure_free(wanted)


def test_the_environment_moves_a_service_and_the_caller_moves_it_last() -> None:
    environ = {"CONSOLE_PORT": "9000", "CONSOLE_HOST": "0.0.0.0", "LEAD_CAPTURE_PORT": "9001"}
    addresses = chosen_addresses(environ, {"lead_capture": 9002})
    assert addresses["console"] == Address("0.0.0.0", 9000)
    assert addresses["console"].host == "127.0.0.1"
    assert addresses["lead_capture"].port == 9002
    assert addresses["registry"] == Address("127.0.0.1", 18081)
