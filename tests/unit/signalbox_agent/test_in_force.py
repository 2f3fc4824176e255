"""An agent can't emit what the newest registered contract forbids, whatever it was built with."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from signalbox_agent import Message, Work


def stricter(schema: str) -> str:
    """Return the schema with one rule more: no answer is about beer."""
    content = json.loads(schema)
    content["confluent:rules"] = [
        {"name": "no_beer", "doc": "not about beer", "expr": "!this.text.contains('beer')"}
    ]
    return json.dumps(content)


def wider(schema: str) -> str:
    """Return the schema with a field more: who has only the one before can't be read by it."""
    content = json.loads(schema)
    content["fields"].append({"name": "tone", "type": "string"})
    return json.dumps(content)


@pytest.fixture
def register(bench: Any) -> Any:
    """Register a stricter contract while the agent runs, and wait until the agent has asked."""
    bench.settings = {"contract_refresh_s": 0.01}

    async def now(version: int = 2) -> None:
        bench.registry.has(22, stricter(bench.registry.text_of(12)), version)
        bench.registry.asked.clear()

        async def asked_twice() -> bool:  # the first may have been under way before
            return bool(bench.registry.calls.count("versions") >= 2)

        await bench.until(asked_twice)

    return now


def telling(answers: Iterator[str], reply: Any) -> Any:
    async def handle(_: Message[Any], work: Work) -> Sequence[BaseModel]:
        completion = await work.model.complete(
            task="answer", instructions="Answer.", prompt="?", output_type=reply,
            stand_in=lambda: reply(text=next(answers)), check=work.violation,
        )  # fmt: skip
        return [completion.output]

    return handle


async def test_a_stricter_rule_that_is_registered_while_the_agent_runs_counts_for_its_answers(
    bench: Any, register: Any
) -> None:
    async with bench.running():
        assert (await bench.ask("beer", "m-1")).status_code == 200
        await register()
        response = await bench.ask("beer", "m-2")
        assert (await bench.ask("tea", "m-3")).status_code == 200
    assert (response.status_code, response.json()["reason"]) == (422, "RULE_VIOLATED")
    assert "no_beer" in response.json()["detail"]
    assert [bench.reply(draft.value)["text"] for draft in bench.published] == ["about beer", "about tea"]


async def test_the_model_is_told_of_the_rule_that_holds_now_and_may_mend_its_answer(
    bench: Any, register: Any, reply: Any
) -> None:
    bench.handle = telling(iter(["beer", "tea"]), reply)
    async with bench.running():
        await register()
        assert (await bench.ask()).status_code == 200
    assert [bench.reply(draft.value)["text"] for draft in bench.published] == ["tea"]
    assert len(bench.model_calls) == 2


async def test_a_handler_that_asks_no_model_can_not_emit_what_is_forbidden_now(
    bench: Any, register: Any, reply: Any
) -> None:
    async def beer(*_: Any) -> Sequence[BaseModel]:
        return [reply(text="beer")]

    bench.handle = beer
    async with bench.running():
        await register()
        response = await bench.ask()
    assert (response.status_code, response.json()["reason"]) == (422, "RULE_VIOLATED")
    assert not bench.published


async def test_a_registry_that_is_away_changes_nothing(bench: Any, register: Any) -> None:
    async with bench.running():
        await register()
        bench.registry.available = False
        bench.registry.asked.clear()

        async def asked() -> bool:
            return "versions" in bench.registry.calls

        await bench.until(asked)
        bench.registry.available = True
        assert (await bench.ask("beer")).status_code == 422


async def test_a_registry_that_is_away_is_told_by_an_agent_that_stays_ready(bench: Any) -> None:
    bench.settings = {"contract_refresh_s": 0.01}

    async def impaired() -> list[str]:
        answer = await bench.get("/readyz")
        assert answer.status_code == 200
        told: list[str] = answer.json()["impaired"]
        return told

    async def is_told() -> bool:
        return bool(await impaired())

    async def is_taken_back() -> bool:
        return not await impaired()

    async with bench.running():
        assert (await bench.ask(message_id="m-1")).status_code == 200
        assert await is_taken_back()
        bench.registry.available = False
        await bench.until(is_told)
        [told] = await impaired()
        assert told.startswith("registry: away since 20")
        assert told.endswith("; the contracts in force stay")
        assert (await bench.ask(message_id="m-2")).status_code == 200
        bench.registry.available = True
        await bench.until(is_taken_back)


async def test_a_version_that_is_held_back_does_not_count(bench: Any, register: Any) -> None:
    async with bench.running():
        bench.settings["contract_pins"] = {"demo.Reply": 1}
    async with bench.running():
        await register()
        assert (await bench.ask("beer")).status_code == 200


async def test_an_agent_whose_contract_does_not_fit_the_one_in_force_asks_its_model_once(bench: Any) -> None:
    built_with = bench.registry.text_of(12)
    bench.registry.has(12, built_with, version=2)
    bench.registry.has(22, wider(built_with), version=1)
    bench.settings = {"contract_pins": {"demo.Reply": 1}}
    async with bench.running():
        response = await bench.ask()
    assert (response.status_code, response.json()["reason"]) == (422, "INCOMPATIBLE")
    assert len(bench.model_calls) == 1
    assert not bench.published
