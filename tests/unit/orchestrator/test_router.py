"""The router answers with a candidate or with none, whatever the message says."""

import hashlib
import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from signalbox.gate import Accepted
from signalbox.models import Completion, model_for
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.names import AgentId
from signalbox_decide.asking import chooser_of
from signalbox_decide.offline import best_match
from signalbox_decide.router import Choice, Router, _answer_type


def agent(name: str, description: str) -> AgentDefinition:
    return AgentDefinition.model_validate(
        {"id": name, "name": name, "description": description, "input": ["a.B"], "output": ["a.C"]}
    )


ENGAGE = agent("alpha", "Writes to leads whose next step is to actively engage them now.")
NURTURE = agent("beta", "Writes to leads whose next step is to nurture them over weeks.")


@pytest.mark.parametrize(("next_step", "expected"), [("ACTIVELY_ENGAGE", "alpha"), ("NURTURE", "beta")])
def test_the_offline_stand_in_chooses_by_the_words_of_the_definitions(next_step: str, expected: str) -> None:
    message = json.dumps({"record": {"next_step": next_step, "rationale": "a lead"}})
    assert best_match(message, [ENGAGE, NURTURE])["agent"] == expected
    assert best_match(message, [NURTURE, ENGAGE])["agent"] == expected


def test_the_offline_stand_in_says_what_it_is() -> None:
    assert "not an LLM" in best_match("{}", [ENGAGE])["reason"]


@pytest.mark.parametrize(
    ("message", "agent_id", "shared", "score"),
    [
        # Said by both definitions, a stem weighs log(1 + 2/2); said by one, log(1 + 2/1).
        ("nurture", "beta", "nurture", 1.1),
        ("NURTURING them", "beta", "nurture", 1.1),
        ("engaged_leads", "alpha", "engage, leads", 1.8),
        ("weeks weeks weeks weeks weeks", "beta", "weeks", 3.3),
        ("weeks weeks", "beta", "weeks", 2.2),
        ("these them with over", "beta", "over", 1.1),
        ("step", "alpha", "step", 0.7),
        ("rain", "alpha", "no word", 0.0),
        ("now", "alpha", "no word", 0.0),
        ("actively alpha engage leads next step whose writes", "alpha", None, 6.8),
    ],
)
def test_the_offline_stand_in_tells_the_words_that_it_found_and_what_they_weigh(
    message: str, agent_id: str, shared: str | None, score: float
) -> None:
    said = best_match(message, [ENGAGE, NURTURE])
    assert said["agent"] == agent_id
    words = shared or "actively, alpha, engage, leads, next, step"  # the six that weigh most
    reason = f"offline stand-in, a word score and not an LLM: shares {words} (score {score})"
    assert said["reason"] == reason


async def test_a_choice_says_which_model_made_it_and_what_it_cost(
    accepted: Callable[..., Accepted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_MODEL", "offline")
    choice = await Router(model_for("router")).choose(
        accepted(datum={"next_step": "NURTURE"}), [ENGAGE, NURTURE]
    )
    assert (choice.agent, choice.model, choice.calls) == ("beta", "offline", 1)
    assert 0 <= choice.latency_ms < 60_000


async def test_each_call_is_written_down_at_the_model_port(
    accepted: Callable[..., Accepted], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LLM_MODEL", "offline")
    monkeypatch.setenv("MODEL_CALL_LOG", str(tmp_path / "calls.jsonl"))
    await Router(model_for("router")).choose(accepted(datum={"next_step": "NURTURE"}), [ENGAGE, NURTURE])

    [call] = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert (call["task"], call["message_id"]) == ("route", "m-1")


class Asked:
    """Stands for the paid model: it remembers what it was asked, and chooses the first agent."""

    def __init__(self) -> None:
        self.instructions = self.prompt = self.shorter = ""

    async def complete(
        self, *, instructions: str, prompt: str, shorter: Any, output_type: Any, **_: Any
    ) -> Completion[Any]:
        self.instructions, self.prompt, self.shorter = instructions, prompt, shorter()
        return Completion(output_type(agent="alpha", reason="It fits."), "one", 1, 2, 3)


async def asked_with(accepted: Accepted, *candidates: AgentDefinition) -> Asked:
    model = Asked()
    given: Any = model
    choice = await Router(given).choose(accepted, candidates)
    assert choice.agent == "alpha"
    return model


async def test_the_model_is_shown_what_the_candidates_do_and_not_where_they_live(
    accepted: Callable[..., Accepted],
) -> None:
    homes = {"alpha": "http://10.1.2.3:8101/in", "beta": "http://user:secret@mail.internal:8105"}
    agents = [agent.model_copy(update={"endpoint": homes[agent.id]}) for agent in (ENGAGE, NURTURE)]
    asked = await asked_with(accepted(datum={"next_step": "NURTURE"}), *agents)
    for words in (asked.prompt, asked.shorter):
        assert all(agent.id in words and agent.description in words for agent in agents)
        assert "a.B" in words
        assert "a.C" in words
    for words in (asked.instructions, asked.prompt, asked.shorter):
        assert not any(home in words for home in homes.values())
        assert "endpoint" not in words


async def test_the_model_is_shown_the_agents_as_json_to_the_letter(accepted: Callable[..., Accepted]) -> None:
    named = agent("alpha", "Schreibt an Käufer.")
    asked = await asked_with(accepted(datum={"text": "für Ada"}), named)
    assert asked.prompt == (
        'Agents:\n[\n {\n  "id": "alpha",\n  "name": "alpha",\n  "description": "Schreibt an Käufer.",\n'
        '  "input": [\n   {\n    "record_type": "a.B"\n   }\n  ],\n'
        '  "output": [\n   {\n    "record_type": "a.C",\n    "terminal": false\n   }\n  ]\n }\n]'
        '\n\nMessage:\n{"record_type": "sdr.LeadScored", "record": {"text": "für Ada"}}'
    )


@pytest.mark.parametrize("where", ["first", "in between", "in a list", "in a long list", "in bytes"])
async def test_a_long_text_hides_no_field_from_the_model(
    accepted: Callable[..., Accepted], where: str
) -> None:
    texts: dict[str, Any] = {
        "first": {"text": "x" * 50_000},
        "in between": {"lead": {"first": "y" * 9_000, "second": "x" * 9_000}},
        "in a list": {"mails": [{"body": "x" * 5_000} for _ in range(8)]},
        "in a long list": {"lines": [["x" * 4] for _ in range(30_000)]},
        "in bytes": {"raw": b"x" * 90_000},
    }
    asked = await asked_with(accepted(datum={**texts[where], "next_step": "NURTURE"}), ENGAGE)
    for words in (asked.prompt, asked.shorter):
        assert '"next_step": "NURTURE"}}' in words
        assert "xxx" in words
    assert len(asked.prompt) < 17_000
    assert len(asked.shorter) < 5_000


async def test_of_a_long_message_the_model_is_shown_a_beginning_and_less_when_that_is_too_much(
    accepted: Callable[..., Accepted],
) -> None:
    short = await asked_with(accepted(datum={"text": "a few words"}), ENGAGE)
    assert "sdr.LeadScored" in short.prompt
    assert "a few words" in short.prompt
    assert "(cut)" not in short.prompt

    long = await asked_with(accepted(datum={"text": "begins " + "x" * 1_000_000 + " ends"}), ENGAGE)
    assert "begins xxx" in long.prompt
    assert "(cut)" in long.prompt
    assert 10_000 < long.prompt.count("x") <= 16_000
    assert 1_000 < long.shorter.count("x") <= 4_000
    for words in (long.prompt, long.shorter):
        assert " ends" not in words


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("beta", "beta"),
        ("Beta", "beta"),
        (" beta\n", "beta"),
        ('"beta"', "beta"),
        ("`BETA`.", "beta"),
        ("none", "NONE"),
        ("None", "NONE"),
        (" 'none' ", "NONE"),
        (None, "NONE"),
        ("Lead-Scoring", "lead_scoring"),
        ("lead scoring", "lead_scoring"),
    ],
)
def test_a_candidate_is_taken_however_its_id_is_written(said: object, meant: str) -> None:
    answer_type: Any = _answer_type((AgentId("alpha"), AgentId("beta"), AgentId("lead_scoring")))
    assert answer_type.model_validate({"agent": said, "reason": "r"}).agent == meant


@pytest.mark.parametrize(
    "said", ["gamma", "alpha beta", "alphabeta", "", 7, ["alpha"], "nurture", "alph", "Xalpha", "alphaX"]
)
def test_what_is_no_candidate_stays_refused(said: object) -> None:
    answer_type: Any = _answer_type((AgentId("alpha"), AgentId("beta")))
    with pytest.raises(ValidationError):
        answer_type.model_validate({"agent": said, "reason": "r"})


def test_an_id_that_two_candidates_could_mean_is_not_guessed() -> None:
    answer_type: Any = _answer_type((AgentId("a_b"), AgentId("a-b")))
    assert answer_type.model_validate({"agent": "a-b", "reason": "r"}).agent == "a-b"
    with pytest.raises(ValidationError):
        answer_type.model_validate({"agent": "A B", "reason": "r"})


def test_a_reason_that_is_too_long_is_cut_and_the_schema_still_asks_for_a_short_one() -> None:
    answer_type: Any = _answer_type((AgentId("alpha"),))
    assert len(answer_type.model_validate({"agent": "alpha", "reason": "x" * 5000}).reason) == 1000
    properties = answer_type.model_json_schema()["properties"]
    assert properties["agent"]["enum"] == ["alpha", "NONE"]
    assert properties["reason"]["maxLength"] == 1000


async def test_a_choice_says_what_the_model_was_told(
    accepted: Callable[..., Accepted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_MODEL", "offline")
    choice = await Router(model_for("router")).choose(accepted(), [ENGAGE, NURTURE])
    prompt = (files("signalbox_decide") / "prompts" / "route.md").read_text(encoding="utf-8").strip()
    assert choice.prompt_version == hashlib.sha256(prompt.encode()).hexdigest()[:12]


async def test_where_one_agent_is_left_no_model_is_asked_if_the_operator_wants_that(
    accepted: Callable[..., Accepted],
) -> None:
    class Asked:
        async def choose(self, *_: Any) -> Choice:
            raise AssertionError("a model was asked")

    choice = await chooser_of(Asked(), "ambiguous").choose(accepted(), [ENGAGE])
    why = "the only candidate: no model was asked (ROUTER_ASK=ambiguous)"
    assert choice == Choice(
        AgentId("alpha"), why, model="", calls=0, input_tokens=0, output_tokens=0, latency_ms=0
    )
    with pytest.raises(AssertionError):
        await chooser_of(Asked(), "ambiguous").choose(accepted(), [ENGAGE, NURTURE])
    with pytest.raises(AssertionError):
        await chooser_of(Asked(), "always").choose(accepted(), [ENGAGE])
