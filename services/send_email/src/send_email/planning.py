"""From a draft to a schedule: who may be written to, under which ids, and when."""

from collections.abc import Collection
from datetime import datetime, timedelta

from send_email.composing import recipient_of
from send_email.content import refuse_unfit
from send_email.mails import Mail, Schedule, Status
from send_email.refusing import refuse_misread
from signalbox.protocol.envelope import derived_id
from signalbox.protocol.names import CorrelationId, LeadId
from signalbox_agent import Refuse
from signalbox_contracts.sdr import CampaignDrafted, CampaignScheduled, CampaignType, ScheduledEmail


def planned(
    draft: CampaignDrafted,
    lead_id: LeadId,
    workflow: CorrelationId,
    now: datetime,
    domain: str,
    link_allow: Collection[str] = (),
) -> Schedule:
    """Plan a draft's mails. The ids depend on the workflow alone, so a second plan has the same.

    Raises:
        Refuse: when a mail is addressed to anyone but the lead, the address is none, or what a mail says is
            not fit to be sent.
    """
    refuse_strangers(draft)
    refuse_unfit(draft, link_allow)
    campaign_id = derived_id(workflow, "campaign")
    mails = tuple(
        Mail(
            message_id=f"{derived_id(campaign_id, 'mail', str(ordinal))}@{domain}",
            campaign_id=campaign_id,
            lead_id=lead_id,
            recipient=draft.lead.email,
            recipient_name=draft.lead.name,
            subject=email.subject,
            body=email.body,
            scheduled_at=now + timedelta(hours=email.send_after_hours),
        )
        for ordinal, email in enumerate(draft.emails)
    )
    refuse_misread(mails)
    return Schedule(workflow, campaign_id, draft.campaign_type.value, lead_id, mails)


def refuse_strangers(draft: CampaignDrafted) -> None:
    """Refuse a draft that would write to anyone but its lead.

    Raises:
        Refuse: names the first mail that is addressed elsewhere.
    """
    own = draft.lead.email
    try:
        recipient_of(own)
    except ValueError as error:
        raise Refuse(f"the lead's address can't be written to: {error}", "lead.email") from error
    for ordinal, email in enumerate(draft.emails):
        if email.to != own:
            raise Refuse("a mail is addressed to somebody other than the lead", f"emails[{ordinal}].to")


def scheduled_record(schedule: Schedule) -> CampaignScheduled:
    """Make the answer: the schedule as it was first made, whatever was sent since."""
    return CampaignScheduled(
        lead_id=schedule.lead_id,
        campaign_id=schedule.campaign_id,
        campaign_type=CampaignType(schedule.campaign_type),
        emails=[
            ScheduledEmail(
                message_id=mail.message_id, scheduled_at=mail.scheduled_at, status=Status.SCHEDULED.value
            )
            for mail in schedule.mails
        ],
    )
