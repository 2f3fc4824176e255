from orchestrator.history import _captured_identity
from signalbox.envelope import completed, correlation_id_of, replay_id
from signalbox.names import LeadId, RecordType
from signalbox.records import Record

LEAD = LeadId("lead-1")


def taken_in(**headers: str) -> Record:
    """What intake writes for a lead that came with ``headers``."""
    given = tuple((name, value.encode()) for name, value in headers.items())
    incoming = Record("incoming_leads", 0, 3, LEAD.encode(), b"", given)
    envelope = completed(incoming, RecordType("sdr.LeadCaptured"), LEAD, source="intake")
    return Record("agent_messages", 0, 5, LEAD.encode(), b"", envelope.headers())


def test_a_lead_that_was_taken_in_is_read_back():
    identity = _captured_identity(taken_in())
    assert identity is not None
    assert identity.correlation_id == correlation_id_of(LEAD)


def test_a_lead_that_was_taken_in_by_a_replay_is_read_back_too():
    replay = replay_id("incoming_leads_dlt", 0, 1)
    assert _captured_identity(taken_in(ce_id=replay, ce_causationid="refused")) == _captured_identity(
        taken_in()
    )


def test_an_agents_answer_is_no_lead_that_was_taken_in():
    message = taken_in()
    answer = tuple((name, b"1" if name == "ce_hop" else value) for name, value in message.headers)
    assert _captured_identity(Record("agent_messages", 0, 6, LEAD.encode(), b"", answer)) is None
