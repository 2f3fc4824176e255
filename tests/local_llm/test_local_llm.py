"""A real language model routes and scores, without a network: its choices are poor, their form holds."""

import asyncio
import csv
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

import local_llm_server
from counting_server import CountingServer, counting_before
from local_stack import Stack
from local_stack.services import SERVICES
from operating import FINAL, Operator

LEADS: Final = 12
AT_LEAST: Final = 9
"""How many leads have to end by decision: the model may choose badly, and never without form."""
PATIENCE_S: Final = 540
MODEL: Final = f"openai:{local_llm_server.NAME}"
DECIDED: Final = {"routed", "ended"}
COMPLETIONS: Final = "/v1/chat/completions"

pytestmark = pytest.mark.timeout(PATIENCE_S + 120)


@pytest.fixture(scope="module")
def llm(unused_tcp_port_factory: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountingServer]:
    """The model's server, with the requests that came to it."""
    port, log = unused_tcp_port_factory(), tmp_path_factory.mktemp("llm") / "server.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, local_llm_server.__file__, str(port)], stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(child, url, log)
        with counting_before(url, COMPLETIONS) as counted:
            yield counted
    finally:
        child.terminate()
        child.wait(30)


def _wait_until_healthy(child: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    for _ in range(600):
        if child.poll() is not None:
            pytest.fail(f"the model's server ended: {log.read_text(errors='replace')[-2000:]}")
        try:
            if httpx2.get(f"{url}/health").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail("the model's server does not become ready")


@pytest.fixture(scope="module")
def stack(root: Path, llm: CountingServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {
        "LLM_BASE_URL": f"{llm.url}/v1",
        "ROUTER_LLM_MODEL": MODEL,
        "AGENT_LLM_MODEL": "offline",
        "LEAD_SCORING_LLM_MODEL": MODEL,
        "LLM_MAX_TOKENS": "600",
        "LLM_TIMEOUT_S": "120",
        "LLM_DEADLINE_S": "300",
        "LLM_CONCURRENCY": "2",
    }
    with Stack(
        root, tmp_path_factory.mktemp("stack"), ports="free", extra_env=settings, services=SERVICES
    ) as up:
        yield up


@pytest.fixture(scope="module")
def example_leads(root: Path) -> list[dict[str, Any]]:
    with (root / "examples" / "leads.csv").open(encoding="utf-8", newline="") as file:
        rows = [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]
    return rows[:LEADS]


async def test_a_small_model_routes_and_scores_leads_and_every_answer_has_its_form(
    stack: Stack, llm: CountingServer, example_leads: list[dict[str, Any]]
) -> None:
    async with httpx2.AsyncClient(timeout=10) as http:
        operator = Operator(stack, http)
        leads = [await operator.post(**fields) for fields in example_leads]
        journeys = await _journeys(operator, leads)

    ends = [journey["status"] for journey in journeys]
    timeline = [entry for journey in journeys for entry in journey["timeline"]]
    decided = [entry for entry in timeline if entry["stage"] in DECIDED]
    decisions = [entry["detail"] for entry in decided]
    dead_letters = [entry["detail"] for entry in timeline if entry["stage"] == "dead_lettered"]
    questions = {"route": 0, "score": 0}
    for request in llm.requests:
        assert request["response_format"]["type"] == "json_schema"
        questions["route" if _choices(request) else "score"] += 1
    print(_figures(ends, decisions, dead_letters, questions, llm))

    assert ends.count("scheduled") + ends.count("ended") >= AT_LEAST, (ends, dead_letters)
    assert "UNROUTABLE" not in {letter["reason"] for letter in dead_letters}
    models = {decision["model"] for decision in decisions if decision["model_calls"]}
    assert models == {MODEL}, "no stand-in answered for the router"
    for entry in decided:
        assert entry["agent"] in {*entry["detail"]["candidates"], None}
    assert questions["score"] > 0
    assert questions["route"] == sum(decision["model_calls"] for decision in decisions)


async def _journeys(operator: Operator, leads: list[str]) -> list[dict[str, Any]]:
    journeys: list[dict[str, Any]] = []
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        journeys = [await operator.journey(lead) for lead in leads]
        if all(journey["status"] in FINAL for journey in journeys):
            break
        await asyncio.sleep(1)
    return journeys


def _choices(request: dict[str, Any]) -> list[str]:
    properties = request["response_format"]["json_schema"]["schema"]["properties"]
    choices: list[str] = properties.get("agent", {}).get("enum", [])
    return choices


def _figures(
    ends: list[str],
    decisions: list[dict[str, Any]],
    dead_letters: list[dict[str, Any]],
    questions: dict[str, int],
    llm: CountingServer,
) -> str:
    seconds = sorted(llm.seconds)
    figures = {
        "ends": {end: ends.count(end) for end in sorted(set(ends))},
        "dead letters": sorted({letter["reason"] for letter in dead_letters}),
        "decisions": len(decisions),
        "requests": questions,
        "seconds a request": {
            "median": round(statistics.median(seconds), 1),
            "p95": round(seconds[int(0.95 * (len(seconds) - 1))], 1),
        },
    }
    return f"\n{MODEL}: {json.dumps(figures)}"
