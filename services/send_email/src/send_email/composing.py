"""A mail as RFC 5322 text, in ASCII wherever its addresses are.

Only texts that can't add anything are written (see :mod:`send_email.headers`), and what was written is read
again by two readers before it counts (see :mod:`send_email.reading`).
"""

import base64
import quopri
import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from send_email.headers import one_line, phrase, shown_name, unstructured, without_halves
from send_email.mails import Mail
from send_email.reading import Box, Reading, check_reading
from signalbox.addresses import Mailbox, mailbox

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_NAMED: Final = re.compile(
    r"""\s*(?:"(?P<quoted>[^"<>\\]*)"|(?P<plain>[^"<>\\]*))\s*<(?P<address>[^<>]+)>\s*"""
)
_SUBJECT_LIMIT: Final = 250
_ONE_CLICK: Final = "List-Unsubscribe=One-Click"  # RFC 8058 section 3.1
_ALWAYS: Final = (
    "content-transfer-encoding",
    "content-type",
    "date",
    "from",
    "message-id",
    "mime-version",
    "subject",
    "to",
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who the mails come from. ``unsubscribe`` is a URI; ``{lead_id}`` in it is replaced."""

    name: str
    address: str
    reply_to: str = ""
    unsubscribe: str = ""


def recipient_of(address: str) -> Mailbox:
    """Return the one mailbox that ``address`` names, with a domain that DNS can carry.

    Raises:
        ValueError: when it is not exactly one plain address.
    """
    try:
        return mailbox(address)
    except ValueError as error:
        raise ValueError(f"not one plain e-mail address: {error}") from error


def named_address(text: str) -> Box:
    """Read ``Name <address>`` or an address alone, as an operator writes it into a setting.

    Raises:
        ValueError: when it is not exactly one address.
    """
    found = _NAMED.fullmatch(text)
    if found is None:
        return "", recipient_of(text.strip()).address
    name = found["quoted"] if found["quoted"] is not None else found["plain"].strip()
    return name, recipient_of(found["address"]).address


def verified(mail: Mail, sender: Sender, date: datetime) -> bytes:
    """Compose ``mail`` and check that it means to every reader what was meant: one recipient, our words.

    Raises:
        ValueError: when an address is none, or a reader would understand something else.
    """
    meant = meaning(mail, sender)
    raw = composed(meant, date)
    check_reading(raw, meant)
    return raw


def meaning(mail: Mail, sender: Sender) -> Reading:
    """Return what a reader has to find in the mail.

    Raises:
        ValueError: when the recipient or the sender is not one plain address.
    """
    reply_to: tuple[Box, ...] = (("", recipient_of(sender.reply_to).address),) if sender.reply_to else ()
    unsubscribe = _unsubscribe(mail, sender)
    post = _ONE_CLICK if unsubscribe.startswith("<https://") else ""
    optional = {"reply-to": reply_to, "list-unsubscribe": unsubscribe, "list-unsubscribe-post": post}
    return Reading(
        names=tuple(sorted([*_ALWAYS, *(name for name, value in optional.items() if value)])),
        sender=((shown_name(sender.name), recipient_of(sender.address).address),),
        to=((shown_name(mail.recipient_name), recipient_of(mail.recipient).address),),
        reply_to=reply_to,
        subject=one_line(mail.subject, _SUBJECT_LIMIT),
        message_id=f"<{mail.message_id}>",
        unsubscribe=unsubscribe,
        unsubscribe_post=post,
        content_type="text/plain",
        body=_text(mail.body),
    )


def composed(meant: Reading, date: datetime) -> bytes:
    """Write a mail. The body is transfer-encoded, so that no relay has to be 8-bit clean."""
    encoding = "quoted-printable" if meant.body.isascii() else "base64"
    lines = [
        f"From: {_address(*meant.sender[0])}",
        f"To: {_address(*meant.to[0])}",
        f"Subject: {unstructured('Subject', meant.subject)}",
        f"Date: {format_datetime(date)}",
        f"Message-ID: {meant.message_id}",
        *(f"Reply-To: {_address(*box)}" for box in meant.reply_to),
        # Whole, however long it is: a URI in pieces is none (RFC 2369 section 2).
        *([f"List-Unsubscribe: {meant.unsubscribe}"] if meant.unsubscribe else []),
        *([f"List-Unsubscribe-Post: {meant.unsubscribe_post}"] if meant.unsubscribe_post else []),
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        f"Content-Transfer-Encoding: {encoding}",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + _encoded(meant.body, encoding)


def _address(name: str, address: str) -> str:
    return f"{phrase(name)}\r\n <{address}>" if name else address


def _unsubscribe(mail: Mail, sender: Sender) -> str:
    lead_id = re.sub(r"[^A-Za-z0-9._~-]", "", mail.lead_id)
    return f"<{sender.unsubscribe.replace('{lead_id}', lead_id)}>" if sender.unsubscribe else ""


def _text(body: str) -> str:
    """Return the body with one kind of line end, one of them at its end, and no control characters."""
    lines = without_halves(body).replace("\r\n", "\n").replace("\r", "\n")
    text = _CONTROLS.sub(" ", lines)
    return text if text.endswith("\n") else f"{text}\n"


def _encoded(body: str, encoding: str) -> bytes:
    octets = body.encode()
    if encoding == "quoted-printable":
        return quopri.encodestring(octets).replace(b"\n", b"\r\n")
    return base64.encodebytes(octets.replace(b"\n", b"\r\n")).replace(b"\n", b"\r\n")
