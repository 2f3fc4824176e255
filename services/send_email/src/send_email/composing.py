"""A mail as RFC 5322 text, by the standard library's email package, which encodes any script.

Header injection is ruled out twice: control characters become spaces here, and the package's policy
refuses a header with a line break.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from send_email.mails import Mail
from signalbox.addresses import mailbox

_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u2028\u2029\ud800-\udfff]")
_NAME_LIMIT = 120
_SUBJECT_LIMIT = 250


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mails come from. ``unsubscribe`` is a URI; ``{lead_id}`` in it is replaced."""

    name: str
    address: str
    reply_to: str = ""
    unsubscribe: str = ""


def recipient_of(address: str, name: str = "") -> Address:
    """Return the one mailbox that ``address`` names, with a domain that DNS can carry.

    Raises:
        ValueError: when it is not exactly one plain address.
    """
    try:
        found = mailbox(address)
    except ValueError as error:
        raise ValueError(f"not one plain e-mail address: {error}") from error
    return Address(one_line(name, _NAME_LIMIT), username=found.local, domain=found.domain)


def composed(mail: Mail, sender: Sender, date: datetime) -> EmailMessage:
    """Make the message. Bodies go as UTF-8, transfer-encoded, so that no relay has to be 8-bit clean.

    Raises:
        ValueError: when the recipient or the sender is not one plain address.
    """
    recipient = recipient_of(mail.recipient, mail.recipient_name)
    plain = recipient.addr_spec.isascii()
    message = EmailMessage(policy=SMTP if plain else SMTPUTF8)
    message["From"] = recipient_of(sender.address, sender.name)
    message["To"] = recipient
    message["Subject"] = one_line(mail.subject, _SUBJECT_LIMIT)
    message["Date"] = date
    message["Message-ID"] = f"<{mail.message_id}>"
    if sender.reply_to:
        message["Reply-To"] = recipient_of(sender.reply_to)
    _add_unsubscribe(message, mail, sender)
    message.set_content(_CONTROLS.sub(" ", mail.body), charset="utf-8", cte=_transfer_encoding(mail.body))
    return message


def one_line(text: str, limit: int) -> str:
    """Return ``text`` on one line, at most ``limit`` characters, cut with an ellipsis."""
    flat = _BLANKS.sub(" ", text.encode("utf-8", "replace").decode()).strip()
    return flat if len(flat) <= limit else f"{flat[: limit - 1].rstrip()}…"


def _transfer_encoding(body: str) -> str:
    return "quoted-printable" if body.isascii() else "base64"


def _add_unsubscribe(message: EmailMessage, mail: Mail, sender: Sender) -> None:
    if not sender.unsubscribe:
        return
    target = sender.unsubscribe.replace("{lead_id}", re.sub(r"[^A-Za-z0-9._~-]", "", mail.lead_id))
    message["List-Unsubscribe"] = f"<{target}>"
    if target.startswith("https://"):
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058 section 3.1
