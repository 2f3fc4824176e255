"""From started to ready: what an agent waits for, and how it announces itself."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from signalbox.agent.bearer import own_token, permits
from signalbox.agent.settings import AgentSettings, own_address
from signalbox.avro import decode, parse, unframe
from signalbox.envelope import Envelope
from signalbox.errors import ConfigurationError, Unavailable
from signalbox.names import AGENT_REGISTRY, AgentId
from signalbox_contracts import schema_text

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


async def test_an_agent_waits_for_its_contracts_and_says_which(bench: Any) -> None:
    missing = bench.registry.schemas.pop(12)
    async with bench.running(ready=False):
        await waits_for(bench, "contracts: the registry does not have this service's version of demo.Reply")
        assert (await bench.ask()).status_code == 503
        assert not bench.publisher.drafts
        bench.registry.schemas[12] = missing
        await bench.until_ready()
        assert (await bench.ask()).status_code == 200


async def test_a_version_that_differs_from_the_registered_one_is_not_taken_for_it(bench: Any) -> None:
    subject, version, text = bench.registry.schemas[12]
    bench.registry.schemas[12] = (subject, version, text + " ")
    async with bench.running(ready=False):
        await waits_for(bench, "contracts: the registry does not have")


async def test_an_agent_waits_for_registry_and_broker(bench: Any) -> None:
    bench.registry.away = True
    bench.publisher.failure = Unavailable("broker", "it is away for this test")
    async with bench.running(ready=False):
        await waits_for(bench, "registry: ")
        bench.registry.away = False
        await waits_for(bench, "broker: ")
        bench.publisher.failure = None
        await bench.until_ready()
    assert len(announced(bench)) == 1


async def test_an_agent_is_alive_and_shows_its_definition_before_it_is_ready(bench: Any) -> None:
    bench.registry.away = True
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
    bench.registry.away = True
    async with asyncio.timeout(5), bench.running(ready=False):
        await waits_for(bench, "registry: ")


def test_the_token_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    settings = AgentSettings(tokens_dir=tmp_path / "tokens")
    token = own_token(settings, AGENT)
    path = tmp_path / "tokens" / "answering"
    assert len(token) >= 32
    assert own_token(settings, AGENT) == token == path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["answering"]


def test_the_token_of_the_environment_counts_before_the_file(tmp_path: Path) -> None:
    assert own_token(AgentSettings(tokens_dir=tmp_path, token="given"), AGENT) == "given"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff"])
def test_a_token_file_that_is_empty_or_no_text_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "answering").write_bytes(content)
    with pytest.raises(ConfigurationError, match="answering"):
        own_token(AgentSettings(tokens_dir=tmp_path), AGENT)


def test_only_the_bearer_scheme_with_the_token_is_let_in() -> None:
    assert permits("Bearer t", "t")
    assert permits("bearer  t", "t")
    for header in (None, "", "t", "Basic t", "Bearer", "Bearer x", "Bearer t t"):
        assert not permits(header, "t")


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
