"""Which headers cost a record: those that decide something, and no other."""

import re
from typing import Final

import pytest

from signalbox.protocol.agent_http import parse_request, request_headers
from signalbox.protocol.envelope import Envelope, completed
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import Headers, LeadId, RecordType
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record

LEAD, CAPTURED = LeadId("lead-1"), RecordType("sdr.LeadCaptured")
GOOD: Final = {
    "ce_specversion": b"1.0",
    "ce_id": b"m-1",
    "ce_source": b"test",
    "ce_type": b"sdr.LeadScored",
    "ce_time": b"2026-01-02T03:04:05Z",
    "ce_correlationid": b"c-1",
    "ce_hop": b"2",
}
TRACE: Final = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACEPARENT: Final = re.compile("00-[0-9a-f]{32}-[0-9a-f]{16}-01")
UNUSABLE: Final = [None, b"", b"\xff\xfe", b"x" * 100_000, b"\x00", b"garbage", "ä".encode() * 600]


def headers(*more: tuple[str, bytes | None], **changes: bytes | None) -> Headers:
    return (*{**GOOD, **changes}.items(), *more)


def incoming(*given: tuple[str, bytes | None]) -> Envelope:
    return completed(Record("incoming_leads", 0, 3, b"lead-1", b"", given), CAPTURED, LEAD, source="intake")


@pytest.mark.parametrize(
    "value", [*UNUSABLE, b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01", b"ff" + TRACE[2:]]
)
def test_a_traceparent_that_is_none_is_ignored_and_a_new_trace_begins(value: bytes | None) -> None:
    for parsed in (
        Envelope.parse(headers(("traceparent", value))),
        Envelope.parse(headers(("traceparent", TRACE), ("traceparent", value))),
        incoming(("traceparent", value)),
    ):
        assert parsed.traceparent is not None
        assert TRACEPARENT.fullmatch(parsed.traceparent)
        assert parsed.traceparent.encode() != TRACE
    again = Envelope.parse(headers(("traceparent", value))).traceparent
    assert again == Envelope.parse(headers(("traceparent", value))).traceparent


def test_a_traceparent_that_is_one_goes_on_and_none_stays_none() -> None:
    assert Envelope.parse(headers(("traceparent", TRACE))).traceparent == TRACE.decode()
    assert Envelope.parse(headers()).traceparent is None


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize(
    "name", ["tracestate", "ce_dataschema", "ce_subject", "ce_foo", "x-note", "content-encoding"]
)
def test_a_header_that_nothing_reads_costs_nothing(name: str, value: bytes | None) -> None:
    assert Envelope.parse(headers((name, value))) == Envelope.parse(headers())
    incoming((name, value))


@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"x" * 100_000, b"\x00"])
def test_a_cause_that_can_not_be_read_is_left_out(value: bytes | None) -> None:
    assert Envelope.parse(headers(("ce_causationid", value))).causation_id is None
    assert incoming(("ce_causationid", value)).causation_id is None


@pytest.mark.parametrize("name", ["content-type", "ce_tokens", "ce_visits", "ce_workflowtime"])
@pytest.mark.parametrize("value", [None, b""])
def test_an_optional_header_without_a_value_is_as_good_as_none(name: str, value: bytes | None) -> None:
    assert Envelope.parse(headers((name, value))) == Envelope.parse(headers())


@pytest.mark.parametrize("name", ["ce_tokens", "ce_visits", "ce_workflowtime", "ce_hop"])
@pytest.mark.parametrize("value", [b"\xff\xfe", b"x" * 10_000, b"\x00", b"garbage", b"-1", b"1e9"])
def test_a_count_that_the_guards_rely_on_and_can_not_read_is_refused(name: str, value: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        Envelope.parse(headers((name, value)))
    assert (refused.value.reason, refused.value.field) == (Reason.HEADER_INVALID, name)


@pytest.mark.parametrize("name", sorted(GOOD))
@pytest.mark.parametrize("value", [None, b"", b"\xff\xfe", b"x" * 10_000])
def test_a_header_that_is_needed_is_refused_when_it_is_none(name: str, value: bytes | None) -> None:
    with pytest.raises(Refusal) as refused:
        Envelope.parse(headers(**{name: value}))
    assert refused.value.field == name


@pytest.mark.parametrize("value", UNUSABLE)
@pytest.mark.parametrize(
    "name", ["ce_correlationid", "ce_hop", "ce_workflowtime", "ce_tokens", "ce_visits", "ce_causationid"]
)
def test_what_a_lead_says_of_a_workflow_is_not_looked_at_where_the_workflow_starts(
    name: str, value: bytes | None
) -> None:
    started = incoming((name, value))
    assert (started.hop, started.tokens, started.visits) == (0, 0, {})
    assert started.correlation_id == incoming().correlation_id


@pytest.mark.parametrize(
    "name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type"]
)
def test_at_intake_an_empty_header_is_given_and_one_that_is_wrong_is_refused(name: str) -> None:
    for value in (None, b""):
        assert incoming((name, value)).id == incoming().id
    with pytest.raises(Refusal) as refused:
        incoming((name, b"\xff\xfe"))
    assert refused.value.field == name


@pytest.mark.parametrize(
    "extra",
    [
        {"traceparent": ""},
        {"traceparent": "garbage"},
        {"traceparent": "x" * 5_000},
        {"traceparent": "\xff"},
        {"tracestate": "\xff"},
        {"ce-causationid": "%FF"},
        {"ce-causationid": ""},
        {"ce-foo": "%FF"},
        {"ce-dataschema": "x" * 5_000},
        {"ce-tokens": ""},
    ],
)
def test_over_http_the_same_headers_cost_nothing(extra: dict[str, str]) -> None:
    sent = request_headers(Envelope.parse(headers()), LEAD) | extra
    parsed, lead_id = parse_request(sent)
    assert (parsed.id, parsed.causation_id, lead_id) == ("m-1", None, LEAD)


@pytest.mark.parametrize(
    "extra", [{"ce-visits": "garbage"}, {"ce-tokens": "%FF"}, {"ce-hop": ""}, {"ce-id": "%FF"}]
)
def test_over_http_the_same_headers_decide(extra: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        parse_request(request_headers(Envelope.parse(headers()), LEAD) | extra)
