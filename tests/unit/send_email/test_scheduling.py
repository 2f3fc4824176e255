from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from send_email.agent import make_agent
from send_email.handler import Scheduling
from send_email.settings import MailSettings
from send_email.store import ScheduleStore
from signalbox.agent import Message, Refuse, TaskModel, Work
from signalbox.envelope import Envelope, correlation_id_of
from signalbox.models import Model, ModelSettings
from signalbox.names import LeadId, MessageId, RecordType
from signalbox.telemetry import logger
from signalbox_contracts.sdr import CampaignDrafted, CampaignScheduled, CampaignType, Email, Lead

START = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)


def a_draft(*hours: int, to: str = "ada@fjord.example", email: str = "ada@fjord.example") -> CampaignDrafted:
    lead = Lead(
        lead_id="lead-1",
        name="Ada Fjord",
        email=email,
        company_name="Fjord",
        job_title="CTO",
        lead_source="webinar",
        captured_at=START,
    )
    emails = [Email(to=to, subject=f"s{hour}", body="b", send_after_hours=hour) for hour in hours]
    return CampaignDrafted(lead=lead, campaign_type=CampaignType.NURTURE, emails=emails)


@pytest.fixture
def schedule(store: ScheduleStore, clock: Any) -> Callable[..., Any]:
    scheduling = Scheduling(store, clock, "larkspan.example")

    async def run(
        draft: CampaignDrafted, message_id: str = "m-1", lead_id: str = "lead-1"
    ) -> CampaignScheduled:
        envelope = Envelope(
            id=MessageId(message_id),
            source="test",
            type=RecordType("sdr.CampaignDrafted"),
            time=START,
            correlation_id=correlation_id_of(LeadId(lead_id)),
        )
        model = TaskModel(Model("offline", ModelSettings()), envelope.id)
        work = Work(model, logger("test"), lambda _: None)
        (record,) = await scheduling.schedule(Message(envelope, LeadId(lead_id), draft), work)
        return record

    return run


async def test_each_mail_is_scheduled_at_its_hours_from_now(schedule: Callable[..., Any]) -> None:
    record = await schedule(a_draft(0, 72))
    assert record.lead_id == "lead-1"
    assert record.campaign_type is CampaignType.NURTURE
    assert [email.scheduled_at for email in record.emails] == [START, START + timedelta(hours=72)]
    assert {email.status for email in record.emails} == {"scheduled"}
    assert len({email.message_id for email in record.emails}) == 2


async def test_a_second_draft_gets_the_first_schedule_as_its_answer(
    schedule: Callable[..., Any], store: ScheduleStore, clock: Any
) -> None:
    first = await schedule(a_draft(0, 72, 168))
    clock.forward(hours=5)
    assert await schedule(a_draft(0, 1), message_id="m-2") == first
    assert len(store.progress()) == 3


async def test_two_drafts_at_the_same_moment_get_one_schedule(
    schedule: Callable[..., Any], store: ScheduleStore
) -> None:
    import asyncio

    answers = await asyncio.gather(*(schedule(a_draft(0, number), f"m-{number}") for number in range(1, 9)))
    assert all(answer == answers[0] for answer in answers)
    assert len(store.progress()) == 2


async def test_ids_depend_on_the_workflow_alone(schedule: Callable[..., Any]) -> None:
    one = await schedule(a_draft(0), lead_id="lead-1")
    other = await schedule(a_draft(0), lead_id="lead-2")
    assert one.campaign_id != other.campaign_id
    assert one.emails[0].message_id != other.emails[0].message_id


@pytest.mark.parametrize(
    "to", ["eve@evil.example", "ADA@fjord.example", "ada@fjord.example, eve@evil.example", ""]
)
async def test_a_draft_to_anyone_but_the_lead_is_refused_as_a_whole(
    schedule: Callable[..., Any], store: ScheduleStore, to: str
) -> None:
    draft = a_draft(0, 72)
    draft.emails[1].to = to
    with pytest.raises(Refuse) as refused:
        await schedule(draft)
    assert refused.value.field == "emails[1].to"
    assert store.progress() == []


async def test_a_lead_whose_address_is_not_one_address_is_refused(schedule: Callable[..., Any]) -> None:
    both = "ada@fjord.example\nBcc: eve@evil.example"
    with pytest.raises(Refuse) as refused:
        await schedule(a_draft(0, to=both, email=both))
    assert refused.value.field == "lead.email"


async def test_what_the_listing_shows_is_what_was_answered(
    schedule: Callable[..., Any], store: ScheduleStore
) -> None:
    record = await schedule(a_draft(0, 72))
    assert [mail.message_id for mail in store.progress("lead-1")] == [
        email.message_id for email in record.emails
    ]


def test_the_answer_ends_the_workflow(store: ScheduleStore) -> None:
    definition = make_agent(MailSettings(), store).definition
    assert [(entry.record_type, entry.terminal) for entry in definition.output] == [
        ("sdr.CampaignScheduled", True)
    ]
