import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from signalbox.protocol.errors import ConfigurationError
from signalbox.telemetry import Readiness, Server, operations_routes
from signalbox_agent.settings import own_names


def answering(monkeypatch: pytest.MonkeyPatch, allowed: str = "") -> httpx2.AsyncClient:
    app = FastAPI()
    app.include_router(operations_routes(Readiness()))

    @app.get("/leads")
    async def leads() -> PlainTextResponse:
        return PlainTextResponse("Ada Nowak")

    @app.post("/sent")
    async def sent() -> dict[str, bool]:
        return {"sent": True}

    monkeypatch.setenv("ALLOWED_HOSTS", allowed)
    served = Server(app, "lead_capture", 8000).app
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(served), base_url="http://127.0.0.1")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8080",
        "localhost",
        "LOCALHOST.:8080",
        "[::1]:8080",
        "10.1.2.3",
        "lead_capture:8000",
        "lead-capture",
        "leads.acme.example",
        "a.b.inside.example:81",
    ],
)
async def test_a_request_for_a_known_host_is_answered(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    async with answering(monkeypatch, "leads.acme.example, *.inside.example") as http:
        assert (await http.get("/leads", headers={"host": host})).text == "Ada Nowak"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "2130706433",
        "0x7f.1",
        "::1]",
        "evil.example#127.0.0.1",
        "127.0.0.1@evil.example",
        "[::1].evil.example",
        "inside.example",
        "notinside.example",
        "leads.acme.example.evil.example",
        "ⅼocalhost",
        ":8080",
        ",",
        "",
    ],
)
async def test_a_page_under_another_name_reads_nothing(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    async with answering(monkeypatch, "leads.acme.example, *.inside.example") as http:
        answer = await http.get("/leads", headers={"host": host.encode()})
        assert answer.status_code == 421
        assert answer.headers["content-type"] == "application/problem+json"
        assert "Ada" not in answer.text
        assert (await http.post("/sent", headers={"host": host.encode()})).status_code == 421


async def test_two_hosts_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(monkeypatch) as http:
        answer = await http.get("/leads", headers=[("host", "localhost"), ("host", "evil.example")])
    assert answer.status_code == 421


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_may_ask_under_any_name(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    async with answering(monkeypatch) as http:
        assert (await http.get(path, headers={"host": "pod.cluster.example"})).status_code == 200


@pytest.mark.parametrize(
    "setting", ["https://leads.example", "leads.example/x", "leads.example:443", "a b", "*"]
)
def test_a_setting_that_is_no_host_name_is_told(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    with pytest.raises(ConfigurationError, match="ALLOWED_HOSTS"):
        answering(monkeypatch, setting)


@pytest.mark.parametrize("path", ["/leads", "/healthz", "/readyz", "/metrics", "/nothing"])
async def test_head_is_answered_as_get_without_the_body(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    async with answering(monkeypatch) as http:
        got, head = await http.get(path), await http.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]


async def test_head_of_what_can_only_be_posted_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(monkeypatch) as http:
        assert (await http.head("/sent")).status_code == 405


def test_an_agent_answers_to_the_name_of_its_own_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_names() == frozenset()
    monkeypatch.setenv("AGENT_ENDPOINT", "https://Scoring.inside.example:8443/agents/scoring")
    assert own_names() == {"scoring.inside.example"}
