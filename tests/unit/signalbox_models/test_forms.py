"""What the server can do is found out by its first answers, and every answer has its bounds."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import pytest
from fastapi import Response
from pydantic import BaseModel, Field

from openai_wire import error, form_of, says, unable, well
from provider_replies import Body, Reply
from signalbox.models import ROUTE, Completion, Model, ModelRefused, ModelSettings
from signalbox.protocol.errors import Unavailable


class Choice(BaseModel):
    agent: Literal["lead_scoring", "NONE"]
    reason: str = Field(max_length=300)


GOOD = {"agent": "lead_scoring", "reason": "it scores"}


def server_of(*able: str, otherwise: Callable[[str], Reply]) -> Reply:
    """Answer well in the forms that the server is ``able`` of."""

    def reply(request: Body) -> Any:
        form = form_of(request)
        return (well(GOOD) if form in able else otherwise(form))(request)

    return reply


def writes_prose(_: str) -> Reply:
    return says({"content": "I would give it to scoring."})


def unprocessable(form: str) -> Reply:
    return error(422, f"unknown field: {'response_format' if form == 'json_schema' else 'tools'}")


def no_endpoint(_: str) -> Reply:
    return error(404, "No endpoints found that support tool use or structured output")


async def ask(model: Model, message_id: str = "m-1", **more: Any) -> Completion[Choice]:
    return await model.complete(
        task=ROUTE,
        instructions="Choose.",
        prompt="A lead.",
        output_type=Choice,
        stand_in=lambda: pytest.fail("a real model needs no stand-in"),
        message_id=message_id,
        **more,
    )


@pytest.fixture
def finding(chat: Any) -> Callable[..., Model]:
    def made(**settings: Any) -> Model:
        return Model("scripted-1", ModelSettings(base_url=chat.url, timeout_s=10, **settings))

    return made


@pytest.mark.parametrize("otherwise", [unable, writes_prose, unprocessable, no_endpoint])
@pytest.mark.parametrize(
    ("able", "found"),
    [
        (["json_schema", "tool", "prompted"], "json_schema"),
        (["tool", "prompted"], "tool"),
        (["prompted"], "prompted"),
    ],
)
async def test_a_first_request_finds_what_the_server_can_do_and_the_next_ones_know_it(
    finding: Any, chat: Any, able: list[str], found: str, otherwise: Any
) -> None:
    model = finding()
    assert model.told() == "scripted-1 (LLM_OUTPUT: not known yet)"
    chat.says(*[server_of(*able, otherwise=otherwise)] * 4)
    first = await ask(model)
    assert (first.output, model.form) == (Choice(**GOOD), found)
    assert first.calls == len(chat.requests) == 4 - len(able)
    assert (await ask(model)).calls == 1
    assert form_of(chat.requests[-1]) == found


async def test_a_server_that_breaks_over_a_form_is_asked_in_another_after_a_few_tries(
    finding: Any, chat: Any
) -> None:
    model = finding()
    chat.says(*[server_of("tool", otherwise=lambda _: error(500, "internal error"))] * 4)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await ask(model)
    assert (await ask(model)).calls == 1
    assert model.form == "tool"


async def test_a_server_that_can_do_no_form_is_the_operators_matter_and_found_out_once_it_can(
    finding: Any, chat: Any
) -> None:
    model = finding()
    chat.says(*[error(400, "this model supports no tools and no response_format")] * 3)
    with pytest.raises(Unavailable):
        await ask(model)
    assert [form_of(request) for request in chat.requests] == ["json_schema", "tool", "prompted"]
    chat.says(server_of("json_schema", otherwise=unable))
    await ask(model)
    assert model.form == "json_schema"


async def test_a_key_that_is_wrong_says_nothing_about_the_form(finding: Any, chat: Any) -> None:
    model = finding()
    chat.says(error(401, "invalid api key"), server_of("json_schema", otherwise=unable))
    with pytest.raises(Unavailable, match="invalid api key"):
        await ask(model)
    assert (await ask(model)).calls == 1
    assert model.form == "json_schema"


async def test_a_models_name_says_nothing_about_the_form(chat: Any) -> None:
    model = Model("functionary-tool-caller", ModelSettings(base_url=chat.url, timeout_s=10))
    chat.says(error(404, f"no model {model.name} here"), server_of("json_schema", otherwise=unable))
    with pytest.raises(Unavailable, match="no model functionary"):
        await ask(model)
    await ask(model)
    assert model.form == "json_schema"


async def test_an_answer_with_a_wrong_value_shows_that_the_form_works(finding: Any, chat: Any) -> None:
    model = finding()
    wrong = json.dumps({"agent": "nobody", "reason": "x"})
    chat.says(says({"content": wrong}), server_of("json_schema", otherwise=unable))
    assert (await ask(model)).calls == 2
    assert model.form == "json_schema"


@pytest.mark.parametrize("form", ["json_schema", "tool", "prompted"])
async def test_a_form_that_is_set_is_asked_for_and_no_other(finding: Any, chat: Any, form: str) -> None:
    model = finding(output=form, retries=0)
    chat.says(*[server_of(otherwise=writes_prose)] * 3)
    for _ in range(3):
        with pytest.raises(ModelRefused):
            await ask(model)
    assert {form_of(request) for request in chat.requests} == {form}


async def test_the_schema_of_a_choice_names_the_candidates_and_has_the_agent_first(
    finding: Any, chat: Any
) -> None:
    chat.says(server_of("json_schema", otherwise=unable))
    await ask(finding())
    schema = chat.requests[0]["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["agent", "reason"]
    assert schema["properties"]["agent"]["enum"] == ["lead_scoring", "NONE"]


async def test_bounds_are_sent_those_of_the_router_and_those_of_other_tasks(finding: Any, chat: Any) -> None:
    model = finding(max_tokens=700, route_max_tokens=90)
    chat.says(*[server_of("json_schema", otherwise=unable)] * 2)
    await ask(model, temperature=0)
    await model.complete(
        task="score", instructions="i", prompt="p", output_type=Choice, stand_in=dict, message_id="m"
    )
    assert [request["max_tokens"] for request in chat.requests] == [90, 700]
    assert [request.get("temperature") for request in chat.requests] == [0, None]


CUT = '{"agent": "lead_scoring", "reason": "it sco'


async def test_an_answer_that_is_cut_still_has_the_choice_where_that_comes_first(
    finding: Any, chat: Any
) -> None:
    model = finding()
    chat.says(says({"content": CUT}, "length"))
    assert (await ask(model, may_be_cut=True)).output == Choice(agent="lead_scoring", reason="it sco")
    assert model.form == "not known yet"  # it may have been going on in any way


@pytest.mark.parametrize("cut", ['{"agent": "lead_sco', '{"agent"', "{", "", '{"reason": "it scores'])
async def test_an_answer_that_is_cut_before_its_choice_is_asked_for_again(
    finding: Any, chat: Any, cut: str
) -> None:
    chat.says(
        says({"content": cut or " ", "tool_calls": None}, "length"),
        server_of("json_schema", otherwise=unable),
    )
    if cut:
        assert (await ask(finding(), may_be_cut=True)).calls == 2
    else:
        with pytest.raises(Unavailable):
            await ask(finding(), may_be_cut=True)


async def test_an_answer_that_is_cut_is_none_where_all_of_it_is_needed(finding: Any, chat: Any) -> None:
    chat.says(says({"content": CUT}, "length"), server_of("json_schema", otherwise=unable))
    assert (await ask(finding())).calls == 2
    assert "cut" in chat.requests[1]["messages"][-1]["content"]


async def test_all_attempts_together_have_a_deadline(finding: Any, chat: Any) -> None:
    poor: Any = says({"content": '{"agent": "nobody", "reason": "x"}'})

    async def slowly(body: Body) -> Response:
        await asyncio.sleep(0.2)
        return poor(body)

    model = finding(deadline_s=0.5, retries=10)
    chat.says(*[slowly] * 11)
    with pytest.raises(Unavailable, match="scripted-1"):
        await ask(model)
    assert len(chat.requests) <= 3
