"""The last look at what a draft says, for drafts may come from anybody who may write the topic.

What agents were told while they drafted is checked once more here, by the same judgement.
"""

import os
from collections.abc import Collection
from typing import Final

from signalbox_agent import Refuse
from signalbox_agent.texts import MOST_MAILS, hosts_of, twins, unfit
from signalbox_contracts.sdr import CampaignDrafted

SITE: Final = "https://larkspan.example/"
"""The site that the drafting agents link to unless ``SENDER_SITE`` says otherwise."""


def refuse_unfit(draft: CampaignDrafted, link_allow: Collection[str]) -> None:
    """Refuse a draft in which a mail has foreign links, markup, placeholders, hidden characters, or a twin.

    Raises:
        Refuse: names the first field that is not fit to be sent.
    """
    if len(draft.emails) > MOST_MAILS:
        raise Refuse(f"the campaign has more than {MOST_MAILS} mails", "emails")
    for ordinal, email in enumerate(draft.emails):
        if found := unfit(email.subject, email.body, link_allow):
            # What was found is not quoted: it is a mail's text, and this goes into logs and lists.
            raise Refuse(f"the {found.field} {found.why}", f"emails[{ordinal}].{found.field}")
    if same := twins([(email.subject, email.body) for email in draft.emails]):
        earlier, later = same
        raise Refuse(f"the mail says the same as emails[{earlier}]", f"emails[{later}].body")


def default_link_allow() -> str:
    """Return the host of ``SENDER_SITE``; nothing when ``MAIL_LINK_ALLOW`` is set, and empty."""
    if os.environ.get("MAIL_LINK_ALLOW") == "":
        return ""
    return ",".join(hosts_of(os.environ.get("SENDER_SITE", SITE)))
