from datetime import UTC, datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.protocol.agent_http import decoded, encoded, messages_url, parse_request, request_headers
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AgentId, CorrelationId, LeadId, MessageId, RecordType

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)


def envelope(name: str) -> Envelope:
    return Envelope(
        id=MessageId(name),
        source=name,
        type=RecordType("sdr.LeadScored"),
        time=datetime(2030, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        correlation_id=CorrelationId(name),
        hop=3,
        causation_id=MessageId(name),
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        workflow_time=datetime(2030, 1, 1, tzinfo=UTC),
        tokens=12,
        visits={AgentId("a"): 1, AgentId("b"): 2},
    )


@given(TEXT, TEXT)
def test_an_envelope_survives_the_way_over_http(name: str, lead_id: str) -> None:
    headers = request_headers(envelope(name), LeadId(lead_id))
    request = httpx2.Request("POST", "http://agent/messages", headers=headers)
    assert all(value.isascii() for value in headers.values())
    assert parse_request(request.headers) == (envelope(name), lead_id)


def test_what_is_encoded_is_what_the_binding_says() -> None:
    # The example of the HTTP protocol binding, section 3.1.3.2.
    assert encoded("Euro € 😀") == "Euro%20%E2%82%AC%20%F0%9F%98%80"
    assert encoded('50% "x"') == "50%25%20%22x%22"
    assert decoded("ce-x", '"a \\"quoted\\" %41"') == 'a "quoted" A'


def test_the_request_names_its_key() -> None:
    headers = request_headers(envelope("m-1"), LeadId("lead-1"))
    assert headers["idempotency-key"] == "m-1"
    assert (headers["content-type"], headers["ce-partitionkey"]) == ("application/avro", "lead-1")
    assert "authorization" not in request_headers(envelope("m-1"), LeadId("lead-1"))


@pytest.mark.parametrize("value", ["%FF", "%C3", "a%0Ab"])
def test_a_header_that_is_no_text_is_refused(value: str) -> None:
    headers = request_headers(envelope("m-1"), LeadId("lead-1")) | {"ce-id": value}
    with pytest.raises(Refusal) as refusal:
        parse_request(headers)
    assert refusal.value.field in {"ce-id", "ce_id"}


@pytest.mark.parametrize("lead_id", ["", "x" * 513, "a%07b"])
def test_a_lead_id_that_is_none_is_refused(lead_id: str) -> None:
    headers = request_headers(envelope("m-1"), LeadId("lead-1")) | {"ce-partitionkey": lead_id}
    with pytest.raises(Refusal):
        parse_request(headers)


def test_messages_are_posted_below_the_endpoint() -> None:
    assert messages_url("http://127.0.0.1:8101") == "http://127.0.0.1:8101/messages"
    assert messages_url("https://agents.internal/scoring/") == "https://agents.internal/scoring/messages"
