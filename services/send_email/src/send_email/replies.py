"""What an SMTP server's refusal is about: this mail, or us who send it.

A mail is given up for what is wrong with its recipient or its text, and for nothing else. Read from the words
that well-known servers use, then from the enhanced status code (RFC 3463, RFC 7372, IANA's registry, Exchange
Online's own) and the command that was answered. What none of them tells is ``doubtful``.
"""

import re
from enum import Enum, auto
from typing import Final

from send_email.handover import Deferred, Outcome, Refused, Stopped, Unanswered
from send_email.headers import one_line


class SessionStage(Enum):
    """What the server answered."""

    CONNECTION = auto()
    """The connection itself, EHLO, STARTTLS or the login."""
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    TEXT = auto()
    """The text after DATA: only this answer can say that the mail was taken."""


_FINAL: Final = 500
_TEMPORARY: Final = 400
_CODE: Final = re.compile(r"(?<![\d.])5\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REASON_LIMIT: Final = 300

_RECIPIENT_IN_WORDS: Final = re.compile(
    r"(user|recipient|mailbox|account|address|inbox)[\w <>@.'•-]*:? ?"
    r"(unknown|not found|unavailable|does ?n[o']t exist|full|disabled|inactive|over ?quota|invalid)"
    r"|no such (user|mailbox|recipient|person|account)|unknown (user|recipient|mailbox)"
    r"|recipient address rejected|that you tried to reach|you are trying to contact",
    re.IGNORECASE,
)
_TEXT_IN_WORDS: Final = re.compile(r"too (large|big|long)|\bsize\b|virus|malware|\bspam\b", re.IGNORECASE)
_US_IN_WORDS: Final = re.compile(
    r"\brelay|authenticat|credential|not verified|rate limit|sen(d|ding|der) (quota|limit|rate)"
    r"|(daily|hourly|sending|outbound)[\w ]* (quota|limit)|too many (messages|e?mails)|too much mail"
    r"|(account|sending|service|tenant)[\w ]* (paused|suspended|blocked|locked|expired)"
    r"|sender verif|verified sender|\bcredits\b|\btenant\b|bad outbound|send ?as\b"
    r"|sender[\w <>@.'•-]*:? ?(address )?(rejected|denied|blocked|refused|not (allowed|permitted|owned))"
    r"|not (allowed|permitted|authorized) to send|unauthorized sender"
    r"|black ?list|block ?list|dnsbl|\brbl\b|spamhaus|client host|blocked using|reputation"
    r"|your (ip|host|server|domain|account|organi[sz]ation|network)\b"
    r"|\bspf\b|\bdkim\b|\bdmarc\b|reverse dns|starttls|encryption|billing",
    re.IGNORECASE,
)
_QUOTA: Final = re.compile(r"(?!552).*\b(quota|limit)\b", re.IGNORECASE)
"""Whose quota it is, 552 (RFC 5321) and 5.2.x say: a mailbox's."""
_MAILBOX: Final = 2
_ABOUT_US: Final = frozenset(
    {
        *((1, detail) for detail in (7, 8)),  # the sender's address
        (2, 252),  # may not send as this sender
        *((3, detail) for detail in (0, 1, 2, 5)),  # the mail system itself
        (4, 5),  # congestion; Gmail's sending quota
        (5, 1),  # "530 5.5.1 Authentication Required"
    }
)
_TOO_LARGE: Final = frozenset({(2, 3), (3, 4)})
_FORM: Final = 6
_POLICY: Final = 7
_ABOUT_RECIPIENT_POLICY: Final = frozenset({2, 17, 18, 124, 129, 133, 134, 135, 136})
"""Of 5.7.x: what one mailbox, list or group allows."""
_ABOUT_ANYTHING: Final = frozenset({0, 1})
"""Of 5.7.x: security and policy in general, which after the text is as often the text's."""
_ENCODING_CODES: Final = frozenset({500, 501, 504, 553, 555})


def judged(stage: SessionStage, code: int, text: str, *, international: bool = False) -> Outcome:
    """Say what an answer other than the hoped-for one means for the mail."""
    said = one_line(f"{code} {text}" if code > 0 else text, _REASON_LIMIT)
    if not _TEMPORARY <= code <= 599:  # noqa: PLR2004 - no refusal at all, and no answer of the protocol
        return Unanswered(said) if stage is SessionStage.TEXT else Deferred(said)
    if code < _FINAL:
        return Deferred(said)
    if stage is SessionStage.CONNECTION:
        return Stopped(said)
    if international and stage is SessionStage.MAIL and code in _ENCODING_CODES:
        return Refused(said)  # the server can't carry this recipient's address
    return _of_final(stage, said)


def _of_final(stage: SessionStage, said: str) -> Outcome:
    before_recipient = stage is SessionStage.MAIL
    if _RECIPIENT_IN_WORDS.search(said) and not before_recipient:
        return Refused(said)
    if _US_IN_WORDS.search(said):
        return Stopped(said)
    code = _CODE.search(said)
    subject, detail = (int(code[1]), int(code[2])) if code else (0, 0)
    if _about_text(subject, detail) or _TEXT_IN_WORDS.search(said):
        return Refused(said, doubtful=stage is SessionStage.TEXT and subject in {0, 7})
    of_quota = subject != _MAILBOX and _QUOTA.match(said)
    if before_recipient or of_quota or (subject, detail) in _ABOUT_US:
        return Stopped(said)
    if subject == _POLICY:
        return _of_policy(stage, detail, said)
    return Refused(said, doubtful=subject == 0)


def _about_text(subject: int, detail: int) -> bool:
    return subject == _FORM or (subject, detail) in _TOO_LARGE


def _of_policy(stage: SessionStage, detail: int, said: str) -> Outcome:
    if detail in _ABOUT_RECIPIENT_POLICY:
        return Refused(said)
    if stage is not SessionStage.RCPT and detail in _ABOUT_ANYTHING:
        return Refused(said, doubtful=True)
    return Stopped(said)
