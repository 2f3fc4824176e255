"""The least ACLs, out of the catalog: for people, for the brokers, and for other tools."""

from pathlib import Path

import pytest

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox_operations.contracts.acls import Principals, acls, confluent_commands, kafka_acls_commands

ROOT = Path(__file__).resolve().parents[3]

SHOP = """\
version: 1
namespaces: {shop: The shop.}
records:
  shop.Placed: {doc: An order., owner: shop, producers: [till]}
topics:
  orders: {partitions: 1, dead_letters: true, admits: [shop.Placed]}
clients:
  till: {writes: [orders]}
  clerk: {reads: [orders], writes: [orders_dlt], groups: [clerk.], transactional_ids: [clerk.]}
  owner: {creates_topics: true}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Catalog:
    (tmp_path / "catalog.yaml").write_text(SHOP)
    return Catalog.load(tmp_path / "catalog.yaml")


def word(name: str) -> str:
    return name.lower().replace("_", "-")


def told(catalog: Catalog, principals: Principals | None = None) -> list[str]:
    return [
        f"{acl.principal} {word(acl.operation)} {word(acl.resource)} {acl.name}"
        + ("*" if acl.pattern == "PREFIXED" else "")
        for acl in acls(catalog, principals or Principals())
    ]


def test_each_client_is_allowed_what_the_catalog_says_and_nothing_else(shop: Catalog) -> None:
    assert told(shop) == [
        "User:clerk read group clerk.*",
        "User:clerk describe group reader.*",
        "User:clerk read topic orders",
        "User:clerk describe-configs topic orders_dlt",
        "User:clerk write topic orders_dlt",
        "User:clerk write transactional-id clerk.*",
        "User:owner alter topic orders",
        "User:owner alter-configs topic orders",
        "User:owner create topic orders",
        "User:owner describe topic orders",
        "User:owner describe-configs topic orders",
        "User:owner alter topic orders_dlt",
        "User:owner alter-configs topic orders_dlt",
        "User:owner create topic orders_dlt",
        "User:owner describe topic orders_dlt",
        "User:owner describe-configs topic orders_dlt",
        "User:till write topic orders",
    ]


def test_principals_follow_a_template_and_some_have_names_of_their_own(shop: Catalog) -> None:
    principals = Principals("User:CN={service}", {"till": "User:sa-1"})
    assert {line.split()[0] for line in told(shop, principals)} == {
        "User:CN=clerk",
        "User:CN=owner",
        "User:sa-1",
    }


@pytest.mark.parametrize("template", ["User:everybody", "{service}", "User"])
def test_a_template_that_names_no_client_is_refused(template: str) -> None:
    with pytest.raises(ConfigurationError):
        Principals(template)


def test_a_name_for_a_client_that_is_not_there_is_refused(shop: Catalog) -> None:
    with pytest.raises(ConfigurationError, match="tilll"):
        acls(shop, Principals(named={"tilll": "User:x"}))


def test_the_commands_of_kafka_acls_quote_what_a_shell_would_read(shop: Catalog) -> None:
    lines = kafka_acls_commands(acls(shop, Principals("User:CN={service},O=a b")))
    assert lines[0].endswith(
        "--allow-principal 'User:CN=clerk,O=a b' --operation Read --group clerk."
        " --resource-pattern-type prefixed"
    )
    assert any(
        "--operation Describe --operation DescribeConfigs --topic orders_dlt" in line for line in lines
    )
    assert any("--transactional-id clerk. --resource-pattern-type prefixed" in line for line in lines)


def test_the_commands_of_confluents_tool_have_its_flags(shop: Catalog) -> None:
    lines = confluent_commands(acls(shop, Principals(named={"till": "User:sa-1"})))
    assert (
        "confluent kafka acl create --allow --principal User:sa-1 --operations write --topic orders" in lines
    )
    assert (
        "confluent kafka acl create --allow --principal User:clerk --operations read"
        " --consumer-group clerk. --prefix" in lines
    )


def test_in_our_catalog_an_agent_writes_two_topics_and_reads_nothing() -> None:
    catalog = Catalog.load(ROOT / "contracts" / "catalog.yaml")
    agents = catalog.records["control.AgentRegistered"].producers  # type: ignore[index]
    lines = told(catalog)
    for agent in agents:
        assert [line for line in lines if line.startswith(f"User:{agent} ")] == [
            f"User:{agent} write topic agent_messages",
            f"User:{agent} write topic agent_registry",
        ]


def test_in_our_catalog_the_orchestrator_alone_writes_dead_letters() -> None:
    lines = told(Catalog.load(ROOT / "contracts" / "catalog.yaml"))
    writers = {line.split()[0] for line in lines if " write topic " in line and line.endswith("_dlt")}
    assert writers == {"User:orchestrator"}
