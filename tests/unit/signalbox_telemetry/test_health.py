"""What /readyz answers: what is waited for, what is impaired, and what is told besides."""

import httpx2
from fastapi import FastAPI
from structlog.testing import capture_logs

from signalbox.telemetry import Readiness, operations_routes


async def answered(readiness: Readiness) -> httpx2.Response:
    app = FastAPI()
    app.include_router(operations_routes(readiness))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://here") as http:
        return await http.get("/readyz")


async def test_readyz_tells_what_is_waited_for_and_what_is_known_meanwhile() -> None:
    readiness, form = Readiness("contracts"), "not known yet"
    readiness.tell("model", lambda: f"m (LLM_OUTPUT: {form})")
    waiting = await answered(readiness)
    assert (waiting.status_code, waiting.json()) == (
        503,
        {
            "ready": False,
            "waiting_for": ["contracts: starting"],
            "impaired": [],
            "details": {"model": "m (LLM_OUTPUT: not known yet)"},
        },
    )
    readiness.done("contracts")
    form = "json_schema"
    ready = await answered(readiness)
    assert (ready.status_code, ready.json()["details"]) == (200, {"model": "m (LLM_OUTPUT: json_schema)"})


def test_a_part_that_begins_to_wait_and_is_there_again_is_logged_once_each() -> None:
    with capture_logs() as logged:
        readiness = Readiness("contracts")
        readiness.done("contracts")
        for _ in range(2):
            readiness.wait("contracts", "the registry is away")
        readiness.done("contracts")
        readiness.done("contracts")

    assert [(line["event"], line["part"], line.get("why")) for line in logged] == [
        ("not ready", "contracts", "the registry is away"),
        ("ready again", "contracts", None),
    ]
