"""Who runs, which messages were accepted, what a planned contract would do to them, what still holds them."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from committed_contracts import schema_text
from signalbox.avro import encode, parse
from signalbox.catalog import CatalogRecord
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_REGISTRY,
    AGENT_ROUTES,
    AgentId,
    RecordType,
    SchemaId,
)
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox.trust import TrustSettings, agent_of, sealed
from signalbox_operations.contracts.accepted import AcceptedMessage, Lookback, accepted
from signalbox_operations.contracts.deregistration import Held, holding
from signalbox_operations.contracts.fleet import Fleet, Parties, RunningAgent, announced
from signalbox_operations.contracts.replay import replay

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SCORED = RecordType("shop.Scored")
OLD: dict[str, Any] = {
    "type": "record",
    "name": "Scored",
    "namespace": "shop",
    "fields": [{"name": "score", "type": "int"}],
}
IDS = {
    1: schema_text("control.AgentRegistered"),
    2: schema_text("control.RouteDecided"),
    3: json.dumps(OLD),
}


def schemas(schema_id: SchemaId) -> Any:
    if schema_id not in IDS:
        raise Refusal(Reason.UNKNOWN_SCHEMA, f"the registry does not know schema id {schema_id}")
    return parse(IDS[schema_id])


def scored(score: int) -> bytes:
    return encode(SchemaId(3), parse(IDS[3]), {"score": score})


def announcement(agent: str, version: int | None, offset: int = 0) -> Record:
    if version is None:
        return Record(AGENT_REGISTRY, 0, offset, agent.encode(), None)
    datum = {
        "agent_id": agent,
        "name": agent,
        "description": "Does it.",
        "input": [{"record_type": "shop.Placed", "when": None}],
        "output": [{"record_type": SCORED, "terminal": False}],
        "endpoint": "http://127.0.0.1:1",
        "contracts": [{"record_type": SCORED, "version": version, "schema_id": 3}],
        "registered_at": NOW,
    }
    value = encode(SchemaId(1), parse(IDS[1]), datum)
    return Record(AGENT_REGISTRY, 0, offset, agent.encode(), value)


def decision(
    message_id: str, payload: bytes, *, partition: int = 0, offset: int = 0, at: int = 0, of: str = SCORED
) -> Record:
    datum = {
        "message_id": message_id,
        "correlation_id": "c",
        "lead_id": "lead-1",
        "record_type": of,
        "reason": "It fits.",
        "payload": payload,
        "payload_key": b"lead-1",
        "payload_headers": [],
        "source_topic": AGENT_MESSAGES,
        "source_partition": partition,
        "source_offset": offset,
    }
    value = encode(SchemaId(2), parse(IDS[2]), datum)
    return Record(AGENT_ROUTES, partition, offset, b"lead-1", value, timestamp_ms=at)


def test_the_newest_announcement_counts_and_a_tombstone_removes(tmp_path: Path) -> None:
    settings = TrustSettings(agent_keys_dir=tmp_path, agent_enrolment="folder")
    forged = announcement("a", 3)
    records = [
        announcement("b", 1),
        announcement("a", 1),
        announcement("a", 2),
        announcement("gone", 1),
        announcement("gone", None),
        Record(AGENT_REGISTRY, 0, 9, b"noise", b"no avro"),
    ]
    signed = [
        replace(
            record, headers=sealed(settings.own_key(agent_of(record)), agent_of(record), record.value, at)
        )
        for at, record in enumerate(records, start=1)
    ]
    fleet = announced([*signed, forged, announcement("b", None)], schemas, settings)
    assert [(agent.id, agent.versions[SCORED]) for agent in fleet] == [("a", 2), ("b", 1)]
    assert fleet.writers(SCORED) == list(fleet)
    assert fleet.readers(SCORED) == []


def test_parties_are_named_with_the_version_that_they_run_with() -> None:
    entry = CatalogRecord(doc="D.", owner="o", producers=("till",), consumers=("kitchen", "console"))
    runs = RunningAgent(AgentId("kitchen"), frozenset({SCORED}), frozenset(), {SCORED: 2})
    parties = Parties(SCORED, entry, Fleet((runs,)))
    assert parties.readers(2) == ("reader console", "reader kitchen running version 2")
    assert parties.readers(1) == ("reader console",)
    assert parties.writers(1) == ("writer till",)
    assert Parties(SCORED, entry).readers(1) == ("reader kitchen", "reader console")


def test_the_last_messages_of_a_type_are_taken_over_all_partitions_each_once() -> None:
    decisions = [
        decision("a", scored(1), partition=0, offset=0, at=1),
        decision("b", scored(2), partition=0, offset=1, at=5),
        decision("b", scored(2), partition=0, offset=2, at=6),
        decision("other", scored(9), of="shop.Other", at=7),
        decision("c", scored(3), partition=1, offset=0, at=2),
        decision("d", scored(4), partition=1, offset=1, at=3),
        Record(AGENT_ROUTES, 0, 3, None, b"noise"),
    ]
    found = accepted(decisions, [SCORED], Lookback(3), schemas)
    assert [message.message_id for message in found[SCORED]] == ["c", "d", "b"]
    assert found[SCORED][0].position == "agent_messages/1@0"
    assert accepted(decisions, [RecordType("shop.Never")], Lookback(3), schemas) == {"shop.Never": []}


def test_messages_are_taken_since_a_time_whatever_lies_before_it() -> None:
    since = datetime(2026, 3, 2, 9, tzinfo=UTC)
    noon = int(since.timestamp() * 1000)
    decisions = [
        decision("before", scored(1), at=noon - 1),
        decision("at", scored(2), at=noon),
        decision("late in the log", scored(3), at=noon - 5000),
        decision("after", scored(4), at=noon + 1),
    ]
    found = accepted(decisions, [SCORED], Lookback.to(since), schemas)
    assert [message.message_id for message in found[SCORED]] == ["at", "after"]
    assert Lookback.to(since).starting(AGENT_ROUTES) == since.timestamp()
    assert Lookback(3).starting(AGENT_ROUTES) is None


MESSAGES = [AcceptedMessage(str(score), f"agent_messages/0@{score}", scored(score)) for score in (10, 40, 70)]


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    schema = json.loads(json.dumps(OLD))
    change(schema)
    return json.dumps(schema)


def test_a_stricter_rule_fails_the_messages_that_break_it_and_says_which_rule() -> None:
    rule = {"name": "worth_it", "doc": "A score is 50 or more.", "expr": "this >= 50"}
    text = changed(lambda schema: schema["fields"][0].update({"confluent:rules": [rule]}))
    result = replay(text, MESSAGES, schemas)
    (failure,) = result.failures
    assert (result.examined, result.failed) == (3, 2)
    assert (failure.reason, failure.rule, failure.field) == ("RULE_VIOLATED", "worth_it", "score")
    assert failure.messages == ("agent_messages/0@10", "agent_messages/0@40")


def test_failing_messages_are_grouped_by_rule_and_field() -> None:
    low, high, low_record = (
        {"name": name, "doc": "D.", "expr": expr}
        for name, expr in (("low", "this >= 20"), ("high", "this <= 60"), ("low", "this.score != 40"))
    )
    text = changed(
        lambda schema: schema.update(
            {
                "fields": [{**schema["fields"][0], "confluent:rules": [low, high]}],
                "confluent:rules": [low_record],
            }
        )
    )
    groups = {(one.rule, one.field): one.messages for one in replay(text, MESSAGES, schemas).failures}
    assert groups == {
        ("low", "score"): ("agent_messages/0@10",),
        ("high", "score"): ("agent_messages/0@70",),
        ("low", ""): ("agent_messages/0@40",),
    }
    (first, *_) = replay(text, MESSAGES, schemas).as_dict()["failures"]
    assert (first["count"], first["messages"]) == (1, ("agent_messages/0@10",))


def test_a_contract_that_can_not_read_the_messages_fails_them_as_incompatible() -> None:
    text = changed(lambda schema: schema["fields"].append({"name": "x", "type": "int"}))
    (failure,) = replay(text, MESSAGES, schemas).failures
    assert (failure.reason, failure.field, failure.count) == ("INCOMPATIBLE", "x", 3)


def test_an_optional_field_fails_no_message() -> None:
    text = changed(
        lambda schema: schema["fields"].append({"name": "x", "type": ["null", "int"], "default": None})
    )
    assert replay(text, MESSAGES, schemas).failed == 0


def test_a_message_whose_schema_the_registry_has_forgotten_fails_as_unknown() -> None:
    lost = AcceptedMessage("lost", "agent_messages/0@1", b"\0\0\0\0\x63\0")
    (failure,) = replay(json.dumps(OLD), [lost], schemas).failures
    assert failure.reason == "UNKNOWN_SCHEMA"


@pytest.mark.parametrize(
    "change",
    [
        lambda schema: schema.update({"confluent:rules": [{"name": "n", "doc": "N.", "expr": "this."}]}),
        lambda schema: schema["fields"].append(
            {"name": "next", "type": ["null", "shop.Scored"], "default": None}
        ),
    ],
)
def test_a_contract_that_the_gate_would_not_adopt_is_not_replayed(
    change: Callable[[dict[str, Any]], object],
) -> None:
    result = replay(changed(change), MESSAGES, schemas)
    assert (result.examined, result.failures) == (0, ())
    assert result.unusable


def test_offsets_that_hold_a_version_are_told_by_topic_and_partition_inside_decisions_too() -> None:
    records = [
        Record(AGENT_MESSAGES, 0, 4, None, scored(1)),
        Record(AGENT_MESSAGES, 0, 7, None, scored(1)),
        Record(AGENT_MESSAGES, 0, 8, None, None),
        Record(AGENT_MESSAGES, 1, 2, None, scored(1)),
        decision("a", scored(1), partition=2, offset=5),
        announcement("a", 1),
    ]
    assert list(holding(records, {SchemaId(3): 1}, schemas)) == [
        Held(1, AGENT_MESSAGES, 0, 2, 4, 7),
        Held(1, AGENT_MESSAGES, 1, 1, 2, 2),
        Held(1, AGENT_ROUTES, 2, 1, 5, 5),
    ]
    assert [held.topic for held in holding(records, {SchemaId(2): 1}, schemas)] == [AGENT_ROUTES]
