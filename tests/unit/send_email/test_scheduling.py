import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handling import message_with, offline_work
from in_memory import AgentRegistry
from send_email.agent import make_agent
from send_email.handler import Scheduling
from send_email.mails import Mail, Schedule
from send_email.settings import MailSettings
from send_email.store import ScheduleStore
from signalbox.protocol.errors import Unavailable
from signalbox_agent import Refuse
from signalbox_agent.contracts import OwnContracts
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
        message = message_with(draft, lead_id=lead_id, message_id=message_id)
        (record,) = await scheduling.schedule(message, offline_work(lambda _: None))
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
    answers = await asyncio.gather(*(schedule(a_draft(0, number), f"m-{number}") for number in range(1, 9)))
    assert all(answer == answers[0] for answer in answers)
    assert len(store.progress()) == 2


async def test_killed_after_the_schedule_is_kept_the_same_message_gets_the_same_answer_again(
    clock: Any, tmp_path: Path
) -> None:
    # The schedule is one transaction; the kit's state store is another, written after the handler returned.
    # Killed between the two, the message comes again to a new process, later.
    clock.forward(milliseconds=123)
    message = message_with(a_draft(0, 72, 168), lead_id="lead-1")
    answers = []
    for _ in range(2):
        opened = ScheduleStore.in_folder(tmp_path / "send_email")
        agent = make_agent(MailSettings(data_dir=tmp_path), opened)
        scheduling = Scheduling(opened, clock, "larkspan.example")
        (record,) = await scheduling.schedule(message, offline_work(lambda _: None))
        contracts = await OwnContracts.look_up(agent, AgentRegistry.of(agent))
        contract = contracts.of_output(record)
        assert contract is not None
        answers.append((record, contract.encode(record)))
        opened.close()
        clock.forward(hours=3)
    assert answers[0] == answers[1]


def test_a_time_comes_back_from_the_store_to_the_millisecond(
    store: ScheduleStore, a_mail: Callable[..., Mail]
) -> None:
    times = [START + timedelta(days=number % 97, milliseconds=number) for number in range(0, 1000, 7)]
    mails = tuple(a_mail(f"w-1-{at.timestamp()}", campaign_id="c", scheduled_at=at) for at in times)
    store.keep_first(Schedule("w-1", "c", "NURTURE", "lead-1", mails), START)
    kept = store.find("w-1")
    assert kept is not None
    assert [mail.scheduled_at for mail in kept.mails] == times


def test_an_error_of_the_store_names_nobody(store: ScheduleStore, a_mail: Callable[..., Mail]) -> None:
    with store._database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE mails")
    with pytest.raises(Unavailable) as unavailable:
        store.keep_first(Schedule("w-1", "c-w", "NURTURE", "lead-1", (a_mail(),)), START)
    chain = f"{unavailable.value}{unavailable.value.__cause__}"
    assert "Ada" not in chain
    assert "fjord" not in chain


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
