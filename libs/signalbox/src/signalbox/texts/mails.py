"""A series of mails as a model drafts it, and what speaks against sending it."""

import re
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import BaseModel, Field, StringConstraints

from signalbox.texts.wording import one_line

_SUBJECT_LIMIT: Final = 150
_PLACEHOLDER: Final = re.compile(
    r"(?i)\{\{[^}]*\}\}|lorem ipsum|\[(?:your|my|the|first|last|full|sender|recipient|lead|insert|company|"
    r"name|title|topic|date|link|phone|calendar)\b[^\]\n]{0,40}\]"
)
_LINK: Final = re.compile(r"(?i)\b(?:https?://|www\.)[^\s<>\"')\]]+")


class MailText(BaseModel):
    """One mail in plain text, ready to send. Whom it goes to is not the model's to say."""

    subject: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
    body: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=6_000)]
    send_after_hours: int = Field(ge=0, description="hours from now; 0 is at once")


def subject_line(mail: MailText) -> str:
    """Return the subject on one line, without control characters, capped."""
    return one_line(mail.subject, _SUBJECT_LIMIT)


def problem_with(mails: Sequence[MailText], site: str) -> str | None:
    """Say what is wrong with the texts, so that the model can mend it; None when they may be sent.

    A link to anywhere but ``site`` may come from the lead's own text, so no mail carries one.
    """
    for number, mail in enumerate(mails, start=1):
        text = f"{mail.subject}\n{mail.body}"
        if found := _PLACEHOLDER.search(text):
            return f"mail {number} still has a placeholder: {found[0]}"
        foreign = [link for link in _LINK.findall(text) if not link.startswith(site)]
        if foreign:
            return f"mail {number} links to {foreign[0]}; only links under {site} are allowed"
    times = [mail.send_after_hours for mail in mails]
    return None if times == sorted(set(times)) else "send_after_hours must grow from mail to mail"
