"""A series of mails as a model drafts it, and what speaks against sending it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, StringConstraints

from signalbox_agent.texts.fitness import twins, unfit
from signalbox_agent.texts.hidden import without_hidden
from signalbox_agent.texts.offers import invented_offers
from signalbox_agent.texts.wording import one_line

Mail = TypeVar("Mail")

_SUBJECT_LIMIT: Final = 150


class MailText(BaseModel):
    """One mail in plain text, ready to send. Whom it goes to is not the model's to say."""

    subject: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=6_000)]
    send_after_hours: int = Field(ge=0, description="hours from now; 0 is at once")


def subject_line(mail: MailText) -> str:
    """Return the subject on one line, without hidden and control characters, capped."""
    return one_line(without_hidden(mail.subject), _SUBJECT_LIMIT)


def body_text(mail: MailText) -> str:
    """Return the body without hidden characters."""
    return without_hidden(mail.body)


def addressed(mails: Iterable[MailText], to: str, make: Callable[..., Mail]) -> list[Mail]:
    """Make each text a mail of a contract to one address, which no text that a model has read can change."""
    return [
        make(to=to, subject=subject_line(mail), body=body_text(mail), send_after_hours=mail.send_after_hours)
        for mail in mails
    ]


def problem_with(
    mails: Sequence[MailText], site: str, facts: str = "", names: Collection[str] = ()
) -> str | None:
    """Say what is wrong with the texts, so that the model can mend it; None when they may be sent.

    A link to anywhere but ``site`` may come from the lead's own text, so no mail carries one; without a site
    no mail carries any. Amounts and promises must be among ``facts``, which are true of us; what stands in
    ``names``, of the lead and its company, promises nothing.
    """
    times = [mail.send_after_hours for mail in mails]
    if times != sorted(set(times)):
        return "send_after_hours must grow from mail to mail"
    ours = hosts_of(site)
    texts = [(subject_line(mail), body_text(mail)) for mail in mails]
    for number, (subject, body) in enumerate(texts, start=1):
        if found := unfit(subject, body, ours):
            quoted = f": {found.found}" if found.found else ""
            return f"the {found.field} of mail {number} {found.why}{quoted}"
        if offers := invented_offers(f"{subject}\n{body}", facts, names):
            return f"mail {number} offers or claims what is not among our facts: {offers[0]}"
    same = twins(texts)
    return f"mails {same[0] + 1} and {same[1] + 1} say the same" if same else None


def hosts_of(site: str) -> tuple[str, ...]:
    """Return the host of a site's address; nothing when it has none."""
    host = urlsplit(site if "//" in site else f"//{site}").hostname
    return (host,) if host else ()
