"""``POST /messages``: what an agent answers, in which order it makes things durable, and what it refuses."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

from signalbox.protocol.envelope import Envelope, answer_id
from signalbox.protocol.errors import ConfigurationError, Fatal, Unavailable, Unwritable
from signalbox.protocol.names import AgentId, LeadId, MessageId, RecordType
from signalbox.trust import ORCHESTRATOR, SigningKey, token_for
from signalbox_agent import Message, Refuse, Work
from signalbox_agent.store import Identity, StateStore
from signing import AGENTS_KEY, ORCHESTRATORS_KEY, SignedAs, parts_of


def problem(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert body["status"] == status
    return body


async def test_a_message_is_answered_when_its_answer_is_published(bench: Any) -> None:
    async with bench.running():
        response = await bench.ask("tea")
    expected = answer_id(MessageId("m-1"), AgentId("answering"), RecordType("demo.Reply"), 0)
    assert response.status_code == 200
    assert response.json() == {
        "message_id": "m-1",
        "answers": [{"id": expected, "record_type": "demo.Reply"}],
    }
    [draft] = bench.published
    assert draft.key == b"lead-1"
    assert bench.reply(draft.value) == {"text": "about tea"}
    assert Envelope.parse(draft.headers).id == expected


async def test_the_answers_envelope_continues_the_workflow(bench: Any) -> None:
    started = datetime(2030, 1, 1, tzinfo=UTC)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    more = {"hop": 4, "tokens": 100, "visits": {"answering": 1, "other": 2}, "workflow_time": started}
    async with bench.running():
        await bench.ask(**more, traceparent=trace)
    envelope = Envelope.parse(bench.published[0].headers)
    assert (envelope.hop, envelope.causation_id, envelope.source) == (5, "m-1", "answering")
    assert envelope.correlation_id == bench.envelope().correlation_id
    assert envelope.tokens > 100
    assert envelope.visits == {"answering": 2, "other": 2}
    assert (envelope.workflow_time, envelope.traceparent) == (started, trace)


async def test_tokens_count_on_the_first_answer_only(bench: Any, reply: Any) -> None:
    async def twice(_: Message[Any], work: Work) -> Sequence[BaseModel]:
        more = {"instructions": "x", "prompt": "y", "output_type": reply, "stand_in": lambda: {"text": "z"}}
        await work.model.complete(task="a", **more)
        await work.model.complete(task="b", **more)
        return [reply(text="one"), reply(text="two")]

    bench.handle = twice
    async with bench.running():
        await bench.ask()
    first, second = [Envelope.parse(draft.headers) for draft in bench.published]
    assert (first.tokens > 0, second.tokens) == (True, 0)
    assert (first.used_tokens, second.used_tokens) == (first.tokens, 0)
    assert first.id != second.id


async def test_a_key_in_any_script_comes_through_http(bench: Any) -> None:
    async with bench.running():
        response = await bench.ask(lead_id='鉛筆 "50%" ü')
    assert response.status_code == 200
    assert bench.published[0].key == '鉛筆 "50%" ü'.encode()
    assert bench.handled[0].lead_id == '鉛筆 "50%" ü'


async def test_a_message_that_is_known_gets_the_same_bytes_and_no_model_call(bench: Any) -> None:
    async with bench.running():
        first = await bench.ask()
    async with bench.running():
        second = await bench.ask()
    assert first.json() == second.json()
    once, again = bench.published
    assert once == again
    assert len(bench.model_calls) == 1


async def test_two_leads_whose_messages_have_the_same_id_get_each_their_own_answer(bench: Any) -> None:
    # Ids come from outside: a foreign producer may number the messages of each lead from 1.
    async with bench.running():
        for text, lead_id in (("tea", "lead-1"), ("milk", "lead-2"), ("milk", "lead-2")):
            assert (await bench.ask(text, lead_id=lead_id)).status_code == 200
    first, second, again = bench.published
    assert [(draft.key, bench.reply(draft.value)["text"]) for draft in (first, second)] == [
        (b"lead-1", "about tea"),
        (b"lead-2", "about milk"),
    ]
    assert again == second
    assert [Envelope.parse(draft.headers).correlation_id for draft in (first, second)] == [
        bench.envelope(lead_id=lead_id).correlation_id for lead_id in ("lead-1", "lead-2")
    ]


async def test_two_leads_whose_messages_have_the_same_id_are_worked_on_at_the_same_time(
    bench: Any, reply: Any
) -> None:
    both = asyncio.Event()

    async def together(message: Message[Any], _: Work) -> Sequence[BaseModel]:
        if len(bench.handled) == 2:
            both.set()
        await both.wait()
        return [reply(text=message.record.text)]

    bench.handle = together
    async with asyncio.timeout(10), bench.running():
        responses = await asyncio.gather(bench.ask("tea"), bench.ask("milk", lead_id="lead-2"))
    assert [response.status_code for response in responses] == [200, 200]
    assert {(draft.key, bench.reply(draft.value)["text"]) for draft in bench.published} == {
        (b"lead-1", "tea"),
        (b"lead-2", "milk"),
    }


async def test_the_same_ids_under_another_key_are_another_message(bench: Any) -> None:
    correlation = {"correlation_id": bench.envelope().correlation_id}
    async with bench.running():
        await bench.ask("tea", lead_id="lead-1", **correlation)
        await bench.ask("milk", lead_id="lead-2", **correlation)
    assert [(draft.key, bench.reply(draft.value)["text"]) for draft in bench.published] == [
        (b"lead-1", "about tea"),
        (b"lead-2", "about milk"),
    ]


async def test_a_known_message_is_answered_without_reading_it_again(bench: Any) -> None:
    async with bench.running():
        await bench.ask()
        bench.registry.forget(11)
        assert (await bench.post(b"\x00rubbish", bench.headers())).status_code == 200


async def test_the_answer_is_kept_before_it_is_published(bench: Any) -> None:
    async with bench.running():
        bench.publisher.failure = Unavailable("broker", "it is away for this test")
        problem(await bench.ask(), 503)
        bench.publisher.failure = None
        assert (await bench.ask()).status_code == 200
    assert len(bench.model_calls) == 1


async def test_an_answer_that_the_broker_will_never_take_is_a_refusal_and_no_bad_moment(bench: Any) -> None:
    async with bench.running():
        bench.publisher.failure = Unwritable("agent_messages", "MSG_SIZE_TOO_LARGE")
        told = problem(await bench.ask(), 422)
        assert told["reason"] == "TOO_LARGE"
        bench.publisher.failure = Unwritable("agent_messages", "UNKNOWN_TOPIC_OR_PART", misplaced=True)
        problem(await bench.ask(), 503)


async def test_one_message_posted_twice_at_once_is_worked_on_once(bench: Any, reply: Any) -> None:
    go = asyncio.Event()

    async def slow(message: Message[Any], _: Work) -> Sequence[BaseModel]:
        await go.wait()
        return [reply(text=message.record.text)]

    bench.handle = slow
    async with bench.running():
        posts = [asyncio.create_task(bench.ask()) for _ in range(3)]
        while not bench.handled:
            await asyncio.sleep(0.01)
        go.set()
        responses = await asyncio.gather(*posts)
    assert [response.status_code for response in responses] == [200, 200, 200]
    assert len({response.text for response in responses}) == 1
    assert len(bench.handled) == 1
    assert len(bench.published) == 1


async def test_a_caller_that_hangs_up_does_not_stop_the_work(bench: Any, reply: Any) -> None:
    go = asyncio.Event()

    async def slow(*_: Any) -> Sequence[BaseModel]:
        await go.wait()
        return [reply(text="done")]

    bench.handle = slow
    async with bench.running():
        post = asyncio.create_task(bench.ask())
        while not bench.handled:
            await asyncio.sleep(0.01)
        post.cancel()
        await asyncio.gather(post, return_exceptions=True)
        go.set()
        assert (await bench.ask()).status_code == 200
    assert len(bench.handled) == 1


@pytest.mark.parametrize("token", [None, "", "wrong", "a.b.c", "e30.e30.", "ünï"])
async def test_a_call_without_a_token_is_refused(bench: Any, token: str | None) -> None:
    async with bench.running():
        body = None if token is None else token.encode()
        headers = bench.headers() | ({} if body is None else {"authorization": b"Bearer " + body})
        problem(await bench.post(bench.question(), headers, token=None), 401)
    assert not bench.handled


@pytest.mark.parametrize(
    "auth",
    [
        SignedAs("answering", SigningKey.generate()),
        SignedAs("answering", AGENTS_KEY),
        SignedAs("answering", issuer="operator"),
        SignedAs("another_agent"),
        SignedAs("answering", away_s=-120),
        SignedAs("answering", away_s=120),
    ],
    ids=[
        "a stranger's key",
        "the agent's own key",
        "another issuer",
        "another agent",
        "too old",
        "too young",
    ],
)
async def test_a_token_that_is_not_the_orchestrators_for_this_agent_and_minute_is_refused(
    bench: Any, auth: SignedAs
) -> None:
    async with bench.running():
        problem(await bench.post(bench.question(), bench.headers(), auth=auth), 401)
    assert not bench.handled


async def test_a_token_is_worth_nothing_for_another_body_or_other_headers(bench: Any) -> None:
    async with bench.running():
        url = "http://agent/messages"
        honest = httpx2.Request("POST", url, content=bench.question(), headers=bench.headers())
        token = token_for(parts_of(honest), AgentId("answering"), ORCHESTRATORS_KEY, ORCHESTRATOR)
        bearer = {"authorization": f"Bearer {token}"}
        problem(await bench.post(bench.question("gin"), bench.headers() | bearer, token=None), 401)
        for name, value in (("ce-id", "m-2"), ("ce-hop", "9"), ("ce-tokens", "1"), ("ce-new", "x")):
            headers = bench.headers() | bearer | {name: value}
            problem(await bench.post(bench.question(), headers, token=None), 401)
        again = [*(bench.headers() | bearer).items(), ("ce-hop", "0")]
        problem(await bench.client.post("/messages", content=bench.question(), headers=again), 401)
        path = "/messages?type=demo.Question"
        problem(
            await bench.client.post(path, content=bench.question(), headers=bench.headers() | bearer), 401
        )
        assert not bench.handled
        assert (await bench.post(bench.question(), bench.headers() | bearer, token=None)).status_code == 200


async def test_a_body_over_one_mebibyte_is_refused(bench: Any) -> None:
    async with bench.running():
        problem(await bench.post(b"\x00" * (1024 * 1024 + 1), bench.headers()), 413)


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/xml"])
async def test_another_media_type_is_refused(bench: Any, media_type: str) -> None:
    async with bench.running():
        problem(await bench.post(b"hi", {"content-type": media_type}), 415)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "NOT_FRAMED"),
        (b"\x01\x00\x00\x00\x0b", "NOT_FRAMED"),
        (b"\x00\x00\x00\x00\x0b\x99", "MALFORMED"),
        (b"\x00\x00\x00\x00\x0b\x06tea\x02aX", "MALFORMED"),
        (b"\x00\x00\x00\x00\x0c\x06tea", "NOT_ADMITTED"),
    ],
)
async def test_bytes_that_are_no_such_record_are_refused(bench: Any, body: bytes, reason: str) -> None:
    async with bench.running():
        assert problem(await bench.post(body, bench.headers()), 422)["reason"] == reason
    assert not bench.handled


async def test_an_id_that_the_registry_does_not_know_is_asked_twice_and_refused(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox_agent.contracts._ASK_AGAIN_AFTER_S", 0)
    async with bench.running():
        bench.registry.asked.clear()
        assert (
            problem(await bench.post(b"\x00\x00\x00\x03\xe7x", bench.headers()), 422)["reason"]
            == "UNKNOWN_SCHEMA"
        )
    assert bench.registry.calls.count("schema_text") == 2


async def test_a_writer_with_an_older_schema_is_read_by_the_agents_own_contract(
    bench: Any, old_question: str
) -> None:
    bench.registry.has(9, old_question)
    async with bench.running():
        body = bench.question("tea", schema_id=9, schema=old_question, gone=5)
        assert (await bench.post(body, bench.headers())).status_code == 200
    assert bench.handled[0].record.lead_id == "lead-1"


async def test_a_type_that_the_agent_does_not_take_is_refused(bench: Any) -> None:
    async with bench.running():
        body = problem(await bench.ask(type=RecordType("demo.Other")), 422)
    assert (body["reason"], body["field"]) == ("NOT_ADMITTED", "ce-type")


@pytest.mark.parametrize(
    "name", ["ce-id", "ce-type", "ce-correlationid", "ce-hop", "ce-partitionkey", "ce-time"]
)
async def test_a_missing_header_is_refused_by_name(bench: Any, name: str) -> None:
    headers = bench.headers()
    del headers[name]
    async with bench.running():
        body = problem(await bench.post(bench.question(), headers), 422)
    assert (body["reason"], name.replace("-", "_") in body["field"].replace("-", "_")) == (
        "HEADER_INVALID",
        True,
    )


async def test_a_refusal_of_the_handler_is_a_problem_that_people_can_read(bench: Any) -> None:
    async def refuse(*_: Any) -> Sequence[BaseModel]:
        raise Refuse("no tea here", "text")

    bench.handle = refuse
    async with bench.running():
        body = problem(await bench.ask(), 422)
    assert (body["reason"], body["detail"], body["field"]) == ("REFUSED", "no tea here", "text")
    assert not bench.published


async def test_an_answer_that_breaks_a_data_rule_is_refused_and_not_published(bench: Any, reply: Any) -> None:
    async def rude(*_: Any) -> Sequence[BaseModel]:
        return [reply(text="fine"), reply(text="damn")]

    bench.handle = rude
    async with bench.running():
        body = problem(await bench.ask(), 422)
    assert (body["reason"], body["field"]) == ("RULE_VIOLATED", "text")
    assert not bench.published


async def test_a_model_that_keeps_breaking_a_data_rule_is_told_and_then_refused(bench: Any) -> None:
    async with bench.running():
        body = problem(await bench.ask("damn"), 422)
    assert body["reason"] == "RULE_VIOLATED"
    assert len(bench.model_calls) == 3
    assert {call["message_id"] for call in bench.model_calls} == {"m-1"}


async def test_a_model_whose_answers_stay_invalid_refuses_the_message(bench: Any, reply: Any) -> None:
    async def nonsense(_: Message[Any], work: Work) -> Sequence[BaseModel]:
        more = {"instructions": "x", "prompt": "y", "output_type": reply, "stand_in": lambda: {"txt": 1}}
        return [(await work.model.complete(task="a", **more)).output]

    bench.handle = nonsense
    async with bench.running():
        assert problem(await bench.ask(), 422)["reason"] == "MODEL_REFUSED"


@pytest.mark.parametrize("answer", [[], ["a string"], [Refuse]])
async def test_a_handler_that_gives_nothing_or_the_undeclared_is_at_fault(bench: Any, answer: Any) -> None:
    async def wrong(*_: Any) -> Any:
        return answer

    bench.handle = wrong
    async with bench.running():
        problem(await bench.ask(), 500)
    assert not bench.published


async def test_an_unexpected_error_shows_no_internals(bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def broken(*_: Any) -> Sequence[BaseModel]:
        raise RuntimeError("password=hunter2")

    bench.handle = broken
    async with bench.running():
        response = await bench.ask()
        problem(response, 500)
        assert "hunter2" not in response.text
        bench.handle = None
        assert (await bench.ask()).status_code == 200
    assert "hunter2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("failure", "retry_after"), [(Unavailable("model", "busy", 7), "7"), (Unavailable("model", "busy"), "1")]
)
async def test_a_model_that_is_away_is_said_with_how_long_to_wait(
    bench: Any, failure: Exception, retry_after: str
) -> None:
    async def away(*_: Any) -> Sequence[BaseModel]:
        raise failure

    bench.handle = away
    async with bench.running():
        response = await bench.ask()
    problem(response, 503)
    assert response.headers["retry-after"] == retry_after


async def test_a_registry_that_is_away_refuses_no_message(bench: Any) -> None:
    async with bench.running():
        bench.registry.available = False
        problem(await bench.ask(), 503)
        bench.registry.available = True
        assert (await bench.ask()).status_code == 200


@pytest.mark.parametrize("failure", [Fatal("fenced"), ConfigurationError("the broker refuses us")])
async def test_a_producer_that_can_not_go_on_stops_the_process(bench: Any, failure: Exception) -> None:
    async with bench.running():
        bench.publisher.failure = failure
        problem(await bench.ask(), 503)
    assert bench.stops == 1


async def test_messages_beyond_the_slots_wait_and_beyond_the_queue_are_put_off(
    bench: Any, reply: Any
) -> None:
    go = asyncio.Event()

    async def slow(*_: Any) -> Sequence[BaseModel]:
        await go.wait()
        return [reply(text="done")]

    bench.handle = slow
    bench.settings = {"concurrency": 2, "queue_limit": 1}
    async with bench.running():
        posts = [asyncio.create_task(bench.ask(message_id=f"m-{number}")) for number in range(3)]
        while len(bench.handled) < 2:
            await asyncio.sleep(0.01)
        late = await bench.ask(message_id="m-late")
        assert len(bench.handled) == 2
        go.set()
        responses = await asyncio.gather(*posts)
    problem(late, 503)
    assert "retry-after" in late.headers
    assert [response.status_code for response in responses] == [200, 200, 200]


async def test_json_from_people_is_answered_with_the_records(bench: Any) -> None:
    async with bench.running():
        response = await bench.ask_json({"text": "tea", "lead_id": "lead-7"})
    assert response.status_code == 200, response.text
    assert response.json()["records"] == [{"text": "about tea"}]
    [draft] = bench.published
    assert draft.key == b"lead-7"
    envelope = Envelope.parse(draft.headers)
    assert (envelope.correlation_id, envelope.hop) == (bench.envelope(lead_id="lead-7").correlation_id, 1)


@pytest.mark.parametrize(
    ("content", "reason", "field"),
    [
        (b"{", "MALFORMED", ""),
        (b"", "MALFORMED", ""),
        ({"lead_id": "x"}, "MALFORMED", "text"),
        ({"text": ""}, "RULE_VIOLATED", "text"),
        ({"text": "tea", "lead_id": ""}, "HEADER_INVALID", "ce-partitionkey"),
    ],
)
async def test_json_that_breaks_the_contract_is_refused(
    bench: Any, content: Any, reason: str, field: str
) -> None:
    async with bench.running():
        body = problem(await bench.ask_json(content), 422)
    assert (body["reason"], body.get("field", "")) == (reason, field)
    assert not bench.handled


async def test_json_of_a_type_that_is_not_taken_is_refused(bench: Any) -> None:
    async with bench.running():
        problem(await bench.ask_json({"text": "tea"}, params={"type": "demo.Other"}), 422)
        assert (await bench.ask_json({"text": "tea"}, params={"type": "demo.Question"})).status_code == 200


async def test_json_with_an_idempotency_key_is_worked_on_once(bench: Any) -> None:
    async with bench.running():
        first = await bench.ask_json({"text": "tea"}, {"idempotency-key": "mine"})
        second = await bench.ask_json({"text": "tea"}, {"idempotency-key": "mine"})
    assert first.json() == second.json()
    assert first.json()["message_id"] == "mine"
    assert len(bench.model_calls) == 1


async def test_a_fault_in_reading_a_request_is_logged_and_shown_as_a_problem(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("signalbox_agent.routes.delivery_of", broken)
    async with bench.running():
        assert "hunter2" not in str(problem(await bench.ask(), 500))
    assert "hunter2" in capsys.readouterr().out


async def test_errors_of_the_framework_are_problems_too(bench: Any) -> None:
    async with bench.running():
        problem(await bench.get("/nowhere"), 404)
        problem(await bench.get("/messages"), 405)


async def test_what_is_in_flight_is_finished_when_the_service_stops(bench: Any, reply: Any) -> None:
    go = asyncio.Event()

    async def slow(*_: Any) -> Sequence[BaseModel]:
        await go.wait()
        return [reply(text="done")]

    bench.handle = slow
    async with bench.running():
        post = asyncio.create_task(bench.ask())
        while not bench.handled:
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.05, go.set)
    assert (await post).status_code == 200
    assert len(bench.published) == 1


async def test_old_answers_are_forgotten_and_fresh_ones_kept(bench: Any) -> None:
    async with bench.running():
        await bench.ask()
    store = StateStore(f"sqlite:///{bench.folder / 'answering' / 'state.db'}", AgentId("answering"))
    assert store.purge(timedelta(hours=1)) == 0
    assert store.purge(timedelta(hours=-1)) == 1
    assert store.recall(Identity.of(bench.envelope(), LeadId("lead-1"))) == []
    store.close()
