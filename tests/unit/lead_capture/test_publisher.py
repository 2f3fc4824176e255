from datetime import UTC, datetime

import pytest

from committed_contracts import schema_text
from lead_capture.lead import CapturedLead, read_submission
from lead_capture.publisher import LEAD_CAPTURED, KafkaPublisher
from signalbox.avro import decode, parse, unframe
from signalbox.protocol.envelope import Envelope, correlation_id_of, derived_id
from signalbox.protocol.errors import ConfigurationError, Fatal, Unavailable
from signalbox.protocol.names import LeadId, SchemaId, Subject
from signalbox.protocol.records import Draft
from signalbox.registry.port import SchemaVersion

LEAD = CapturedLead(
    LeadId("lead-1"),
    read_submission(
        {
            "name": "Łukasz 山田",
            "email": "l@b.example",
            "company_name": "B",
            "job_title": "CTO",
            "lead_source": "webinar",
        }
    ).details(),
    datetime(2031, 5, 6, 7, 8, 9, 123000, UTC),
)


class FakeRegistry:
    """A fake at the SchemaRegistry port: it knows one schema text of one subject, or none."""

    def __init__(self, schema_id: int | None) -> None:
        self.schema_id = schema_id
        self.lookups = 0

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        self.lookups += 1
        known = (subject, schema_text) == (LEAD_CAPTURED, _TEXT)
        return SchemaId(self.schema_id) if known and self.schema_id else None

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        raise AssertionError("not needed")

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        raise AssertionError("not needed")

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        raise AssertionError("not needed")


_TEXT = schema_text(LEAD_CAPTURED)


class FakeProducer:
    """A fake of the broker's client: it keeps drafts, or fails for good."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.drafts: list[Draft] = []
        self.failure = failure
        self.closed = False

    async def publish(self, *drafts: Draft) -> None:
        if self.failure:
            raise self.failure
        self.drafts.extend(drafts)

    async def close(self) -> None:
        self.closed = True


async def test_a_lead_becomes_a_framed_record_under_the_id_that_the_registry_has() -> None:
    producer = FakeProducer()
    publisher = KafkaPublisher(FakeRegistry(4711), lambda: producer)
    await publisher.publish([LEAD])
    (draft,) = producer.drafts
    assert draft.topic == "incoming_leads"
    assert draft.key == b"lead-1"
    schema_id, body = unframe(draft.value)
    assert schema_id == 4711
    lead = decode(body, parse(_TEXT))["lead"]
    assert lead["name"] == "Łukasz 山田"
    assert lead["captured_at"] == LEAD.captured_at
    assert lead["company_website"] is None


async def test_the_headers_say_who_and_what_and_are_the_same_each_time() -> None:
    producer = FakeProducer()
    publisher = KafkaPublisher(FakeRegistry(1), lambda: producer)
    await publisher.publish([LEAD])
    await publisher.publish([LEAD])
    first, second = producer.drafts
    assert first == second
    envelope = Envelope.parse(first.headers)
    assert envelope.id == derived_id("lead_capture", "lead-1")
    assert (envelope.source, envelope.type) == ("lead_capture", "sdr.LeadCaptured")
    assert envelope.time == LEAD.captured_at
    assert envelope.correlation_id == correlation_id_of(LEAD.lead_id)


async def test_a_contract_that_is_not_registered_yet_is_waited_for() -> None:
    registry = FakeRegistry(None)
    producer = FakeProducer()
    publisher = KafkaPublisher(registry, lambda: producer)
    with pytest.raises(Unavailable, match=r"sdr\.LeadCaptured"):
        await publisher.publish([LEAD])
    registry.schema_id = 3
    await publisher.publish([LEAD])
    await publisher.publish([LEAD])
    assert len(producer.drafts) == 2
    assert registry.lookups == 2


async def test_a_producer_that_can_not_go_on_is_replaced() -> None:
    broken, sound = FakeProducer(Fatal("sequence lost")), FakeProducer()
    producers = iter([broken, sound])
    publisher = KafkaPublisher(FakeRegistry(1), lambda: next(producers))
    with pytest.raises(Unavailable, match="sequence lost"):
        await publisher.publish([LEAD])
    assert broken.closed
    await publisher.publish([LEAD])
    assert len(sound.drafts) == 1


async def test_a_producer_that_may_not_write_is_replaced_when_the_operator_has_mended_that() -> None:
    forbidden, allowed = FakeProducer(ConfigurationError("refused")), FakeProducer()
    producers = iter([forbidden, allowed])
    publisher = KafkaPublisher(FakeRegistry(1), lambda: next(producers))
    with pytest.raises(ConfigurationError, match="refused"):
        await publisher.publish([LEAD])
    assert forbidden.closed
    await publisher.publish([LEAD])
    assert len(allowed.drafts) == 1
