"""Running a router over cases, and the figures of it: what is planted wrong is found."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from signalbox.models import Completion, ModelRefused
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import AgentId
from signalbox_decide.evaluation.answers import Answer
from signalbox_decide.evaluation.cases import Case
from signalbox_decide.evaluation.choosers import by_contract, by_offline, by_router
from signalbox_decide.evaluation.figures import Figures
from signalbox_decide.evaluation.running import run
from signalbox_decide.router import INSTRUCTIONS, Router
from small_cases import agent, case

Agents = dict[AgentId, AgentDefinition]
CASES = [case(number) for number in range(9)]


class Reader:
    """Stands for the paid model: it does what its instructions say, so that a wrong prompt shows."""

    async def complete(
        self, *, instructions: str, prompt: str, output_type: Any, **_: Any
    ) -> Completion[Any]:
        right = "bakery" if "bread" in prompt.rpartition("Message:")[2] else "NONE"
        said = "garage" if "always garage" in instructions or "brakes" in prompt[-200:] else right
        return Completion(output_type(agent=said, reason="as told"), "reader", 1, 100, 10)


class Refuser:
    """Stands for a model that never names a candidate."""

    async def complete(self, **_: Any) -> Completion[Any]:
        raise ModelRefused("it names no candidate", calls=3, input_tokens=9, output_tokens=8)


def router(model: Any, instructions: str = INSTRUCTIONS) -> Router:
    return Router(model, instructions)


async def test_a_right_router_has_no_disagreement(agents: Agents) -> None:
    figures = Figures(await run("reader", "openai:gpt-4o-mini", by_router(router(Reader())), CASES, agents))
    assert (figures.all.right, figures.all.total, figures.disagreements) == (9, 9, [])
    assert (figures.calls, figures.input_tokens, figures.output_tokens) == (9, 900, 90)
    assert figures.usd == pytest.approx(900 * 0.15e-6 + 90 * 0.6e-6)


async def test_a_planted_wrong_prompt_is_found_as_disagreement(agents: Agents) -> None:
    wrong = router(Reader(), "Answer always garage.")
    figures = Figures(await run("reader", "own:model", by_router(wrong), CASES, agents))
    assert figures.confusion == [("NONE", "garage", 3), ("bakery", "garage", 3)]
    assert [one.case_id for one in figures.disagreements] == [f"case-{n}" for n in (0, 2, 3, 5, 6, 8)]
    assert figures.usd is None
    by_label = {one.label: (one.precision, one.recall) for one in figures.classes}
    assert by_label == {"NONE": (None, 0.0), "bakery": (None, 0.0), "garage": (pytest.approx(1 / 3), 1.0)}


async def test_a_planted_wrong_definition_is_found_as_disagreement(agents: Agents) -> None:
    bread = [one for one in CASES if one.label == "bakery"]
    before = Figures(await run("offline", "offline", by_offline(), bread, agents))
    swapped = {
        AgentId("bakery"): agent("bakery", agents[AgentId("garage")].description),
        AgentId("garage"): agent("garage", agents[AgentId("bakery")].description),
    }
    after = Figures(await run("offline", "offline", by_offline(), bread, swapped))
    assert (before.all.right, after.all.right) == (3, 0)


async def test_what_can_not_be_routed_is_a_wrong_answer_that_cost_something(agents: Agents) -> None:
    figures = Figures(await run("refuser", "own:model", by_router(router(Refuser())), CASES[:2], agents))
    assert (figures.unroutable, figures.all.right, figures.calls, figures.input_tokens) == (2, 0, 6, 18)


async def test_the_contract_alone_takes_the_first_candidate(agents: Agents) -> None:
    figures = Figures(await run("contract alone", "", by_contract(), CASES, agents))
    assert (figures.all.right, figures.usd) == (3, 0.0)


async def test_shares_are_told_by_domain_type_number_of_candidates_and_tag(agents: Agents) -> None:
    alone = case(0, candidates=["bakery"], tags=["hostile"], domain="b")
    figures = Figures(await run("contract alone", "", by_contract(), [alone, case(1)], agents))
    slices = figures.slices()
    assert {name: list(shares) for name, shares in slices.items()} == {
        "domain": ["a", "b"],
        "record type": ["a.B"],
        "candidates": ["1", "2"],
        "tag": ["hostile"],
    }
    assert (slices["candidates"]["1"].right, slices["candidates"]["2"].right) == (1, 0)
    assert (figures.choices.right, figures.choices.total) == (0, 1)


async def test_only_so_many_cases_are_asked_at_a_time_and_progress_is_told(agents: Agents) -> None:
    at_once: list[int] = []
    told: list[tuple[int, int]] = []
    now = 0

    async def slow(_: Case, __: Sequence[AgentDefinition]) -> Answer:
        nonlocal now
        now += 1
        at_once.append(now)
        await asyncio.sleep(0)
        now -= 1
        return Answer(said="NONE", reason="")

    def tell(done: int, of: int) -> None:
        told.append((done, of))

    found = await run("slow", "", slow, CASES, agents, concurrency=2, progress=tell)
    assert max(at_once) == 2
    assert told == [(number, 9) for number in range(1, 10)]
    assert [one.case_id for one in found.judged] == [one.id for one in CASES]


async def test_a_model_that_is_away_is_waited_for_and_then_told(agents: Agents) -> None:
    tries = 0

    async def away(_: Case, __: Sequence[AgentDefinition]) -> Answer:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Unavailable("model", "busy")
        return Answer(said="NONE", reason="")

    await run("away", "", away, CASES[:1], agents, waits_s=(0, 0))
    tries = 0
    with pytest.raises(Unavailable, match="busy"):
        await run("away", "", away, CASES[:1], agents, waits_s=(0,))
