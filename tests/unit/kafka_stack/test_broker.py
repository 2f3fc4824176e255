from pathlib import Path

from kafka_stack.broker import Node, server_properties
from kafka_stack.foundation import KafkaFoundation, cluster_of
from local_stack.instances import all_services, counts_of
from local_stack.ports import chosen_addresses
from local_stack.services import Address, shared_settings

LOG = Path("log")
IN_SYNC = ("min.isr", "insync.replicas")


def cluster(brokers: int) -> list[Node]:
    return [
        Node(number, Address("127.0.0.1", 9000 + number), 9500 + number) for number in range(1, brokers + 1)
    ]


def test_a_broker_alone_has_one_replica_of_everything() -> None:
    (node,) = cluster(1)
    properties = server_properties(LOG, node, [node])
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:9501"
    assert {value for name, value in properties.items() if "replication.factor" in name} == {1}
    assert {value for name, value in properties.items() if name.endswith(IN_SYNC)} == {1}


def test_three_brokers_hold_everything_three_times_and_write_twice_at_least() -> None:
    nodes = cluster(3)
    properties = server_properties(LOG, nodes[1], nodes)
    assert properties["node.id"] == 2
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:9501,2@127.0.0.1:9502,3@127.0.0.1:9503"
    assert {value for name, value in properties.items() if "replication.factor" in name} == {3}
    assert {value for name, value in properties.items() if name.endswith(IN_SYNC)} == {2}


def test_overrides_are_laid_over() -> None:
    (node,) = cluster(1)
    properties = server_properties(LOG, node, [node], {"node.id": 7, "super.users": "User:admin"})
    assert (properties["node.id"], properties["super.users"]) == (7, "User:admin")


def test_clients_are_told_all_brokers_and_how_often_a_topic_is_kept(tmp_path: Path) -> None:
    services = all_services(counts_of({"BROKERS": "3"}))
    addresses = chosen_addresses({}, {}, services)
    brokers = [addresses[name] for name in ("broker", "broker_2", "broker_3")]
    foundation = KafkaFoundation(tmp_path)
    settings = {
        "BROKERS": "3",
        **shared_settings(tmp_path, tmp_path, services, addresses),
        **foundation.settings(brokers, addresses["registry"]),
    }
    assert settings["KAFKA_BOOTSTRAP_SERVERS"] == "127.0.0.1:19092,127.0.0.1:19102,127.0.0.1:19112"
    assert (settings["KAFKA_REPLICATION_FACTOR"], settings["KAFKA_MIN_INSYNC_REPLICAS"]) == ("3", "2")
    nodes = cluster_of(settings)
    assert [node.address for node in nodes] == brokers
    assert len({node.controller_port for node in nodes}) == 3
