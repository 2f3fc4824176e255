"""The day's money runs out while leads flow: they wait, nothing is lost, and a higher budget goes on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from local_stack import Stack
from local_stack.services import SERVICES
from operating import Operator
from signalbox.models import NANOS
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, GOVERNANCE_AUDIT, dead_letter_topic
from signalbox_decide.day_budget import used_by
from traffic import eventually

LEADS: Final = 12
BUDGET: Final = 5.0
"""In US dollars: a few leads' worth, at the prices below."""
PAUSED: Final = b"control.DayBudgetSpent"


@pytest.fixture(scope="module")
async def operator(root: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Operator]:
    """A stack whose stand-in has a price: a thousandth of a dollar a token."""
    settings = {
        "LLM_MODEL": "offline",
        "LLM_PRICES": '{"offline": [1000, 1000]}',
        "LLM_DAY_BUDGET_USD": f"{BUDGET}",
    }
    with Stack(
        root, tmp_path_factory.mktemp("stack"), ports="free", extra_env=settings, services=SERVICES
    ) as stack:
        async with httpx2.AsyncClient(timeout=10) as http:
            yield Operator(stack, http)


async def readiness(operator: Operator) -> dict[str, Any]:
    answer = await operator.http.get(f"{operator.stack.addresses['orchestrator']}/readyz")
    assert answer.status_code == 200, answer.text  # the process is well: a new one can be deployed
    said: dict[str, Any] = answer.json()
    return said


async def paused(operator: Operator) -> str | None:
    return next(
        (why for why in (await readiness(operator))["impaired"] if "messages wait until" in why), None
    )


async def costs(operator: Operator) -> list[int]:
    """Return what each decision, and its message, cost."""
    return sorted(used_by(record.headers).cost for record in await operator.records(AGENT_ROUTES))


async def at_rest(operator: Operator) -> list[int] | None:
    before = await costs(operator)
    await asyncio.sleep(1)
    after = await costs(operator)
    return after if after == before else None


async def test_leads_wait_when_the_days_money_runs_out_and_go_on_with_more(operator: Operator) -> None:
    leads = await operator.post_many(LEADS)
    await eventually(lambda: paused(operator), "the day's budget is used up", 90)
    told = await eventually(lambda: at_rest(operator), "nothing goes on", 60)
    assert sum(told) >= BUDGET * NANOS
    states = {(await operator.journey(lead))["status"] for lead in leads}
    assert "in_flight" in states
    assert "dead_lettered" not in states

    operator.stack.kill("orchestrator")
    operator.stack.redeploy("orchestrator")  # what was spent is known again
    assert await eventually(lambda: paused(operator), "the restarted one waits, too", 30)
    assert await costs(operator) == told

    operator.stack.redeploy("orchestrator", {"LLM_DAY_BUDGET_USD": "1000"})
    ends = await operator.settled(leads, 90)
    assert set(ends.values()) <= {"scheduled", "ended"}
    detail = (await readiness(operator))["details"]["day budget"]
    spent = sum(await costs(operator)) / NANOS
    assert detail == f"{spent:.4f} USD of 1000.0000 USD"

    records = await operator.records(dead_letter_topic(AGENT_MESSAGES), GOVERNANCE_AUDIT)
    assert [record.header("ce_type") for record in records] == [PAUSED, PAUSED]  # it began, and it ended
