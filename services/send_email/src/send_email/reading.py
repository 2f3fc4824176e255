"""What a mail says to those who receive it, by two readers that share no code.

One is the standard library's ``email``, the other ``fast-mail-parser`` (Rust's ``mailparse``). Readers
differ where a text is ambiguous; what both read as the same is what was meant, or the mail doesn't leave.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from email.errors import NonASCIILocalPartDefect
from email.headerregistry import UniqueAddressHeader
from email.message import EmailMessage
from email.parser import Parser
from email.policy import SMTPUTF8
from typing import Final

import fast_mail_parser

LINE_LIMIT: Final = 998  # octets, RFC 5322 section 2.1.1

Box = tuple[str, str]
"""A display name, or nothing, and an address."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail as it is understood.

    ``names`` are those of its headers in small letters, sorted, each as often as it is there. The lines of
    ``body`` end with a line feed.
    """

    names: tuple[str, ...]
    sender: tuple[Box, ...]
    to: tuple[Box, ...]
    reply_to: tuple[Box, ...]
    subject: str
    message_id: str
    unsubscribe: str
    unsubscribe_post: str
    content_type: str
    body: str


def by_standard_library(raw: bytes) -> Reading:
    """Read with ``email``.

    Raises:
        ValueError: when it finds a defect.
    """
    message = Parser(EmailMessage, policy=SMTPUTF8).parsestr(raw.decode())
    headers = [(name.lower(), value) for name, value in message.items()]
    found = [*message.defects, *(defect for _, value in headers for defect in value.defects)]
    # RFC 6531 allows what the package still calls a defect.
    defects = [defect for defect in found if not isinstance(defect, NonASCIILocalPartDefect)]
    if defects or message.is_multipart():
        raise ValueError(f"the standard library finds {type(defects[0]).__name__ if defects else 'parts'}")
    by_name = dict(headers)
    return Reading(
        names=tuple(sorted(name for name, _ in headers)),
        sender=_boxes(by_name.get("from")),
        to=_boxes(by_name.get("to")),
        reply_to=_boxes(by_name.get("reply-to")),
        subject=str(by_name.get("subject", "")),
        message_id=str(by_name.get("message-id", "")),
        unsubscribe=str(by_name.get("list-unsubscribe", "")),
        unsubscribe_post=str(by_name.get("list-unsubscribe-post", "")),
        content_type=message.get_content_type(),
        body=_lf(message.get_content()),
    )


def by_mailparse(raw: bytes) -> Reading:
    """Read with ``fast-mail-parser``.

    Raises:
        ValueError: when it can't, or would have to repair something.
    """
    try:
        message = fast_mail_parser.parse_email(raw, strict=True)
        root = fast_mail_parser.parse_email_tree(raw)
    except fast_mail_parser.ParseError as error:
        raise ValueError(f"mailparse finds {type(error).__name__}") from error
    headers = {name.lower(): values for name, values in message.headers.items()}
    if root.children or root.content is None or message.attachments or message.cc or message.bcc:
        raise ValueError("mailparse finds more than one text to one recipient")
    return Reading(
        names=tuple(sorted(name.lower() for name, values in message.headers.items() for _ in values)),
        sender=_pairs([message.from_] if message.from_ else []),
        to=_pairs(message.to),
        reply_to=_pairs(message.reply_to),
        subject=message.subject,
        message_id=_first(headers, "message-id"),
        unsubscribe=_first(headers, "list-unsubscribe"),
        unsubscribe_post=_first(headers, "list-unsubscribe-post"),
        content_type=root.content_type,
        body=_lf(root.content.decode()),
    )


READERS: Final[tuple[Callable[[bytes], Reading], ...]] = (by_standard_library, by_mailparse)


def check_reading(raw: bytes, meant: Reading) -> None:
    """Check that ``raw`` has lines that every relay carries, and means ``meant`` to each reader.

    Raises:
        ValueError: names the part that is read as something else; nothing personal is in it.
    """
    lines = raw.split(b"\r\n")
    if any(b"\r" in line or b"\n" in line or b"\0" in line or len(line) > LINE_LIMIT for line in lines):
        raise ValueError("a composed mail has a line that mail can't carry")
    for read in READERS:
        try:
            found = read(raw)
        except ValueError:
            raise
        except Exception as error:  # noqa: BLE001 - a parser may fail in any way
            # Its own words may quote the mail.
            raise ValueError(f"a composed mail can't be read: {type(error).__name__}") from None
        if found != meant:
            wrong = [
                field.name
                for field in fields(Reading)
                if getattr(found, field.name) != getattr(meant, field.name)
            ]
            raise ValueError(f"a composed mail would be read otherwise than meant: {', '.join(wrong)}")


def _boxes(header: UniqueAddressHeader | None) -> tuple[Box, ...]:
    return () if header is None else tuple((box.display_name, box.addr_spec) for box in header.addresses)


def _pairs(boxes: list[fast_mail_parser.PyAddress]) -> tuple[Box, ...]:
    return tuple((box.display_name or "", box.address) for box in boxes)


def _first(headers: dict[str, list[str]], name: str) -> str:
    return headers.get(name, [""])[0]


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n")
