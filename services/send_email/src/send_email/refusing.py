"""The last look at planned mails before they are scheduled."""

from collections.abc import Iterable
from typing import Final

from send_email.composing import Sender, verified
from send_email.mails import Mail
from signalbox_agent import Refuse

_ANYBODY: Final = Sender("", "anybody@example.org")
"""Stands for our address, which was tried when the settings were read."""


def refuse_misread(mails: Iterable[Mail]) -> None:
    """Refuse mails that some reader would understand otherwise than meant.

    Raises:
        Refuse: names the first of them.
    """
    for ordinal, mail in enumerate(mails):
        try:
            verified(mail, _ANYBODY, mail.scheduled_at)
        except ValueError as error:
            raise Refuse(
                f"a mail can't be written so that it is read as meant: {error}", f"emails[{ordinal}]"
            ) from error
