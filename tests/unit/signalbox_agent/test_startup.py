"""From started to ready: what an agent waits for, and how it announces itself."""

import asyncio
import time
from typing import Any

import pytest

from committed_contracts import schema_text
from signalbox.avro import decode, parse, unframe
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import Unavailable, Unwritable
from signalbox.protocol.names import AGENT_REGISTRY, AgentId
from signalbox.protocol.records import Record
from signalbox.trust.announcements import opened
from signalbox_agent.settings import own_address
from signing import AGENTS_KEY

AGENT = AgentId("answering")


def announced(bench: Any) -> list[dict[str, Any]]:
    schema = parse(schema_text("control.AgentRegistered"))
    return [decode(unframe(draft.value)[1], schema) for draft in bench.publisher.on(AGENT_REGISTRY)]


async def waits_for(bench: Any, part: str) -> None:
    async def says_so() -> bool:
        answer = await bench.get("/readyz")
        return answer.status_code == 503 and any(why.startswith(part) for why in answer.json()["waiting_for"])

    await bench.until(says_so)


async def test_a_ready_agent_has_announced_what_it_takes_gives_and_was_built_with(bench: Any) -> None:
    bench.definition = {"input": [{"record_type": "demo.Question", "when": "this.text != 'beer'"}]}
    async with bench.running():
        [registered] = announced(bench)
    assert registered["agent_id"] == "answering"
    assert registered["input"] == [{"record_type": "demo.Question", "when": "this.text != 'beer'"}]
    assert registered["output"] == [{"record_type": "demo.Reply", "terminal": False}]
    assert registered["endpoint"] == "http://127.0.0.1:8199"
    assert registered["contracts"] == [
        {"record_type": "demo.Question", "version": 3, "schema_id": 11},
        {"record_type": "demo.Reply", "version": 1, "schema_id": 12},
    ]


async def test_the_announcement_is_keyed_by_the_agent_and_carries_an_envelope(bench: Any) -> None:
    async with bench.running():
        [draft] = bench.publisher.on(AGENT_REGISTRY)
    envelope = Envelope.parse(draft.headers)
    assert draft.key == b"answering"
    assert (envelope.type, envelope.source) == ("control.AgentRegistered", "answering")


async def test_the_announcement_is_signed_and_repeated_byte_for_byte(bench: Any) -> None:
    bench.settings = {"announce_every_s": 0.01}
    async with bench.running():

        async def repeated() -> bool:
            return len(bench.publisher.on(AGENT_REGISTRY)) > 2

        await bench.until(repeated)
        first, *others = bench.publisher.on(AGENT_REGISTRY)
    assert all(other == first for other in others)
    record = Record(AGENT_REGISTRY, 0, 0, first.key, first.value, first.headers)
    assert opened(record, AGENT, (AGENTS_KEY.public,)).time_ms == pytest.approx(
        time.time() * 1000, abs=60_000
    )


async def test_an_announcement_is_younger_than_the_one_before_though_the_clock_was_set_back(
    bench: Any,
) -> None:
    kept = bench.folder / "answering" / "announced_at"
    kept.parent.mkdir()
    ahead = int(time.time() * 1000) + 60_000
    kept.write_text(str(ahead))
    async with bench.running():
        [draft] = bench.publisher.on(AGENT_REGISTRY)
    record = Record(AGENT_REGISTRY, 0, 0, draft.key, draft.value, draft.headers)
    assert opened(record, AGENT, (AGENTS_KEY.public,)).time_ms == ahead + 1


@pytest.mark.parametrize("text", ["", "soon", "99999999999999999"])
async def test_a_kept_time_that_is_none_or_far_ahead_does_not_count(bench: Any, text: str) -> None:
    kept = bench.folder / "answering" / "announced_at"
    kept.parent.mkdir()
    kept.write_text(text)
    async with bench.running():
        [draft] = bench.publisher.on(AGENT_REGISTRY)
    record = Record(AGENT_REGISTRY, 0, 0, draft.key, draft.value, draft.headers)
    seal = opened(record, AGENT, (AGENTS_KEY.public,))
    assert seal.time_ms == pytest.approx(time.time() * 1000, abs=60_000)


async def test_an_agent_waits_for_its_contracts_and_says_which(bench: Any) -> None:
    missing = bench.registry.text_of(12)
    bench.registry.forget(12)
    async with bench.running(ready=False):
        await waits_for(bench, "contracts: the registry does not have this service's version of demo.Reply")
        assert (await bench.ask()).status_code == 503
        assert not bench.publisher.drafts
        bench.registry.has(12, missing)
        await bench.until_ready()
        assert (await bench.ask()).status_code == 200


async def test_a_version_that_differs_from_the_registered_one_is_not_taken_for_it(bench: Any) -> None:
    bench.registry.has(12, bench.registry.text_of(12) + " ")
    async with bench.running(ready=False):
        await waits_for(bench, "contracts: the registry does not have")


async def test_an_agent_waits_for_registry_and_broker(bench: Any) -> None:
    bench.registry.available = False
    bench.publisher.failure = Unavailable("broker", "it is away for this test")
    async with bench.running(ready=False):
        await waits_for(bench, "registry: ")
        bench.registry.available = True
        await waits_for(bench, "broker: ")
        bench.publisher.failure = None
        await bench.until_ready()
    assert len(announced(bench)) == 1


async def test_an_agent_waits_for_the_topic_of_announcements(bench: Any) -> None:
    bench.settings = {"announce_every_s": 0.01}
    gone = Unwritable(AGENT_REGISTRY, "it is not on this broker", misplaced=True)
    bench.publisher.failure = gone
    async with bench.running(ready=False):
        await waits_for(bench, "broker: ")
        bench.publisher.failure = None
        await bench.until_ready()
        bench.publisher.failure = gone  # it is lost later, and comes back
        await asyncio.sleep(0.1)
        bench.publisher.failure = None
        known = len(announced(bench))

        async def repeated() -> bool:
            return len(announced(bench)) > known

        await bench.until(repeated)


async def test_an_agent_is_alive_and_shows_its_definition_before_it_is_ready(bench: Any) -> None:
    bench.registry.available = False
    async with bench.running(ready=False):
        assert (await bench.get("/healthz")).status_code == 200
        answer = (await bench.get("/agent")).json()
    assert (answer["id"], answer["contracts"], answer["model"]) == ("answering", [], "offline")


async def test_a_ready_agent_shows_its_contract_versions_and_metrics(bench: Any) -> None:
    async with bench.running():
        await bench.ask()
        answer = (await bench.get("/agent")).json()
        metrics = (await bench.get("/metrics")).text
    assert answer["contracts"][0] == {"record_type": "demo.Question", "version": 3, "schema_id": 11}
    assert 'signalbox_agent_messages_total{agent="answering",status="200"}' in metrics


async def test_an_agent_that_can_never_start_stops_the_process(bench: Any) -> None:
    async def impossible(*_: Any) -> Any:
        raise RuntimeError("a fault in the code")

    bench.registry.lookup = impossible
    async with bench.running(ready=False):

        async def stopped() -> bool:
            return bench.stops == 1

        await bench.until(stopped)


async def test_stopping_while_waiting_is_quick(bench: Any) -> None:
    bench.registry.available = False
    async with asyncio.timeout(5), bench.running(ready=False):
        await waits_for(bench, "registry: ")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:9001"),
        ("0.0.0.0", "http://127.0.0.1:9001"),
        ("::1", "http://[::1]:9001"),
        ("scoring.internal", "http://scoring.internal:9001"),
    ],
)
def test_the_endpoint_is_where_the_service_listens(
    monkeypatch: pytest.MonkeyPatch, host: str, address: str
) -> None:
    monkeypatch.setenv("MY_AGENT_HOST", host)
    monkeypatch.setenv("MY_AGENT_PORT", "9001")
    assert own_address(AgentId("my-agent"), 8100) == address


async def test_an_agent_serves_its_description_and_no_page_with_scripts_from_elsewhere(bench: Any) -> None:
    bench.contracts()
    async with bench.running():
        assert [(await bench.get(path)).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [
            404,
            404,
            200,
        ]
