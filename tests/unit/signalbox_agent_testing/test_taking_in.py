"""Intake, by the in-memory Signalbox: a lead is taken in once, and another one under its id is told."""

from collections.abc import Sequence

import pytest
from pydantic import BaseModel

from demonstration_agents import Answered, agent
from gate_fuzz import lead
from signalbox.protocol.names import INCOMING_LEADS
from signalbox.protocol.reasons import Reason, Stage
from signalbox_agent import Message, Work, bound
from signalbox_agent.testing import InMemorySignalbox
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import LeadCaptured
from signalbox_decide.history import TAKEN_IN_FROM

CAPTURED = bound(LeadCaptured, schema_text("sdr.LeadCaptured"))


async def thanks(_: Message[LeadCaptured], __: Work) -> Sequence[BaseModel]:
    return [Answered()]


def captured(**changes: str) -> LeadCaptured:
    return LeadCaptured.model_validate({"lead": lead() | changes})


def box_for_leads() -> InMemorySignalbox:
    return InMemorySignalbox([agent(handle=thanks, takes=CAPTURED)])


async def test_a_lead_that_is_new_is_copied_for_the_agents_and_its_workflow_begins() -> None:
    async with box_for_leads() as box:
        sent = await box.send(captured(), hop=7)
        await box.until_idle()
        copy = box.messages[0]
    assert sent.topic == INCOMING_LEADS
    assert (copy.record, copy.envelope.hop, copy.at.value) == (captured(), 0, sent.value)
    assert copy.at.header(TAKEN_IN_FROM) == b"incoming_leads/0/0"


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(("name", "conflicts"), [("Ada Example", False), ("Mallory", True)])
async def test_a_lead_that_comes_again_is_a_duplicate_unless_it_says_something_else(
    name: str, conflicts: bool, restarted: bool
) -> None:
    async with box_for_leads() as box:
        await box.send(captured())
        await box.until_idle()
        if restarted:
            await box.restart()
        await box.send(captured(name=name))
        await box.until_idle()
    dead_letters = [
        (dead_letter.stage, dead_letter.reason, dead_letter.field) for dead_letter in box.dead_letters
    ]
    assert dead_letters == ([(Stage.INTAKE, Reason.CONFLICT, "key")] if conflicts else [])
    assert len(box.records(LeadCaptured)) == 1


async def test_a_lead_that_the_gate_refuses_was_stopped_at_intake() -> None:
    async with box_for_leads() as box:
        await box.send_record(b"no frame", topic=INCOMING_LEADS)
        await box.until_idle()
    [dead_letter] = box.dead_letters
    assert (dead_letter.stage, dead_letter.reason, dead_letter.topic) == (
        Stage.INTAKE,
        Reason.NOT_FRAMED,
        INCOMING_LEADS,
    )
    assert (box.messages, dead_letter.original.value) == ([], b"no frame")
