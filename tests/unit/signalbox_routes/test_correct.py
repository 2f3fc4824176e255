"""``signalbox routes correct``: one event for each correction, which labels what was recorded."""

import asyncio
import json

import pytest

from recorded_routes import BAKERY, GARAGE, LEAD, RecordedRoutes, Routes
from signalbox.control.models import RouteCorrected
from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.envelope import route_id
from signalbox.protocol.names import GOVERNANCE_AUDIT, MessageId
from signalbox.protocol.records import Draft

WHY = ("--why", "it is about engines", "--who", "rev@ops")


def events(written: RecordedRoutes) -> list[RouteCorrected]:
    control = ControlRecords(written.broker.registry)

    async def read() -> list[RouteCorrected]:
        return [await control.read(RouteCorrected, one) for one in written.broker.on(GOVERNANCE_AUDIT)]

    return asyncio.run(read())


def test_a_correction_is_an_event_with_who_why_and_what_was_decided(
    routes: Routes, written: RecordedRoutes
) -> None:
    written.decide("m-0", BAKERY)
    written.decide("m-1", BAKERY)
    status, out, _ = routes("correct", "m-1", "--agent", GARAGE, *WHY)
    assert (status, out) == (0, "corrected m-1: garage instead of bakery, by rev@ops: it is about engines\n")
    [event] = events(written)
    assert (event.message_id, event.lead_id, event.record_type) == ("m-1", LEAD, "sdr.LeadScored")
    assert (event.decided, event.agent, event.candidates) == (BAKERY, GARAGE, [BAKERY, GARAGE])
    assert (event.who, event.reason) == ("rev@ops", "it is about engines")
    assert event.route_id == route_id(MessageId("m-1"))
    [record] = written.broker.on(GOVERNANCE_AUDIT)
    assert (record.key, record.header("ce_type")) == (LEAD.encode(), b"control.RouteCorrected")
    assert (record.header("ce_causationid"), record.header("ce_source")) == (b"m-1", b"routes")


def test_a_repeated_correction_adds_nothing(routes: Routes, written: RecordedRoutes) -> None:
    written.decide("m-1", BAKERY)
    first = json.loads(routes("correct", "m-1", "--agent", "none", *WHY, "--json")[1])
    status, out, _ = routes("correct", "m-1", "--agent", "NONE", *WHY, "--json")
    again = json.loads(out)
    assert (status, first["outcome"], again["outcome"]) == (0, "corrected", "unchanged")
    assert (first["event_id"], first["agent"]) == (again["event_id"], None)
    assert len(events(written)) == 1
    assert routes("correct", "m-1", "--agent", "NONE", *WHY)[1].startswith("nothing to do: m-1 was corrected")


def test_a_correction_that_did_not_arrive_has_the_same_id_when_it_is_repeated(
    routes: Routes, written: RecordedRoutes
) -> None:
    written.decide("m-1", BAKERY)
    written.broker.takes = 0
    status, _, err = routes("correct", "m-1", "--agent", GARAGE, *WHY)
    assert (status, "broker is unavailable" in err, events(written)) == (1, True, [])
    written.broker.takes = None
    found = json.loads(routes("correct", "m-1", "--agent", GARAGE, *WHY, "--json")[1])
    [record] = written.broker.on(GOVERNANCE_AUDIT)
    written.broker.records.remove(record)
    assert json.loads(routes("correct", "m-1", "--agent", GARAGE, *WHY, "--json")[1]) == found


def test_one_may_change_ones_mind_and_come_back(routes: Routes, written: RecordedRoutes) -> None:
    written.decide("m-1", BAKERY)
    for agent in (GARAGE, "NONE", GARAGE, BAKERY):
        assert routes("correct", "m-1", "--agent", agent, *WHY)[0] == 0
    assert [event.agent for event in events(written)] == [GARAGE, None, GARAGE, BAKERY]
    assert len({record.header("ce_id") for record in written.broker.on(GOVERNANCE_AUDIT)}) == 4


@pytest.mark.parametrize(
    ("message", "agent", "told"),
    [
        ("m-9", GARAGE, "there is no decision on the message m-9, or it is not kept any more"),
        ("m-1", "florist", "florist was no candidate; there were: bakery, garage, NONE"),
        ("m-1", BAKERY, "bakery is what was decided: there is nothing to correct"),
        ("terminal", "NONE", "there was no candidate, and so nothing to choose"),
    ],
)
def test_what_can_not_be_corrected_is_one_clear_line(
    routes: Routes, written: RecordedRoutes, message: str, agent: str, told: str
) -> None:
    written.decide("m-1", BAKERY)
    written.decide("terminal", None, terminal=True, candidates=[])
    assert routes("correct", message, "--agent", agent, *WHY) == (1, "", f"error: {told}\n")
    assert events(written) == []


@pytest.mark.parametrize("wrong", [("--why", " "), ("--why", "x", "--who", " "), ()])
def test_a_correction_says_who_and_why(routes: Routes, wrong: tuple[str, ...]) -> None:
    assert routes("correct", "m-1", "--agent", GARAGE, *wrong)[0] == 2


def test_a_correction_is_the_label(routes: Routes, written: RecordedRoutes, model: str) -> None:
    written.decide("m-1", BAKERY)
    written.decide("m-2", BAKERY)
    routes("correct", "m-1", "--agent", "NONE", *WHY)
    routes("correct", "m-1", "--agent", GARAGE, *WHY)
    found = json.loads(routes("eval", "--recorded", "24h", "--model", model, "--json")[1])
    row = found["rows"][0]
    [wrong] = row["disagreements"]
    assert (wrong["case"], wrong["label"], wrong["said"]) == ("m-1", "garage", "bakery")
    assert wrong["why_the_label"] == "corrected by rev@ops: it is about engines"
    assert found["notes"][1] == "labels that a person corrected: 1"
    assert row["by"]["tag"]["corrected"]["total"] == 1


def test_what_no_model_decided_is_a_case_when_it_was_corrected(
    routes: Routes, written: RecordedRoutes, model: str
) -> None:
    written.decide("alone", BAKERY, candidates=[BAKERY], model="")
    routes("correct", "alone", "--agent", "NONE", *WHY)
    found = json.loads(routes("eval", "--recorded", "24h", "--model", model, "--json")[1])
    assert [one["case"] for one in found["rows"][0]["disagreements"]] == ["alone"]


def test_a_correction_to_who_is_no_candidate_any_more_labels_nothing(
    routes: Routes, written: RecordedRoutes, model: str
) -> None:
    written.decide("m-1", BAKERY)
    routes("correct", "m-1", "--agent", GARAGE, *WHY)
    written.decide("m-1", BAKERY, candidates=[BAKERY], excluded=[GARAGE])
    found = json.loads(routes("eval", "--recorded", "24h", "--model", model, "--json")[1])
    assert (found["cases"], found["rows"][0]["disagreements"]) == (1, [])


def test_an_event_that_can_not_be_read_corrects_nothing(
    routes: Routes, written: RecordedRoutes, model: str
) -> None:
    written.decide("m-1", BAKERY)
    headers = (("ce_type", b"control.RouteCorrected"), ("ce_causationid", b"m-1"))
    written.broker.append(Draft(GOVERNANCE_AUDIT, b"lead-1", b"rubbish", headers))
    assert routes("eval", "--recorded", "24h", "--model", model)[0] == 0
    assert routes("correct", "m-1", "--agent", GARAGE, *WHY)[0] == 0
