"""The composition root: schedule store, handler, handover and mailer behind one service."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from send_email.campaigns import Campaigns
from send_email.confirm_page import confirm_routes
from send_email.consent import Consent
from send_email.handler import Scheduling
from send_email.handover import Handover
from send_email.links import Links
from send_email.listing import listing_routes
from send_email.mailer import Mailer, Pace
from send_email.opening import Opening
from send_email.operating import operator_routes
from send_email.outbox import Outbox
from send_email.settings import MailSettings
from send_email.smtp import Relay, SmtpHandover
from send_email.store import ScheduleStore
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent import Agent, bound
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import CampaignDrafted, CampaignScheduled

PORT = 8105


def utc_now() -> datetime:
    """Return the time in UTC, to the millisecond, as records carry it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def make_store(settings: MailSettings) -> ScheduleStore:
    """Open the schedule where the settings say."""
    if settings.schedule_url is not None:
        return ScheduleStore(settings.schedule_url.get_secret_value(), settings.policy)
    return ScheduleStore.in_folder(settings.folder, settings.policy)


def make_handover(settings: MailSettings) -> Handover:
    """Choose SMTP when an address is set, else the outbox."""
    if settings.smtp_url is None:
        return Outbox(settings.folder / "outbox", settings.sender, utc_now)
    relay = Relay.parse(settings.smtp_url.get_secret_value(), start_tls=settings.start_tls)
    return SmtpHandover(relay, settings.sender, utc_now, timeout_s=settings.smtp_timeout_s)


def make_opening(settings: MailSettings, links: Links) -> Opening:
    """Make the text for whoever has not confirmed; with a link only where ``FIRST_MAIL`` is ``confirm``."""
    sender = settings.sender
    link = links.link if settings.first_mail == "confirm" else None
    return Opening(sender.name, sender.address, sender.unsubscribe, link)


def make_agent(settings: MailSettings, store: ScheduleStore) -> Agent:
    """Wire the agent: the mailer runs beside it."""
    consent, links = Consent(store), Links(store, settings.confirm_url)
    handover, opening = make_handover(settings), make_opening(settings, links)
    mailer = Mailer(store, handover, utc_now, _pace(settings), opening)
    confirming = urlsplit(settings.confirm_url).hostname
    return Agent(
        definition=AgentDefinition.load(Path(__file__).with_name("agent.yaml")),
        takes=(bound(CampaignDrafted, schema_text("sdr.CampaignDrafted")),),
        gives=(bound(CampaignScheduled, schema_text("sdr.CampaignScheduled")),),
        handle=Scheduling(store, utc_now, settings.domain, settings.link_hosts).schedule,
        port=PORT,
        background=mailer,
        report_to=mailer.report_to,
        routes=(
            listing_routes(store),
            operator_routes(Campaigns(store), consent, utc_now),
            confirm_routes(consent, links, utc_now),
        ),
        hosts={confirming} if confirming else (),
    )


def _pace(settings: MailSettings) -> Pace:
    return Pace(
        poll=timedelta(seconds=settings.poll_s),
        first_retry=timedelta(seconds=settings.first_retry_s),
        give_up=timedelta(hours=settings.give_up_h),
    )
