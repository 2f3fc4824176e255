from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from handling import message_with, offline_work
from send_email.handler import Scheduling
from send_email.settings import MailSettings
from send_email.store import ScheduleStore
from signalbox_agent import Refuse
from signalbox_contracts.sdr import CampaignDrafted, CampaignType, Email, Lead

ADA = "ada@fjord.example"


def a_draft(*texts: tuple[str, str]) -> CampaignDrafted:
    lead = Lead(
        lead_id="lead-1",
        name="Ada Fjord",
        email=ADA,
        company_name="Fjord",
        job_title="CTO",
        lead_source="webinar",
        captured_at=datetime(2030, 5, 6, tzinfo=UTC),
    )
    emails = [
        Email(to=ADA, subject=subject, body=body, send_after_hours=hours)
        for hours, (subject, body) in enumerate(texts)
    ]
    return CampaignDrafted(lead=lead, campaign_type=CampaignType.NURTURE, emails=emails)


@pytest.fixture
def schedule(store: ScheduleStore, clock: Any) -> Callable[..., Any]:
    async def run(draft: CampaignDrafted, allow: tuple[str, ...] = ("larkspan.example",)) -> Any:
        scheduling = Scheduling(store, clock, "larkspan.example", allow)
        return await scheduling.schedule(message_with(draft, lead_id="lead-1"), offline_work(lambda _: None))

    return run


@pytest.mark.parametrize(
    "text",
    [
        "open evil.example/login",
        "call 0900 123 456",
        "https://larkspan.example.evil.test/",
        "https://larkspan.example@evil.test/",
        "https://larkspan.example/r?u=//evil.test",
        "<img src='cid:1'>",
        "\u202egnp.exe",
        "tag\U000e0041",
        "zero\u200bwidth",
        "Dear $name",
        "Dear {name}",
        "mailto:eve@evil.example",
        "_https://evil",
        "seehttps://evil",
        "ｈｔｔｐｓ：／／ｅｖｉｌ",
        "https:\\\\evil",
        "write to eve@evil.example",
    ],
)
@pytest.mark.parametrize("field", ["subject", "body"])
async def test_a_mail_that_misleads_is_refused_and_nothing_is_scheduled(
    schedule: Callable[..., Any], store: ScheduleStore, text: str, field: str
) -> None:
    odd = (text, "b") if field == "subject" else ("s", f"Hello,\n\n{text}\n")
    with pytest.raises(Refuse) as refused:
        await schedule(a_draft(("first", "hello"), odd))
    assert refused.value.field == f"emails[1].{field}"
    assert "evil" not in refused.value.detail
    assert store.progress() == []


async def test_mails_that_say_the_same_are_refused(schedule: Callable[..., Any]) -> None:
    with pytest.raises(Refuse) as refused:
        await schedule(a_draft(("s", "b"), ("t", "b"), ("s ", "B!")))
    assert refused.value.field == "emails[2].body"


async def test_a_mail_that_is_too_long_is_refused(schedule: Callable[..., Any]) -> None:
    with pytest.raises(Refuse) as refused:
        await schedule(a_draft(("s", "word " * 2_000)))
    assert refused.value.field == "emails[0].body"


async def test_a_link_to_our_own_site_is_scheduled_and_without_a_setting_it_is_not(
    schedule: Callable[..., Any],
) -> None:
    ours = a_draft(("s", "see https://larkspan.example/library/x, or write to maya@larkspan.example."))
    with pytest.raises(Refuse):
        await schedule(ours, ())
    assert await schedule(ours)


def test_which_hosts_are_allowed_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MailSettings().link_hosts == ("larkspan.example",)
    monkeypatch.setenv("SENDER_SITE", "https://www.acme.test/en/")
    assert MailSettings().link_hosts == ("www.acme.test",)
    monkeypatch.setenv("MAIL_LINK_ALLOW", " a.test, +49 30 1234567 ,")
    assert MailSettings().link_hosts == ("a.test", "+49 30 1234567")
    monkeypatch.setenv("MAIL_LINK_ALLOW", "")
    assert MailSettings().link_hosts == ()
