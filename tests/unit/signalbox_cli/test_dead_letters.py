import base64

import pytest

LETTER = {
    "topic": "agent_messages_dlt",
    "partition": 0,
    "offset": 17,
    "at": "2026-03-02T09:00:00.000Z",
    "state": "open",
    "reason": "MALFORMED",
    "stage": "gate",
    "detail": "2 bytes are left over",
    "field": "",
    "key": "lead-1",
    "lead_id": "lead-1",
    "message_id": "m",
    "record_type": "sdr.LeadScored",
    "source_topic": "agent_messages",
    "source_partition": 0,
    "source_offset": 40,
    "headers": [
        {"name": "a", "text": "b\x1b", "base64": "YhsK"},
        {"name": "raw", "text": None, "base64": "//4="},
        {"name": "none", "text": None, "base64": None},
    ],
    "key_base64": base64.b64encode(b"lead-1").decode(),
    "value_base64": base64.b64encode(b"\x00ABC\xff" * 8).decode(),
    "decoded": None,
    "decode_error": "schema id 9 is unknown to the registry",
}
POSITION = "agent_messages_dlt/0/17"


def test_a_dead_letter_is_shown_with_headers_bytes_and_why_it_does_not_decode(signalbox, service):
    service.answers[f"/api/dead-letters/{POSITION}"] = lambda _: (200, LETTER)
    shown = signalbox("dead-letters", "show", POSITION).out
    assert "MALFORMED" in shown
    assert "a: b\\x1b" in shown
    assert "raw: 0xfffe" in shown
    assert "none: null" in shown
    assert "000000  00 41 42 43 ff" in shown
    assert ".ABC." in shown
    assert "not possible: schema id 9" in shown
    assert signalbox("dead-letters", "show", POSITION, "--json").json == LETTER


@pytest.mark.parametrize("position", ["17", "topic/x/1", "topic/0/1/2", "../0/1"])
def test_what_is_no_position_is_wrong_usage(signalbox, position):
    assert signalbox("dead-letters", "show", position).status in (1, 2)


def test_a_dead_letter_that_is_not_there_is_exit_1(signalbox):
    outcome = signalbox("dead-letters", "show", POSITION)
    assert outcome.status == 1
    assert POSITION in outcome.err


def test_dead_letters_are_listed_by_reason(signalbox, service):
    service.answers["/api/dead-letters"] = lambda _: (200, {"dead_letters": [LETTER], "next": None})
    listed = signalbox("dead-letters", "list", "--reason", "MALFORMED")
    assert POSITION in listed.out
    assert "reason=MALFORMED" in service.asked[-1][0]
    assert signalbox("dead-letters", "list", "--json").json == [LETTER]
