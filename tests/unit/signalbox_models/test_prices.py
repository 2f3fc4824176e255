"""What a model's answers cost, and that none is asked whose price is unknown while money is bounded."""

from typing import Any

import pytest

from openai_wire import says
from signalbox.models import NANOS, Model, ModelSettings, model_for, price_of, usd
from signalbox.protocol.errors import ConfigurationError

HAIKU = "anthropic:claude-haiku-4-5"
OWN = "openai:our-own"


def test_a_public_price_is_known_by_provider_and_model() -> None:
    price = price_of(HAIKU)
    assert price is not None
    assert (price(1_000_000, 0), price(0, 1_000_000), price(10, 1)) == (1 * NANOS, 5 * NANOS, 15_000)


@pytest.mark.parametrize("name", ["openai:gpt-5-mini", "openai-chat:gpt-5-mini", "google:gemini-2.5-flash"])
def test_a_models_name_may_be_written_as_its_client_takes_it(name: str) -> None:
    price = price_of(name)
    assert price is not None
    assert price(1_000_000, 0) > 0


@pytest.mark.parametrize(
    "name",
    ["bedrock:amazon.nova-lite-v1:0", "openai:ft:gpt-4o-mini-2024-07-18:acme::abc123", "gpt-5-mini"],
)
def test_a_models_name_may_have_colons_of_its_own_or_none(name: str) -> None:
    assert price_of(name) is not None


@pytest.mark.parametrize("value", ["inf", "1e300", "1e-12", "-1", "0"])
@pytest.mark.parametrize("name", ["LLM_DAY_BUDGET_USD", "LLM_WORKFLOW_BUDGET_USD"])
def test_a_budget_that_is_none_is_refused_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        ModelSettings()


@pytest.mark.parametrize("name", ["openai:nobody-knows-it", "nobody:gpt-5-mini", "nothing"])
def test_a_price_that_nobody_knows_is_none(name: str) -> None:
    assert price_of(name) is None


def test_the_operators_own_price_goes_before_the_public_one() -> None:
    price = price_of(HAIKU, {HAIKU: (0.1, 2.5)})
    assert price is not None
    assert price(1_000_000, 1) == 0.1 * NANOS + 2_500


@pytest.mark.parametrize("name", ["", "offline"])
def test_no_model_and_the_stand_in_cost_nothing_unless_somebody_says_so(name: str) -> None:
    free, priced = price_of(name), price_of("offline", {"offline": (1, 1)})
    assert free is not None
    assert priced is not None
    assert (free(1000, 1000), priced(1000, 1000)) == (0, 2_000_000)


def test_a_cost_is_written_in_dollars() -> None:
    assert usd(1_234_567_890) == "1.2346 USD"


@pytest.mark.parametrize("budget", [{"day_budget_usd": 5}, {"workflow_budget_usd": 0.1}])
def test_a_model_without_a_known_price_is_refused_when_money_is_bounded(budget: dict[str, Any]) -> None:
    where = {"base_url": "http://127.0.0.1:1/v1"}
    with pytest.raises(ConfigurationError, match=f"the price of {OWN}, .*: set LLM_PRICES"):
        Model(OWN, ModelSettings(**where, **budget))
    Model(OWN, ModelSettings(**where, **budget, prices={OWN: (0, 0)}))
    Model(OWN, ModelSettings(**where))


def test_the_fallback_needs_a_price_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MODEL": "offline", "FALLBACK": OWN, "DAY_BUDGET_USD": "5"}.items():
        monkeypatch.setenv(f"LLM_{name}", value)
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    with pytest.raises(ConfigurationError, match=OWN):
        model_for("router")


@pytest.mark.parametrize(
    "prices", ["{", '{"a": [1]}', '{"a": [-1, 2]}', '{"a": "cheap"}', '{"a": [Infinity, 1]}']
)
def test_prices_that_are_none_are_refused_by_the_settings_name(
    monkeypatch: pytest.MonkeyPatch, prices: str
) -> None:
    monkeypatch.setenv("LLM_PRICES", prices)
    with pytest.raises(ConfigurationError, match="LLM_PRICES"):
        ModelSettings()


async def test_an_answer_tells_its_cost_corrections_included() -> None:
    model = Model("offline", ModelSettings(prices={"offline": (1000, 1000)}))
    answers = iter(["wrong", "right"])
    done = await model.complete(
        task="t",
        instructions="i",
        prompt="p",
        output_type=str,
        stand_in=lambda: next(answers),
        message_id="m",
        check=lambda said: "no" if said == "wrong" else None,
    )
    assert done.calls == 2
    assert done.cost == done.tokens * NANOS // 1000


async def test_an_answer_without_its_usage_counts_by_its_characters(chat: Any) -> None:
    for usage in (None, {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}):
        chat.says(says({"role": "assistant", "content": '{"response": "right"}'}, usage=usage))
    model = Model(OWN, ModelSettings(base_url=chat.url, output="json_schema", prices={OWN: (0, 1)}))
    guessed, told = [
        await model.complete(
            task="t",
            instructions="i" * 300,
            prompt="p" * 101,
            output_type=str,
            stand_in=str,
            message_id="m",
        )
        for _ in range(2)
    ]
    assert (guessed.input_tokens, guessed.output_tokens, guessed.cost) == (101, 6, 6_000)
    assert (told.input_tokens, told.output_tokens, told.cost) == (3, 4, 4_000)
