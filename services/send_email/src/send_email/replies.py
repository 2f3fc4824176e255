"""What an SMTP server's refusal is about: this mail, or us who send it.

A mail is given up for what is wrong with its recipient or its text, and for nothing else. Read from the words
that well-known servers use, then from the enhanced status code (RFC 3463, RFC 7372, IANA's registry, Exchange
Online's own), and last from the command that was answered.
"""

import re
from enum import Enum, auto
from typing import Final

from send_email.handover import Deferred, Outcome, Refused, Stopped, Unanswered
from send_email.headers import one_line


class Stage(Enum):
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

_US_IN_WORDS: Final = re.compile(
    r"relay|authenticat|credential|log ?in|password|not verified|send(ing|er)? (quota|limit|rate)"
    r"|(daily|hourly|user|message|sending|rate|outbound|account)[\w ]* (quota|limit)"
    r"|too many (messages|e?mails)|too much mail|(account|sending|service|user|tenant)[\w ]* "
    r"(paused|suspended|disabled|blocked|locked|expired)|tenant|bad outbound|send ?as\b|on behalf"
    r"|sender[\w <>@.'-]*:? ?(address )?(rejected|denied|blocked|refused|not allowed|not permitted|not owned)"
    r"|(rejected|not allowed|not permitted|authorized) (sender|to send)"
    r"|black ?list|block ?list|dnsbl|\brbl\b|spamhaus|client host|blocked using|reputation"
    r"|your (ip\b|host|server|domain|account|organi[sz]ation|network|ip address)"
    r"|\bspf\b|\bdkim\b|\bdmarc\b|reverse dns|\bptr\b|starttls|encryption|payment|billing|license",
    re.IGNORECASE,
)
_RECIPIENT_IN_WORDS: Final = re.compile(
    r"(user|recipient|mailbox|account|address|inbox)[\w <>@.'-]*:? ?"
    r"(unknown|not found|unavailable|does ?n[o']t exist|is full|full|disabled|inactive|over ?quota|invalid)"
    r"|no such (user|mailbox|recipient|person|account)|unknown (user|recipient|mailbox)"
    r"|recipient address rejected|that you tried to reach|you are trying to contact|mailbox (full|quota)",
    re.IGNORECASE,
)
_ABOUT_US: Final = frozenset(
    {
        *((1, detail) for detail in (7, 8)),  # the sender's address
        (2, 252),  # may not send as this sender
        *((3, detail) for detail in (0, 1, 2, 5)),  # the mail system itself
        (4, 5),  # congestion; Gmail's sending quota
        (5, 1),  # "530 5.5.1 Authentication Required"
    }
)
_ABOUT_RECIPIENT_POLICY: Final = frozenset({2, 17, 18, 124, 129, 133, 134, 135, 136})
"""Of 5.7.x: what one mailbox, list or group allows."""
_ABOUT_ANYTHING: Final = frozenset({0, 1})
"""Of 5.7.x: security and policy in general, which after the text is as often the text's."""
_ENCODING_CODES: Final = frozenset({500, 501, 504, 553, 555})


def judged(stage: Stage, code: int, text: str, *, international: bool = False) -> Outcome:
    """Say what an answer other than the hoped-for one means for the mail."""
    said = one_line(f"{code} {text}" if code > 0 else text, _REASON_LIMIT)
    if not _TEMPORARY <= code <= 599:  # noqa: PLR2004 - no refusal at all, and no answer of the protocol
        return Unanswered(said) if stage is Stage.TEXT else Deferred(said)
    if code < _FINAL:
        return Deferred(said)
    if stage is Stage.CONNECTION:
        return Stopped(said)
    if international and stage is Stage.MAIL and code in _ENCODING_CODES:
        return Refused(said)  # the server can't carry this recipient's address
    return _of_final(stage, said)


def _of_final(stage: Stage, said: str) -> Outcome:
    if _RECIPIENT_IN_WORDS.search(said) and stage is not Stage.MAIL:
        return Refused(said)
    if _US_IN_WORDS.search(said):
        return Stopped(said)
    found = _CODE.search(said)
    if found is None:
        return _by_stage(stage, said)
    return _by_code(stage, int(found[1]), int(found[2]), said)


def _by_code(stage: Stage, subject: int, detail: int, said: str) -> Outcome:
    if (subject, detail) in {(3, 4), (2, 3)} or subject == 6:  # noqa: PLR2004 - too large, or its form
        return Refused(said)
    if subject == 7:  # noqa: PLR2004 - security and policy
        if detail in _ABOUT_RECIPIENT_POLICY:
            return Refused(said)
        in_doubt = stage in {Stage.DATA, Stage.TEXT} and detail in _ABOUT_ANYTHING
        return Refused(said, doubtful=True) if in_doubt else Stopped(said)
    if (subject, detail) in _ABOUT_US:
        return Stopped(said)
    if stage is Stage.MAIL or subject == 0:
        return _by_stage(stage, said)
    return Refused(said)


def _by_stage(stage: Stage, said: str) -> Outcome:
    if stage is Stage.MAIL:
        return Stopped(said)
    return Refused(said, doubtful=stage is not Stage.RCPT)
