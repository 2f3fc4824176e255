"""No line that an agent logs has a person's name, address or words in it, on any path."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel

import active_outreach.agent
import lead_ingestion.agent
import lead_scoring.agent
import nurture_campaign.agent
import send_email.agent
from handling import lead_with
from in_memory import AgentRegistry, MemoryPublisher
from process_logs import process_logs
from send_email.settings import MailSettings
from send_email.store import ScheduleStore
from signalbox.models import Model, ModelSettings
from signalbox_agent import Agent, Message, Refuse, Work, create_app
from signalbox_agent.parts import Parts
from signalbox_agent.settings import AgentSettings
from signalbox_agent.store import StateStore
from signalbox_contracts.sdr import (
    CampaignDrafted,
    CampaignType,
    Email,
    LeadCaptured,
    LeadProfiled,
    LeadScored,
    NextStep,
    Report,
)
from signing import AGENTS_KEY, SignedAs, door

LEAD = lead_with(
    name="Zoë Quastenflosser",
    email="zoe.q@quasten.example",
    project_description='Our bivalve\npipeline "leaks" 40k a week.',
)
PERSONAL = ["Quastenflosser", "zoe.q", "bivalve", "40k a week"]
REPORT = Report(summary="s", pain_points=[], buying_signals=[], sources=[])


def scored() -> LeadScored:
    return LeadScored(
        lead=LEAD, score=70, next_step=NextStep.NURTURE, talking_points=["reports"], rationale="r"
    )


def drafted() -> CampaignDrafted:
    mail = Email(to=LEAD.email, subject=f"For {LEAD.name}", body=f"Dear {LEAD.name}", send_after_hours=1)
    return CampaignDrafted(lead=LEAD, campaign_type=CampaignType.NURTURE, emails=[mail])


def mailing(folder: Path) -> Agent:
    store = ScheduleStore.in_folder(folder / "mails")
    return send_email.agent.make_agent(MailSettings(data_dir=folder), store)


CASES: dict[str, tuple[Callable[[Path], Agent], Callable[[], BaseModel]]] = {
    "lead_ingestion": (lambda _: lead_ingestion.agent.make_agent(), lambda: LeadCaptured(lead=LEAD)),
    "lead_scoring": (
        lambda _: lead_scoring.agent.make_agent(),
        lambda: LeadProfiled(lead=LEAD, report=REPORT),
    ),
    "active_outreach": (lambda _: active_outreach.agent.make_agent(), scored),
    "nurture_campaign": (lambda _: nurture_campaign.agent.make_agent(), scored),
    "send_email": (mailing, drafted),
}


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Log as a process does, and return the lines."""
    with process_logs() as lines:
        yield lines


async def posted(agent: Agent, record: BaseModel, folder: Path) -> httpx2.Response:
    """Run the agent's service with ports in memory, and post ``record`` when it is ready."""
    settings = AgentSettings(data_dir=folder)
    parts = Parts(
        settings=settings,
        key=AGENTS_KEY,
        door=door(agent.definition.id),
        store=StateStore(settings.state_url(agent.definition.id), agent.definition.id),
        registry=AgentRegistry.of(agent),
        producer=MemoryPublisher(),
        model=Model("offline", ModelSettings()),
        stop=lambda: None,
    )
    app, auth = create_app(agent, lambda: parts), SignedAs(agent.definition.id)
    headers = {"content-type": "application/json"}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://agent") as client,
        asyncio.timeout(10),
    ):
        while (await client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.01)
        return await client.post("/messages", content=record.model_dump_json(), headers=headers, auth=auth)


def nothing_personal(lines: Sequence[dict[str, Any]], event: str) -> None:
    assert event in [line["event"] for line in lines]
    text = "\n".join(f"{line}\n{json.dumps(line)}" for line in lines)
    assert [word for word in PERSONAL if word in text] == []


@pytest.mark.parametrize("name", CASES)
async def test_a_message_that_is_handled(name: str, tmp_path: Path, logged: Any) -> None:
    make, record = CASES[name]
    response = await posted(make(tmp_path), record(), tmp_path)
    assert response.status_code == 200, response.text
    nothing_personal(logged(), "message_answered")


async def refuses(message: Message[Any], _: Work) -> Sequence[BaseModel]:
    raise Refuse(f"{message.record.lead.name} is not wanted")


async def breaks(message: Message[Any], _: Work) -> Sequence[BaseModel]:
    raise KeyError(message.record.lead.model_dump())


async def turns_down(message: Message[Any], _: Work) -> Sequence[BaseModel]:
    lead = message.record.lead.model_dump()
    Report.model_validate({"summary": lead, "industry": [lead["project_description"]]})
    raise AssertionError("not reached")


async def talks(message: Message[Any], work: Work) -> Sequence[BaseModel]:
    lead = message.record.lead
    work.log.info("careless", lead=lead.model_dump(mode="json"), words=[lead.project_description])
    await asyncio.to_thread(
        logging.getLogger("a.library").warning, "asking for %s <%s>", lead.name, lead.email
    )
    raise Refuse("enough")


@pytest.mark.parametrize(
    ("handle", "event"),
    [
        (refuses, "message_not_handled"),
        (breaks, "message_failed"),
        (turns_down, "message_failed"),
        (talks, "careless"),
        (talks, "asking for ••• <•••>"),
    ],
)
@pytest.mark.parametrize("name", CASES)
async def test_a_message_that_is_not_handled(
    name: str, handle: Any, event: str, tmp_path: Path, logged: Any
) -> None:
    make, record = CASES[name]
    response = await posted(replace(make(tmp_path), handle=handle), record(), tmp_path)
    assert response.status_code in {422, 500}
    nothing_personal(logged(), event)


async def test_a_model_whose_answers_are_turned_down(tmp_path: Path, logged: Any) -> None:
    async def asks(message: Message[Any], work: Work) -> Sequence[BaseModel]:
        lead = message.record.lead.model_dump(mode="json")
        await work.model.complete(
            task="t", instructions="i", prompt="p", output_type=Report, stand_in=lambda: {"summary": lead}
        )
        raise AssertionError("not reached")

    make, record = CASES["lead_scoring"]
    response = await posted(replace(make(tmp_path), handle=asks), record(), tmp_path)
    assert response.json()["reason"] == "MODEL_REFUSED"
    assert [word for word in PERSONAL if word in response.text] == []  # it becomes a dead letter's header
    nothing_personal(logged(), "message_not_handled")


async def test_what_one_message_hides_is_forgotten_with_it(logged: Any) -> None:
    from signalbox.telemetry import hide_from_logs, logger

    async def one(word: str) -> None:
        hide_from_logs([word])
        await asyncio.sleep(0)
        logger("test").info("said", text="tea and milk", number=1)

    await asyncio.gather(one("tea"), one("milk"))
    logger("test").info("said", text="tea and milk", number=1)
    assert [line["text"] for line in logged()] == ["••• and milk", "tea and •••", "tea and milk"]


async def test_a_short_word_is_hidden_only_where_it_stands_alone(logged: Any) -> None:
    from signalbox.telemetry import hide_from_logs, logger

    hide_from_logs(["Al", ""])
    logger("test").info("said", text="Al called again: Also <Al>")
    assert logged()[0]["text"] == "••• called again: Also <•••>"
