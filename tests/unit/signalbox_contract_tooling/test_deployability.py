"""Whether a service may be deployed, beside a registry in memory and agents that are made up."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId, RecordType, SchemaId, Subject
from signalbox_operations.contracts.built import Built
from signalbox_operations.contracts.deployability import Answer, Judgement, Objection, judge_deployment
from signalbox_operations.contracts.fleet import Fleet, RunningAgent
from signalbox_operations.contracts.registry_api import Registered

PLACED = RecordType("shop.Placed")
PAID = RecordType("shop.Paid")
REGISTER = "Run `signalbox contracts plan`, and `signalbox contracts register` when it is right."


class MemoryRegistry:
    """Stands in for the registry's HTTP API, as far as judging asks it."""

    def __init__(self) -> None:
        self._live: dict[str, list[Registered]] = {}
        self._deleted: dict[str, list[Registered]] = {}

    def register(self, record_type: RecordType, *texts: str) -> None:
        for text in texts:
            number = len(self._live.get(record_type, [])) + len(self._deleted.get(record_type, [])) + 1
            found = Registered(number, SchemaId(100 + number), text)
            self._live.setdefault(record_type, []).append(found)

    def take_back(self, record_type: RecordType, version: int) -> None:
        gone = next(one for one in self._live[record_type] if one.version == version)
        self._live[record_type].remove(gone)
        self._deleted.setdefault(record_type, []).append(gone)

    def versions(self, subject: Subject) -> list[Registered]:
        return list(self._live.get(subject, []))

    def deleted_versions(self, subject: Subject) -> list[Registered]:
        return list(self._deleted.get(subject, []))

    def lookup(self, subject: Subject, text: str) -> Registered | None:
        return next((one for one in self.versions(subject) if json.loads(one.text) == json.loads(text)), None)


@pytest.fixture(autouse=True)
def unpinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTRACT_PINS", raising=False)


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def first(placed: dict[str, Any]) -> str:
    return json.dumps(placed)


@pytest.fixture
def second(placed: dict[str, Any]) -> str:
    """A version that reads the first, and that the first reads."""
    changed = copy.deepcopy(placed)
    changed["fields"].append({"name": "table", "type": "int", "doc": "Which.", "default": 0})
    return json.dumps(changed)


@pytest.fixture
def other(placed: dict[str, Any]) -> str:
    """A version that neither reads the first nor is read by it."""
    changed = copy.deepcopy(placed)
    changed["fields"][0]["type"] = "int"
    return json.dumps(changed)


def till(text: str | None, **changes: Any) -> Built:
    """A service that writes orders."""
    return replace(Built("till", (), (PLACED,), {} if text is None else {PLACED: text}), **changes)


def kitchen(text: str | None) -> Built:
    """A service that reads orders."""
    return Built("kitchen", (PLACED,), (), {} if text is None else {PLACED: text})


def agent(name: str, version: int, *, takes: bool = False, gives: bool = False) -> RunningAgent:
    return RunningAgent(
        AgentId(name),
        takes=frozenset({PLACED} if takes else ()),
        gives=frozenset({PLACED} if gives else ()),
        versions={PLACED: version},
    )


@pytest.fixture
def judged(registry: MemoryRegistry) -> Callable[..., Judgement]:
    def judge(built: Built, *agents: RunningAgent, unknown: tuple[str, ...] = ()) -> Judgement:
        return judge_deployment(built, registry, Fleet(agents), unknown)  # type: ignore[arg-type]

    return judge


def test_what_is_registered_and_fits_may_be_deployed(registry, judged, first):
    registry.register(PLACED, first)
    verdict = judged(till(first), agent("cook", 1, takes=True))
    assert (verdict.answer, verdict.objections) == (Answer.YES, ())
    assert (verdict.service, verdict.reads, verdict.writes) == ("till", {}, {PLACED: 1})


def test_the_version_that_it_was_built_with_is_said_for_what_it_reads_and_what_it_writes(
    registry, judged, first, second
):
    paid = json.dumps({**json.loads(first), "name": "Paid"})
    registry.register(PLACED, first, second)
    registry.register(PAID, paid)
    verdict = judged(Built("till", (PLACED,), (PAID,), {PLACED: second, PAID: paid}))
    assert (verdict.answer, verdict.reads, verdict.writes) == (Answer.YES, {PLACED: 2}, {PAID: 1})


def test_the_judgement_is_plain_values_for_json(registry, judged, first):
    verdict = judged(till(None), unknown=("who runs now",))
    said = json.loads(json.dumps(verdict.as_dict()))
    assert (said["answer"], said["service"], said["unknown"]) == ("no", "till", ["who runs now"])
    assert said["objections"][0]["record_type"] == PLACED


def test_what_could_not_be_asked_leaves_the_answer_open(registry, judged, first):
    registry.register(PLACED, first)
    verdict = judged(till(first), unknown=("who runs now is not known",))
    assert (verdict.answer, verdict.unknown) == (Answer.UNKNOWN, ("who runs now is not known",))


def test_an_objection_says_no_even_where_something_could_not_be_asked(judged, first):
    assert judged(till(first), unknown=("who runs now is not known",)).answer is Answer.NO


def test_it_may_not_be_known_who_runs(registry, first):
    registry.register(PLACED, first)
    assert judge_deployment(till(first), registry, None).answer is Answer.YES  # type: ignore[arg-type]


def test_a_record_type_that_is_not_installed_is_the_one_objection_and_says_what_to_do(
    registry, judged, first
):
    registry.register(PLACED, first)
    for built in (till(None), kitchen(None)):
        assert judged(built, agent("odd", 1, takes=True, gives=True)).objections == (
            Objection(
                PLACED,
                "the installed signalbox_contracts has no such record type",
                "Run `signalbox contracts generate`, and install signalbox-contracts beside the service.",
            ),
        )


def test_a_text_that_was_never_registered_is_to_be_registered(registry, judged, first, second):
    registry.register(PLACED, first)
    assert judged(till(second)).objections == (
        Objection(PLACED, "the text it was built with is not registered", REGISTER),
    )


def test_where_no_version_is_registered_the_gate_refuses_what_is_written(judged, first):
    assert judged(till(first)).objections == (
        Objection(PLACED, "the text it was built with is not registered", REGISTER),
        Objection(
            PLACED,
            "no version can be held to, so the gate refuses every record of it",
            f"None is registered. {REGISTER}",
        ),
    )


def test_a_reader_of_what_no_one_registered_only_lacks_the_registration(judged, first):
    assert [one.reason for one in judged(kitchen(first)).objections] == [
        "the text it was built with is not registered"
    ]


def test_a_version_that_was_taken_back_is_named_and_so_is_the_newest(registry, judged, first, second):
    registry.register(
        PLACED, second, first, *(second.replace("Which", doc) for doc in ("The table", "Where"))
    )
    registry.take_back(PLACED, 1)
    assert judged(till(second)).objections == (
        Objection(
            PLACED,
            "version 1, which it was built with, was deregistered",
            "Build it with version 4, or register its text again.",
        ),
    )


def test_where_all_versions_were_taken_back_the_advice_is_to_register(registry, judged, first):
    registry.register(PLACED, first)
    registry.take_back(PLACED, 1)
    assert judged(kitchen(first)).objections == (
        Objection(PLACED, "version 1, which it was built with, was deregistered", REGISTER),
    )


def test_a_writer_that_the_contract_in_force_can_not_read_may_not_be_deployed(registry, judged, first, other):
    registry.register(PLACED, first)
    found = judged(till(other)).objections
    assert [one.reason.partition(":")[0] for one in found] == [
        "the text it was built with is not registered",
        "the contract in force, version 1, can't read what it writes",
    ]
    assert found[1].reason.startswith(
        "the contract in force, version 1, can't read what it writes: order_id: "
    )
    assert found[1].advice == "Register the version that it was built with as the newest."


def test_the_advice_says_why_the_version_that_it_was_built_with_was_passed_over(
    registry, judged, first, other
):
    registry.register(PLACED, first, other)
    [objection] = judged(till(other)).objections
    assert objection.reason.startswith(
        "the contract in force, version 1, can't read what it writes: order_id"
    )
    assert objection.advice.startswith("Version 2 was not adopted: it does not read version 1: ")


def test_where_several_were_passed_over_the_advice_says_why_each_was(registry, judged, first, other):
    registry.register(PLACED, first, other, other.replace("An order", "One order"))
    [objection] = judged(till(other)).objections
    why = "it does not read version 1: string can't be read as int (at order_id)"
    told = objection.advice.split("; ")
    assert [each.partition(": ")[0] for each in told] == [
        "Version 2 was not adopted",
        "Version 3 was not adopted",
    ]
    assert {each.partition(": ")[2] for each in told} == {f"{why}."}


def test_what_is_wrong_with_the_record_as_a_whole_is_told_without_a_place(registry, judged, first):
    registry.register(PLACED, first)
    [_, objection] = judged(till(first.replace("Placed", "Put"))).objections
    assert objection.reason == (
        "the contract in force, version 1, can't read what it writes:"
        " record shop.Put can't be read as record shop.Placed"
    )


def test_each_version_that_was_passed_over_is_in_the_advice(registry, judged, first):
    registry.register(PLACED, first.replace("Placed", "Put"), first.replace("Placed", "Set"))
    [_, objection] = judged(till(first)).objections
    assert objection.advice == (
        "Version 1 was not adopted: it is a schema of shop.Put, not of shop.Placed.; "
        f"Version 2 was not adopted: it is a schema of shop.Set, not of shop.Placed. {REGISTER}"
    )


def test_a_writer_that_a_running_reader_can_not_read_may_not_be_deployed(registry, judged, first, other):
    registry.register(PLACED, other, first)
    registry.take_back(PLACED, 1)
    [objection] = judged(till(first), agent("cook", 1, takes=True), agent("waiter", 2, takes=True)).objections
    assert objection.reason.startswith(
        "cook, which runs with version 1, can't read what it writes: order_id: "
    )
    assert objection.advice == "Deploy cook with a contract that can read it first."


def test_a_reader_that_can_not_read_what_a_running_agent_writes_may_not_be_deployed(
    registry, judged, first, other
):
    registry.register(PLACED, other, first)
    registry.take_back(PLACED, 1)
    [objection] = judged(kitchen(first), agent("till", 1, gives=True), agent("web", 2, gives=True)).objections
    assert objection.reason.startswith(
        "it can't read what till writes, which runs with version 1: order_id: "
    )
    assert objection.advice == "Build it with a contract that can read version 1, or deploy till first."


def test_a_reader_that_can_not_read_the_contract_in_force_may_not_be_deployed(registry, judged, first, other):
    registry.register(PLACED, first, other)
    [objection] = judged(kitchen(other)).objections
    assert objection.reason.startswith("it can't read the contract in force, version 1: order_id: ")
    assert objection.advice == "Build it with the contract in force."


def test_a_writer_is_not_held_against_other_writers_nor_a_reader_against_other_readers(
    registry, judged, first, other
):
    registry.register(PLACED, other, first)
    registry.take_back(PLACED, 1)
    assert judged(till(first), agent("odd", 1, gives=True)).answer is Answer.YES
    assert judged(kitchen(first), agent("odd", 1, takes=True)).answer is Answer.YES


def test_an_agent_whose_version_the_registry_does_not_know_is_passed_over(registry, judged, first):
    registry.register(PLACED, first)
    assert judged(till(first), agent("odd", 9, takes=True)).answer is Answer.YES
    assert judged(kitchen(first), agent("odd", 9, gives=True)).answer is Answer.YES


def test_an_agent_that_names_no_version_of_the_record_type_is_passed_over(registry, judged, first):
    registry.register(PLACED, first)
    silent = replace(agent("odd", 1, takes=True, gives=True), versions={})
    assert judged(till(first), silent).answer is Answer.YES
    assert judged(kitchen(first), silent).answer is Answer.YES


def test_an_agent_is_not_held_against_what_it_announced_itself(registry, judged, first, other):
    registry.register(PLACED, other, first)
    registry.take_back(PLACED, 1)
    itself = agent("till", 1, takes=True, gives=True)
    assert judged(till(first), itself).answer is Answer.YES
    assert judged(till(first), itself, agent("cook", 1, takes=True)).answer is Answer.NO


def test_what_it_both_reads_and_writes_is_objected_to_once(registry, judged, first):
    both = Built("till", (PLACED,), (PLACED,), {})
    assert len(judged(both).objections) == 1


def test_a_pinned_contract_is_the_one_in_force(registry, judged, first, second, monkeypatch):
    registry.register(PLACED, first, second)
    monkeypatch.setenv("CONTRACT_PINS", json.dumps({PLACED: 1}))
    with_table = json.loads(first)
    with_table["fields"].append({"name": "table", "type": "int", "doc": "Which."})
    [_, objection] = judged(kitchen(json.dumps(with_table))).objections
    assert objection.reason.startswith("it can't read the contract in force, version 1: table")


def test_that_a_pin_names_no_version_is_in_the_advice(registry, judged, first, other, monkeypatch):
    registry.register(PLACED, first)
    monkeypatch.setenv("CONTRACT_PINS", json.dumps({PLACED: 3}))
    [_, objection] = judged(till(other)).objections
    assert objection.advice == (
        "Version 3 was not adopted: the version it is pinned at is not registered, or was not adopted."
    )


@pytest.mark.parametrize("pins", ["{", "[]", '{"shop.Placed": "two"}', '{"shop.Placed": null}', "7"])
def test_pins_that_are_no_pins_are_quoted(registry, judged, first, monkeypatch, pins):
    monkeypatch.setenv("CONTRACT_PINS", pins)
    with pytest.raises(ConfigurationError) as told:
        judged(till(first))
    assert str(told.value) == f'CONTRACT_PINS is {pins!r}, expected such as {{"sdr.LeadScored": 2}}'


def test_an_empty_setting_of_pins_pins_nothing(registry, judged, first, monkeypatch):
    registry.register(PLACED, first)
    monkeypatch.setenv("CONTRACT_PINS", "")
    assert judged(till(first)).answer is Answer.YES
