"""Topics that could refuse what must be written to them are told before a record meets them."""

import pytest

from orchestrator.places import report, wanted_of
from signalbox.catalog import Catalog
from signalbox.kafka import TopicChange, TopicSpec
from signalbox.kafka.widening import Found, compared
from signalbox.protocol.errors import Unavailable
from signalbox.telemetry import Readiness


def test_the_orchestrator_looks_at_all_that_it_writes() -> None:
    catalog = Catalog.load()
    looked_at = {spec.name for spec in wanted_of(catalog)}
    assert set(catalog.clients["orchestrator"].writes) <= looked_at
    assert set(catalog.clients["orchestrator"].reads) <= looked_at


def test_what_goes_to_its_records_own_partition_is_wanted_with_as_many() -> None:
    beside = {spec.name: spec.beside for spec in wanted_of(Catalog.load()) if spec.beside}
    assert beside == {
        "incoming_leads_dlt": "incoming_leads",
        "agent_messages_dlt": "agent_messages",
        "agent_routes": "agent_messages",
        "agent_routes_dlt": "agent_routes",
    }


def test_a_topic_that_is_too_small_is_told_with_what_to_do_and_the_work_begins() -> None:
    readiness = Readiness()
    small = Found(TopicSpec("incoming_leads_dlt", 6, max_message_bytes=100, beside="x"), 3, 80)
    report([compared(small)], readiness)
    [told] = readiness.impaired
    assert readiness.ready
    assert "has 3 partitions, the catalog says 6" in told
    assert "takes records of 80 bytes, the catalog says 100" in told
    assert "signalbox topics apply" in told


def test_a_topic_that_is_there_and_wide_enough_is_nothing_to_tell() -> None:
    readiness = Readiness()
    roomy = Found(TopicSpec("incoming_leads_dlt", 6, max_message_bytes=100, beside="x"), 12, 200)
    silent = Found(TopicSpec("agent_messages", 6, max_message_bytes=100), 6, None)
    report([compared(roomy), compared(silent)], readiness)
    assert readiness.impaired == []


def test_a_topic_that_is_missing_is_waited_for() -> None:
    with pytest.raises(
        Unavailable, match="governance_audit: not on this broker; run `signalbox topics apply`"
    ):
        report([TopicChange("governance_audit", "missing")], Readiness())
