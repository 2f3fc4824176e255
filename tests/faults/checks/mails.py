"""Schedules and mails: one of each, and each to its own lead."""

from collections import Counter
from typing import Final

from checks.finding import Finding
from evidence import MESSAGES, Evidence, said
from history import End
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.names import LeadId

_SCHEDULED: Final = "sdr.CampaignScheduled"
_AT_ONCE: Final = 4
"""How many mails one mailer hands over at a time."""
_WAITING: Final = frozenset({"scheduled", "held"})
_MAILER: Final = "send_email"


def no_lead_is_scheduled_twice(evidence: Evidence) -> Finding:
    """A workflow has one schedule in Send Email's store, and every terminal record names that one."""
    named: dict[str, set[str]] = {}
    for message in evidence.of(MESSAGES):
        if said(message, "ce_type") == _SCHEDULED and (campaign := evidence.content(message)):
            named.setdefault(said(message, "ce_correlationid"), set()).add(campaign["campaign_id"])
    problems = []
    for workflow, campaigns in evidence.campaigns.items():
        if len(campaigns) != 1:
            problems.append(f"{workflow} has the schedules {sorted(campaigns)}")
    for workflow, campaigns_named in named.items():
        if campaigns_named != set(evidence.campaigns.get(workflow, ())):
            problems.append(
                f"{workflow}: the topic names {sorted(campaigns_named)}, which the store does not have"
            )
    wanted = _workflows(evidence, End.SCHEDULED)
    problems += [
        f"{workflow} has a schedule, and must not" for workflow in evidence.campaigns.keys() - wanted
    ]
    return Finding(len(evidence.campaigns), tuple(problems), {"schedules": len(evidence.campaigns)})


def no_mail_is_sent_twice(evidence: Evidence) -> Finding:
    """The SMTP server took each Message-ID at most once, each is scheduled, and goes to its own lead."""
    taken = Counter(mail.message_id for mail in evidence.received)
    scheduled = {mail.message_id: mail for mail in evidence.mails}
    problems = [f"{message_id} was taken {times} times" for message_id, times in taken.items() if times > 1]
    for mail in evidence.received:
        row = scheduled.get(mail.message_id)
        if row is None or row.recipient != mail.recipient:
            problems.append(f"{mail.message_id} went to {mail.recipient}, which the schedule does not say")
    return Finding(len(evidence.received), tuple(problems), {"mails taken": sum(taken.values())})


def every_due_mail_came_to_its_end(evidence: Evidence) -> Finding:
    """Sent and taken, or an unknown outcome that a fault explains; nothing is left over.

    Each lead has an address of its own, so its first mail goes; later ones wait for the confirmation.
    """
    answered = {mail.message_id for mail in evidence.received if mail.fault is None}
    dropped = {mail.message_id for mail in evidence.received if mail.fault is not None}
    due = [mail for mail in evidence.mails if mail.due or mail.status not in _WAITING]
    statuses = Counter(mail.status for mail in due)
    problems = []
    for mail in due:
        if mail.status not in {"sent", "unknown"}:
            problems.append(f"{mail.message_id} is {mail.status}")
        if mail.status == "sent" and mail.message_id not in answered:
            problems.append(f"{mail.message_id} is called sent, and the SMTP server did not take it")
    sent = {mail.message_id for mail in due if mail.status == "sent"}
    problems += [f"{one} is called sent, though its answer was dropped" for one in sorted(sent & dropped)]
    broken = _AT_ONCE * sum(_MAILER in one.what for one in evidence.injections)
    unexplained = statuses["unknown"] - len(dropped)
    if unexplained > broken:
        problems.append(f"{statuses['unknown']} unknown outcomes, {len(dropped)} dropped after DATA")
    counts = {**statuses, "dropped after DATA": len(dropped)}
    return Finding(len(due), tuple(problems), counts)


def _workflows(evidence: Evidence, end: End) -> set[str]:
    return {correlation_id_of(LeadId(one.lead_id)) for one in evidence.sendings if one.end is end}
