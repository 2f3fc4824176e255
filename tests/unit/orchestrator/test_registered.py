"""What an agent may announce of itself, and why another announcement is left out, in words."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from signalbox.control.models import AgentInput, AgentOutput, AgentRegistered
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId, RecordType
from signalbox_decide.registered import RegisteredAgent, registered

ASKED, TOLD, OTHER = map(RecordType, ("demo.Asked", "demo.Told", "demo.Other"))


def announced(endpoint: str = "http://127.0.0.1:8199", allowed: str = ".*", **fields: Any) -> RegisteredAgent:
    said: dict[str, Any] = {
        "agent_id": "echo",
        "name": "Echo",
        "description": "Echoes.",
        "input": [AgentInput(record_type=ASKED, when="this.score > 1"), AgentInput(record_type=TOLD)],
        "output": [AgentOutput(record_type="demo.Answered", terminal=False)],
        "contracts": [],
        "registered_at": datetime.now(UTC),
        **fields,
    }
    return registered(AgentId("echo"), AgentRegistered(endpoint=endpoint, **said), re.compile(allowed))


def refusal(endpoint: str = "http://127.0.0.1:8199", allowed: str = ".*", **fields: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        announced(endpoint, allowed, **fields)
    return str(caught.value)


def test_an_agent_takes_the_types_that_it_names_each_under_its_own_condition() -> None:
    agent = announced()
    assert [agent.takes(one) for one in (ASKED, TOLD, OTHER)] == [True, True, False]
    assert [agent.accepts(ASKED, {"score": score}) for score in (1, 2)] == [False, True]
    assert agent.accepts(TOLD, {"score": 1})


@pytest.mark.parametrize("port", ["", ":1", ":80", ":65535"])
def test_an_endpoint_may_have_any_tcp_port_or_none(port: str) -> None:
    assert announced(f"http://127.0.0.1{port}").definition.endpoint == f"http://127.0.0.1{port}"


@pytest.mark.parametrize("port", ["0", "65536"])
def test_an_endpoint_with_a_port_that_no_socket_has_is_refused(port: str) -> None:
    endpoint = f"http://127.0.0.1:{port}"
    assert refusal(endpoint) == f"{endpoint} has no TCP port from 1 to 65535"


def test_an_endpoint_that_is_no_address_is_refused_with_what_is_wrong() -> None:
    assert refusal("http://127.0.0.1:port").startswith("http://127.0.0.1:port is no address: ")
    assert not refusal("http://127.0.0.1:port").endswith("None")


def test_an_endpoint_must_be_allowed_as_a_whole_and_a_long_one_is_quoted_in_part() -> None:
    assert announced("http://a", "http://a")
    assert refusal("http://ab", "http://a") == "http://ab is not allowed by AGENT_ENDPOINT_ALLOW"
    long = "http://" + "a" * 500
    assert refusal(long, "http://a") == f"{long[:200]} is not allowed by AGENT_ENDPOINT_ALLOW"


def test_an_announcement_of_another_agent_than_its_key_names_is_refused() -> None:
    assert refusal(agent_id="a" * 100) == f"the key says echo, the record {'a' * 64}"
