"""``signalbox routes eval --recorded``: what would have been decided otherwise."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recorded_routes import BAKERY, GARAGE, RecordedRoutes, Routes
from signalbox.protocol.names import AGENT_ROUTES
from signalbox.protocol.records import Draft, Record
from small_cases import agent


def evaluated(routes: Routes, *more: object) -> dict[str, Any]:
    status, out, err = routes("eval", "--recorded", "24h", "--json", *more)
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def differences(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(one["case"], one["label"], one["said"]) for one in found["rows"][0]["disagreements"]]


def test_nothing_changed_is_decided_as_it_was(routes: Routes, written: RecordedRoutes, model: str) -> None:
    written.decide("m-1", BAKERY)
    found = evaluated(routes, "--model", model)
    assert (found["recorded"], found["cases"], differences(found)) == (True, 1, [])
    assert [row["router"] for row in found["rows"]] == [model, "contract alone", "offline"]
    assert found["rows"][0]["by"]["domain"] == {"sdr": found["rows"][0]["accuracy"]}


def test_a_planted_change_of_the_prompt_is_found(
    routes: Routes, written: RecordedRoutes, model: str, tmp_path: Path
) -> None:
    written.decide("m-1", BAKERY)
    written.decide("m-2", None)
    (tmp_path / "prompt.txt").write_text("Say NONE.")
    status, out, _ = routes(
        "eval", "--recorded", "30m", "--model", model, "--prompt", tmp_path / "prompt.txt"
    )
    assert status == 0
    assert "Each row: the same 2 recorded decisions." in out
    assert "note: right means: as it was recorded." in out
    told = out[out.index("what it would decide otherwise") :]
    assert "m-1   bakery  NONE  recorded: it fits  so" in told
    assert "m-2" not in told


def test_a_planted_change_of_a_definition_is_found_before_it_is_announced(
    routes: Routes, written: RecordedRoutes, model: str, tmp_path: Path
) -> None:
    written.decide("m-1", BAKERY)
    changed = agent(BAKERY, "Bakes bread.").model_dump(exclude={"endpoint"}, exclude_none=True)
    (tmp_path / "bakery.yaml").write_text(yaml.safe_dump(changed))
    assert differences(evaluated(routes, "--model", model)) == []
    found = evaluated(routes, "--model", model, "--agents", tmp_path / "bakery.yaml")
    assert differences(found) == [("m-1", "bakery", "NONE")]


def test_a_definition_that_was_announced_since_is_found(
    routes: Routes, written: RecordedRoutes, model: str
) -> None:
    written.decide("m-1", BAKERY)
    written.announce(BAKERY, "Bakes bread.")
    written.announce(GARAGE, "Mends what is FIRST.")
    assert differences(evaluated(routes, "--model", model)) == [("m-1", "bakery", "garage")]


def test_the_last_decision_on_a_message_counts(routes: Routes, written: RecordedRoutes, model: str) -> None:
    written.decide("m-1", GARAGE)
    written.decide("m-1", BAKERY)
    found = evaluated(routes, "--model", model)
    assert (found["cases"], differences(found)) == (1, [])


def test_what_was_decided_before_that_time_is_left_out(
    routes: Routes, written: RecordedRoutes, model: str
) -> None:
    written.broker.now_ms = 1_000_000_000_000
    written.decide("m-0", GARAGE)
    written.broker.now_ms = 1_800_000_000_000
    written.decide("m-1", BAKERY)
    assert evaluated(routes, "--model", model)["cases"] == 1


def test_a_record_of_an_earlier_time_behind_a_later_one_is_left_out(
    routes: Routes, written: RecordedRoutes, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def from_the_first_on(kafka: object, topics: list[str], **_: object) -> Iterator[Record]:
        return written.broker.read_to_end(kafka, topics)

    monkeypatch.setattr("signalbox_operations.routes.service.read_to_end", from_the_first_on)
    written.decide("m-1", BAKERY)
    written.broker.now_ms = 1_000_000_000_000
    written.decide("m-0", GARAGE)
    assert evaluated(routes, "--model", model)["cases"] == 1


def test_what_is_no_case_is_counted_and_stops_nothing(
    routes: Routes, written: RecordedRoutes, model: str
) -> None:
    written.decide("m-1", BAKERY)
    written.decide("terminal", None, terminal=True)
    written.decide("nobody", None, candidates=[])
    written.decide("ambiguous", BAKERY, candidates=[BAKERY], model="")
    written.decide("learned", BAKERY, model="learned:0123456789ab")
    written.decide("no-avro", BAKERY, payload=b"text")
    written.decide("empty", BAKERY, payload=b"")
    written.decide("unknown-schema", BAKERY, payload=b"\x00\x00\x00\xff\xffrest")
    written.decide("cut", BAKERY, payload=written.broker.framed("sdr.LeadScored")[:-3])
    written.decide("outsider", "somebody")
    written.decide("gone", BAKERY, candidates=[BAKERY, "florist"])
    written.broker.append(Draft(AGENT_ROUTES, b"lead-1", b"rubbish", ()))
    found = evaluated(routes, "--model", model)
    assert found["cases"] == 1
    assert found["notes"][1:] == [
        "left out: 4 decided without a model",
        "left out: 4 messages can't be decoded any more",
        "left out: 2 records are no decisions that can be read",
        "left out: 1 have candidates that are not announced now: florist",
    ]


def test_the_registry_is_asked_once_for_each_schema(
    routes: Routes, written: RecordedRoutes, model: str
) -> None:
    for number in range(5):
        written.decide(f"m-{number}", BAKERY, payload=b"\x00\x00\x00\xff\xffrest")
        written.decide(f"n-{number}", BAKERY)
    evaluated(routes, "--model", model)
    asked = [of for what, of in written.broker.registry.asked if what == "schema_text"]
    assert len(asked) == len(set(asked))


def test_a_run_on_recorded_decisions_is_saved_and_compared(
    routes: Routes, written: RecordedRoutes, model: str, tmp_path: Path
) -> None:
    written.decide("m-1", BAKERY)
    evaluated(routes, "--model", model, "--save", tmp_path / "run.json")
    status, out, _ = routes("eval", "--compare", tmp_path / "run.json", tmp_path / "run.json")
    assert (status, "first   1/1 right" in out) == (0, True)


def test_no_decision_at_all_can_not_be_measured(routes: Routes, written: RecordedRoutes, model: str) -> None:
    written.decide("terminal", None, terminal=True)
    status, _, err = routes("eval", "--recorded", "24h", "--model", model)
    assert status == 2
    assert "could not measure: no model decided anything since" in err
    assert "left out: 1 decided without a model" in err


def test_a_router_is_learned_from_what_was_decided_and_corrected(
    routes: Routes, written: RecordedRoutes, model: str, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    for number in range(40):
        written.decide(f"m-{number}", BAKERY if number % 2 else GARAGE)
    status, out, _ = routes("train", "--recorded", "24h", "--out", tmp_path / "learned.json", "--json")
    assert (status, json.loads(out)["cases"], json.loads(out)["agents"]) == (0, 40, ["bakery", "garage"])
    found = evaluated(routes, "--model", model, "--learned", tmp_path / "learned.json")
    assert [row["router"] for row in found["rows"]][-2:] == ["linear", "learned"]
    assert (
        "linear may have learned from these very cases; only held_out is fair to it, and to learned"
        in found["notes"]
    )


@pytest.mark.parametrize("given", [(), ("--set", "x.jsonl", "--recorded", "24h")])
def test_one_learns_from_a_set_or_from_what_was_recorded(routes: Routes, given: tuple[str, ...]) -> None:
    status, _, err = routes("train", *given, "--out", "x.json")
    assert (status, "give one of --set and --recorded" in err) == (2, True)


@pytest.mark.parametrize("wrong", [("--set", "x.jsonl"), ("--part", "all"), ("--compare", "a", "b")])
def test_recorded_takes_the_place_of_a_set(routes: Routes, wrong: tuple[str, ...]) -> None:
    assert routes("eval", "--recorded", "24h", *wrong)[0] == 2


def test_a_time_that_is_none_is_wrong_usage(routes: Routes) -> None:
    status, _, err = routes("eval", "--recorded", "yesterday")
    assert (status, "'yesterday' is no time" in err) == (2, True)
