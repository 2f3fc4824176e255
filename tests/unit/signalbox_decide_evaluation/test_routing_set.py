"""The committed set: it is what its generator writes, and what the issue asks of it."""

from collections import Counter
from functools import cache

import pytest

from make_routing_set import FILE, made, part_of
from signalbox.gate import Condition
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.names import NO_AGENT, AgentId
from signalbox_decide.evaluation.agents import agents_beside, read_agents, require_agents
from signalbox_decide.evaluation.cases import Case, read_cases

LANGUAGES = {"en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ja", "zh", "ar"}


@cache
def cases() -> list[Case]:
    return read_cases(FILE)


@cache
def agents() -> dict[AgentId, AgentDefinition]:
    return read_agents([agents_beside(FILE)])


def test_the_file_is_what_the_generator_writes() -> None:
    assert FILE.read_text(encoding="utf-8") == made(), "run: python tests/evals/make_routing_set.py"


def test_there_are_enough_cases_no_two_are_alike_and_a_third_is_held_out() -> None:
    assert len(cases()) >= 400
    assert len({case.model_copy(update={"id": ""}).model_dump_json() for case in cases()}) == len(cases())
    held_out = sum(case.split == "held_out" for case in cases())
    assert 0.28 < held_out / len(cases()) < 0.39


def test_a_text_is_never_in_both_parts() -> None:
    assert all(case.split == part_of(case.id.partition("+")[0]) for case in cases())


def test_the_candidates_are_those_whom_type_and_condition_leave() -> None:
    require_agents(cases(), agents())
    for case in cases():
        domain = [agent for agent in agents().values() if _domain(agent) == case.domain]
        assert list(case.candidates) == sorted(agent.id for agent in domain if _takes(agent, case)), case.id


def test_each_part_has_each_label_each_type_and_one_to_five_candidates() -> None:
    types = {entry.record_type for agent in agents().values() for entry in agent.input}
    for part in ("train", "held_out"):
        found = [case for case in cases() if case.split == part]
        assert {case.label for case in found} == {*agents(), NO_AGENT}
        assert {case.record_type for case in found} == types
        assert {len(case.candidates) for case in found} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("tag", ["hostile", "long", "empty", "borderline", *sorted(LANGUAGES)])
def test_each_part_has_hostile_long_empty_and_borderline_cases_in_many_languages(tag: str) -> None:
    counted = Counter(case.split for case in cases() if tag in case.tags)
    assert min(counted["train"], counted["held_out"]) >= 3


def test_hostile_texts_name_another_than_the_label() -> None:
    for case in cases():
        if "hostile" in case.tags:
            assert any(
                name in str(case.record) for name in (*case.candidates, NO_AGENT) if name != case.label
            )


def _domain(agent: AgentDefinition) -> str:
    return agent.input[0].record_type.partition(".")[0]


def _takes(agent: AgentDefinition, case: Case) -> bool:
    conditions = [entry.when for entry in agent.input if entry.record_type == case.record_type]
    return any(when is None or _condition(when).holds(case.record) for when in conditions)


@cache
def _condition(when: str) -> Condition:
    return Condition(when)
