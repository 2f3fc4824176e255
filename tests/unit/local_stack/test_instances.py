from pathlib import Path

import pytest

from local_stack.foundation import application_launch, foundation_of
from local_stack.instances import all_services, counts_of, kind_of, service_named
from local_stack.ports import chosen_addresses
from local_stack.progress import Progress
from local_stack.services import SERVICES, Service
from signalbox.protocol.errors import ConfigurationError


def test_without_a_word_there_is_one_of_each() -> None:
    assert [service.name for service in all_services(counts_of({}))] == list(SERVICES)


def test_the_environment_says_how_many_and_the_caller_says_it_last() -> None:
    counts = counts_of({"BROKERS": "3", "ORCHESTRATORS": "2"}, {"orchestrator": 4})
    assert counts == {"broker": 3, "orchestrator": 4}


def test_further_instances_follow_the_first_and_have_ports_of_their_own() -> None:
    services = all_services(counts_of({"BROKERS": "3", "ORCHESTRATORS": "2"}))
    assert [service.name for service in services][:6] == [
        "broker",
        "broker_2",
        "broker_3",
        "registry",
        "orchestrator",
        "orchestrator_2",
    ]
    addresses = chosen_addresses({"BROKER_2_PORT": "9002"}, {}, services)
    assert addresses["broker_2"].port == 9002
    assert addresses["broker_3"].port == 19112
    assert len({address.port for address in addresses.values()}) == len(services)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"BROKERS": "two"}, "BROKERS is 'two', expected a number"),
        ({"BROKERS": "2"}, "expected an odd number"),
        ({"BROKERS": "11"}, "expected 1 to 9"),
        ({"ORCHESTRATORS": "0"}, "ORCHESTRATORS is 0"),
        ({"ORCHESTRATORS": "-1"}, "ORCHESTRATORS is '-1'"),
    ],
)
def test_a_count_that_can_not_be_is_refused(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        counts_of(environ)


def test_there_is_one_console_only() -> None:
    with pytest.raises(ConfigurationError, match="one console only"):
        counts_of({}, {"console": 2})


def test_a_name_says_which_instance_of_which_kind() -> None:
    assert service_named("broker") == SERVICES["broker"]
    assert service_named("orchestrator_12") == Service("orchestrator", 8100, 12)
    assert kind_of("orchestrator_12") == "orchestrator"


@pytest.mark.parametrize("name", ["orchestrator_1", "broker_0", "broker_", "console_2", "nobody", ""])
def test_other_names_are_nobodys(name: str) -> None:
    with pytest.raises(ConfigurationError, match="there can be no service"):
        service_named(name)


def test_each_orchestrator_has_its_own_address_and_its_own_transactions() -> None:
    services = [service_named("orchestrator"), service_named("orchestrator_2")]
    settings: dict[str, str] = {}
    for service, address in zip(services, chosen_addresses({}, {}, services).values(), strict=True):
        settings |= address.settings_for(service)
    launches = [application_launch(service, settings) for service in services]
    assert [launch.environment["ORCHESTRATOR_PORT"] for launch in launches] == ["8100", "8110"]
    assert [launch.environment["ORCHESTRATOR_REPLICA"] for launch in launches] == ["0", "2"]
    assert launches[0].command == launches[1].command


def test_the_local_broker_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="BROKERS=3 needs STACK=kafka"):
        foundation_of("local", tmp_path).prepare(Progress(quiet=True), 3)
