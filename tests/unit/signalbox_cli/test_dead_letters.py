import base64
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from signalbox.protocol.lesser_dead_letters import lesser_dead_letters
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft
from signalbox_cli.dead_letter_selection import moment

DEAD_LETTER = {
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
DEAD_LETTER_HEADERS = {
    "reason": "MALFORMED",
    "detail": "2 bytes are left over after the datum, at byte 20 of the Avro body",
    "field": "",
    "stage": "gate",
    "topic": "agent_messages",
    "partition": "0",
    "offset": "40",
    "time": "2026-03-02T09:00:00.000+00:00",
    "model_calls": "0",
}
POSITION = "agent_messages_dlt/0/17"


def test_a_dead_letter_is_shown_with_headers_bytes_and_why_it_does_not_decode(signalbox, service):
    service.answers[f"/api/dead-letters/{POSITION}"] = lambda _: (200, DEAD_LETTER)
    shown = signalbox("dead-letters", "show", POSITION).out
    assert "MALFORMED" in shown
    assert "a: b\\x1b" in shown
    assert "raw: 0xfffe" in shown
    assert "none: null" in shown
    assert "000000  00 41 42 43 ff" in shown
    assert ".ABC." in shown
    assert "not possible: schema id 9" in shown
    answer = signalbox("dead-letters", "show", POSITION, "--json").json
    assert {name: answer[name] for name in DEAD_LETTER} == DEAD_LETTER
    assert answer["held_against"]["unknown"]


def test_a_dead_letter_whose_registry_is_away_is_shown_with_what_is_not_known(
    signalbox, service, monkeypatch
):
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    said = [
        {"name": f"dl_{name}", "text": value, "base64": base64.b64encode(value.encode()).decode()}
        for name, value in DEAD_LETTER_HEADERS.items()
    ]
    dead_letter = DEAD_LETTER | {"headers": said, "detail": DEAD_LETTER_HEADERS["detail"]}
    service.answers[f"/api/dead-letters/{POSITION}"] = lambda _: (200, dead_letter)
    outcome = signalbox("dead-letters", "show", POSITION)
    assert outcome.status == 0
    assert "not known now: registry is unavailable" in outcome.out
    assert "failing at byte 25 (0x000019)" in outcome.out
    assert "\n> 000010 " in outcome.out


@pytest.mark.parametrize("position", ["17", "topic/x/1", "topic/0/1/2", "../0/1"])
def test_what_is_no_position_is_wrong_usage(signalbox, position):
    assert signalbox("dead-letters", "show", position).status in (1, 2)


def test_a_dead_letter_that_is_not_there_is_exit_1(signalbox):
    outcome = signalbox("dead-letters", "show", POSITION)
    assert outcome.status == 1
    assert POSITION in outcome.err


def test_dead_letters_are_listed_by_reason(signalbox, service):
    service.answers["/api/dead-letters"] = lambda _: (200, {"dead_letters": [DEAD_LETTER], "next": None})
    listed = signalbox("dead-letters", "list", "--reason", "MALFORMED")
    assert POSITION in listed.out
    assert "reason=MALFORMED" in service.asked[-1][0]
    assert "state=open" in service.asked[-1][0]
    assert signalbox("dead-letters", "list", "--json").json == [DEAD_LETTER | {"position": POSITION}]


def test_every_filter_is_asked_of_the_console_and_all_asks_for_every_state(signalbox, service):
    service.answers["/api/dead-letters"] = lambda _: (200, {"dead_letters": [], "next": None})
    filters = ("--topic", "incoming_leads", "--agent", "scorer", "--contract", "a.B")
    assert signalbox("dead-letters", "list", *filters, "--since", "2026-03-02", "--all").status == 0
    asked = parse_qs(urlsplit(service.asked[-1][0]).query)
    assert asked.pop("limit")
    assert asked == {
        "topic": ["incoming_leads"],
        "agent": ["scorer"],
        "contract": ["a.B"],
        "since": ["2026-03-02T00:00:00+00:00"],
    }


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("2h", 7200), ("3d", 259_200)])
def test_since_takes_how_long_ago(text, seconds):
    assert abs((datetime.now(UTC) - moment(text)).total_seconds() - seconds) < 60


@pytest.mark.parametrize(
    "words",
    [
        ("list", "--since", "yesterday"),
        ("list", "--since", "999999999d"),
        ("replay",),
        ("replay", "nonsense"),
        ("replay", POSITION, "--all"),
        ("replay", POSITION, "--reason", "MALFORMED"),
        ("replay", "--all", "--edit"),
        ("replay", "--all", "--key", "lead-1"),
        ("replay", POSITION, "agent_messages_dlt/0/18", "--edit"),
        ("replay", POSITION, "--edit", "--anyway"),
        ("replay", POSITION, "--contract-version", "2"),
        ("replay", POSITION, "--header", "ce_hop"),
        ("replay", POSITION, "--who", " "),
        ("discard", POSITION),
        ("discard", POSITION, "--reason", " "),
        ("discard", "--reason", "no use"),
    ],
)
def test_what_can_not_be_meant_is_wrong_usage(signalbox, service, words):
    assert signalbox("dead-letters", *words).status == 2
    assert service.asked == []


@pytest.mark.parametrize("command", [("replay", "--all"), ("discard", "--all", "--reason", "no use")])
def test_when_nothing_matches_there_is_nothing_to_do(signalbox, service, command):
    service.answers["/api/dead-letters"] = lambda _: (200, {"dead_letters": [], "next": None})
    assert signalbox("dead-letters", *command, "--json").json == []
    assert signalbox("dead-letters", *command).out == "no dead letter matches\n"


def test_replaying_by_filter_also_takes_what_lacks_its_audit_event(signalbox, service):
    service.answers["/api/dead-letters"] = lambda _: (200, {"dead_letters": [], "next": None})
    signalbox("dead-letters", "replay", "--reason", "MALFORMED")
    states = [parse_qs(urlsplit(path).query)["state"] for path, _ in service.asked]
    assert states == [["open"], ["unaudited"]]


@pytest.mark.parametrize("command", [("replay",), ("discard", "--reason", "no use")])
def test_a_registry_that_is_away_is_one_clear_line_and_exit_1(signalbox, monkeypatch, command):
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    outcome = signalbox("dead-letters", command[0], POSITION, *command[1:])
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith("error: registry is unavailable")


@pytest.mark.parametrize("steering", ["\x1b[31m", "\x9b31m", "\u202e", "\u2066", "\U000e0041"])
def test_nothing_in_a_dead_letter_steers_the_terminal(signalbox, service, steering):
    hostile = f"a{steering}b"
    dead_letter = DEAD_LETTER | {
        "detail": hostile,
        "field": hostile,
        "lead_id": hostile,
        "source_topic": hostile,
        "decoded": {"name": hostile, hostile: [hostile]},
        "headers": [{"name": hostile, "text": hostile, "base64": ""}],
    }
    service.answers[f"/api/dead-letters/{POSITION}"] = lambda _: (200, dead_letter)
    for words in (["show", POSITION], ["show", POSITION, "--json"]):
        outcome = signalbox("dead-letters", *words)
        assert outcome.status == 0
        assert (outcome.out + outcome.err).replace("\n", "").isprintable()
    assert outcome.json["decoded"]["name"] == hostile


def outcomes_of(outcome):
    """Return the outcomes of a command by where its dead letters lie."""
    return {one["position"]: one["outcome"] for one in outcome.json}


def audited(broker):
    return [record.header("ce_type").decode() for record in broker.on("governance_audit")]


def test_a_replay_whose_audit_event_could_not_be_written_gets_it_and_is_not_sent_again(signalbox, broker):
    at = str(broker.refused().position)
    broker.takes = 1
    outcome = signalbox("dead-letters", "replay", at)
    assert (outcome.status, outcome.err) == (1, "error: broker is unavailable: the test switched it off\n")
    broker.takes = None
    outcome = signalbox("dead-letters", "replay", at, "--json", "--note", "second try")
    assert (outcome.status, outcomes_of(outcome)) == (0, {at: "audited"})
    assert (len(broker.on("agent_messages")), audited(broker)) == (2, ["control.MessageReplayed"])
    outcome = signalbox("dead-letters", "replay", at, "--anyway", "--json")
    assert (outcome.status, outcomes_of(outcome)) == (1, {at: "closed"})
    assert len(broker.records) == 4


def test_what_was_given_up_comes_back_only_when_it_is_meant(signalbox, broker):
    at = str(broker.refused().position)
    discard = ("dead-letters", "discard", at, "--reason", "no use", "--json")
    assert outcomes_of(signalbox(*discard)) == {at: "discarded"}
    outcome = signalbox(*discard)
    assert (outcome.status, outcomes_of(outcome)) == (1, {at: "closed"})
    outcome = signalbox("dead-letters", "replay", at, "--json")
    assert (outcome.status, outcomes_of(outcome)) == (1, {at: "closed"})
    assert audited(broker) == ["control.MessageDiscarded"]
    assert outcomes_of(signalbox("dead-letters", "replay", at, "--anyway", "--json")) == {at: "replayed"}
    assert audited(broker) == ["control.MessageDiscarded", "control.MessageReplayed"]


def test_what_came_back_is_not_given_up(signalbox, broker):
    at = str(broker.refused().position)
    signalbox("dead-letters", "replay", at)
    outcome = signalbox("dead-letters", "discard", at, "--reason", "no use", "--json")
    assert (outcome.status, outcomes_of(outcome)) == (1, {at: "closed"})
    assert audited(broker) == ["control.MessageReplayed"]


def test_what_the_gate_would_refuse_again_is_sent_only_when_it_is_meant(signalbox, broker):
    bad, good = (str(dead_letter.position) for dead_letter in (broker.refused(b"rubbish"), broker.refused()))
    outcome = signalbox("dead-letters", "replay", bad, good, "--yes", "--json")
    assert (outcome.status, outcomes_of(outcome)) == (1, {bad: "refused", good: "replayed"})
    assert outcome.json[0]["verdict"]["reason"] == "NOT_FRAMED"
    assert len(broker.on("agent_messages")) == 3
    outcome = signalbox("dead-letters", "replay", bad, "--anyway", "--json")
    assert (outcome.status, outcomes_of(outcome)) == (0, {bad: "replayed"})
    assert broker.on("agent_messages")[-1].value == b"rubbish"


def test_a_lead_under_another_ones_id_is_sent_only_when_it_is_meant(signalbox, broker):
    lead = broker.framed("sdr.LeadCaptured")
    dead_letter = broker.refused(lead, topic="incoming_leads", reason=Reason.CONFLICT, headers=())
    replay = ("dead-letters", "replay", str(dead_letter.position), "--json")
    assert outcomes_of(signalbox(*replay)) == {str(dead_letter.position): "refused"}
    assert broker.on("governance_audit") == []
    assert outcomes_of(signalbox(*replay, "--anyway")) == {str(dead_letter.position): "replayed"}


def test_a_dead_letter_whose_bytes_are_gone_is_not_sent_however_much_it_is_meant(signalbox, broker):
    dead_letter = broker.refused()
    record = dead_letter.record
    draft = Draft(record.topic, record.key, record.value, record.headers, record.partition)
    less = lesser_dead_letters(draft, "2026-03-05T09:00:00.000Z")[1]
    broker.records[:] = [replace(record, value=less.value, headers=less.headers)]
    outcome = signalbox("dead-letters", "replay", str(dead_letter.position), "--anyway", "--json")
    assert (outcome.status, outcomes_of(outcome)) == (1, {str(dead_letter.position): "refused"})
    assert "gone from agent_messages/0/0" in outcome.json[0]["detail"]
    assert broker.on("agent_messages") == []


@pytest.mark.parametrize(
    ("command", "told"),
    [(("replay",), "would_replay"), (("discard", "--reason", "no use"), "would_discard")],
)
def test_nothing_is_written_when_it_is_only_to_be_said_or_not_yet_confirmed(signalbox, broker, command, told):
    places = [str(broker.refused().position) for _ in range(2)]
    words = ("dead-letters", command[0], *places, *command[1:])
    there = list(broker.records)
    assert outcomes_of(signalbox(*words, "--dry-run", "--json")) == dict.fromkeys(places, told)
    outcome = signalbox(*words, "--json")
    assert outcome.status == 1
    assert "2 dead letters would be" in outcome.err
    assert broker.records == there
    assert signalbox(*words, "--yes").status == 0
    assert len(broker.on("governance_audit")) == 2


@pytest.mark.parametrize("command", [("replay",), ("discard", "--reason", "no use")])
def test_what_is_not_there_or_is_no_dead_letter_is_told_and_the_rest_is_done(signalbox, broker, command):
    good = str(broker.refused().position)
    broker.append(Draft("agent_messages_dlt", None, b"x"))
    missing, other = "agent_messages_dlt/0/9", "agent_messages_dlt/0/1"
    alone = signalbox("dead-letters", command[0], missing, *command[1:], "--json")
    assert (alone.status, outcomes_of(alone)) == (1, {missing: "missing"})
    words = ("dead-letters", command[0], missing, good, other, *command[1:])
    outcome = signalbox(*words, "--yes", "--json")
    done = {"replay": "replayed", "discard": "discarded"}[command[0]]
    assert outcome.status == 1
    assert outcomes_of(outcome) == {missing: "missing", good: done, other: "refused"}
    assert len(broker.on("governance_audit")) == 1


def test_what_somebody_else_closed_while_it_was_edited_is_not_sent(signalbox, broker, monkeypatch):
    at = str(broker.refused().position)

    def slow_editor(text):
        assert signalbox("dead-letters", "discard", at, "--reason", "no use").status == 0
        return text

    monkeypatch.setattr("signalbox_cli.replaying.in_editor", slow_editor)
    outcome = signalbox("dead-letters", "replay", at, "--edit", "--json")
    assert (outcome.status, outcomes_of(outcome)) == (1, {at: "closed"})
    assert audited(broker) == ["control.MessageDiscarded"]


def test_what_a_filter_selects_and_is_closed_already_is_no_failure(signalbox, service, broker):
    dead_letter = broker.refused()
    signalbox("dead-letters", "replay", str(dead_letter.position))
    known = DEAD_LETTER | {"offset": dead_letter.position.offset}
    service.answers["/api/dead-letters"] = lambda _: (200, {"dead_letters": [known], "next": None})
    outcome = signalbox("dead-letters", "replay", "--all", "--yes", "--json")
    assert (outcome.status, outcomes_of(outcome)) == (0, {str(dead_letter.position): "closed"})
