"""One SMTP session for one mail, step by step, so that every ending says whether the mail was taken."""

import asyncio
import re
import ssl
from typing import Final

import aiosmtplib
from aiosmtplib import SMTP

from send_email.handover import Deferred, Delivered, Outcome, Refused, Stopped, Unanswered
from send_email.headers import one_line
from send_email.replies import SessionStage, judged
from signalbox.protocol.errors import causes

_GO_ON: Final = 354
_DONE: Final = range(200, 300)


class Session:
    """Use it once. The caller closes ``client``."""

    def __init__(self, client: SMTP, sender: str, recipient: str, text: bytes, timeout_s: float) -> None:
        self._client = client
        self._sender = sender
        self._recipient = recipient
        self._text = text
        self._timeout_s = timeout_s
        self._international = not text.isascii()  # only addresses are written as they are
        self._stage = SessionStage.CONNECTION

    async def hand_over(self) -> Outcome:
        """Go through the session: at most one time-out up to the answer to DATA, and one for the text."""
        try:
            async with asyncio.timeout(self._timeout_s):
                refusal = await self._up_to_the_text()
            return refusal or await self._give()
        except aiosmtplib.SMTPResponseException as error:
            return self._judged(error.code, error.message)
        except Exception as error:  # noqa: BLE001 - whatever it was: before the text, nothing was taken
            return self._broken_off(error)

    async def _up_to_the_text(self) -> Outcome | None:
        client = self._client
        encoding = "utf-8" if self._international else "ascii"
        options = ["SMTPUTF8", "BODY=8BITMIME"] if self._international else []
        await client.connect()
        await client.ehlo()
        if self._international and not client.supports_extension("smtputf8"):
            return Refused("the server can't carry an address outside ASCII (no SMTPUTF8)")
        self._stage = SessionStage.MAIL
        await client.mail(self._sender, options=options, encoding=encoding)
        self._stage = SessionStage.RCPT
        await client.rcpt(self._recipient, encoding=encoding)
        self._stage = SessionStage.DATA
        answer = await client.execute_command(b"DATA")
        return None if answer.code == _GO_ON else self._judged(*answer)

    async def _give(self) -> Outcome:
        """Give the text away. From here on only the server's answer says whether it was taken."""
        protocol = self._client.protocol
        if protocol is None or not protocol.is_connected:
            return Deferred("the connection was lost before the text")
        self._stage = SessionStage.TEXT
        # A line that is one dot ends the text, so each leading dot is doubled (RFC 5321 section 4.5.2).
        protocol.write(re.sub(rb"(?m)^\.", b"..", self._text) + b".\r\n")
        answer = await protocol.read_response(timeout=self._timeout_s)
        return Delivered() if answer.code in _DONE else self._judged(*answer)

    def _judged(self, code: int, said: str) -> Outcome:
        # Servers repeat the address, and what they said is shown to operators, in /readyz too.
        unnamed = re.sub(re.escape(self._recipient), "•••", said, flags=re.IGNORECASE)
        return judged(self._stage, code, unnamed, international=self._international)

    def _broken_off(self, error: Exception) -> Outcome:
        why = one_line(f"{type(error).__name__}: {error}", 300)
        if self._stage is SessionStage.TEXT:
            return Unanswered(f"{why}, after the text")
        if _needs_an_operator(error):
            return Stopped(why)
        return Deferred(why)


def _needs_an_operator(error: BaseException | None) -> bool:
    """Say whether waiting can't help: a certificate, or what the settings demand and the server lacks."""
    # The library's plain exception says that STARTTLS or AUTH is not offered.
    return any(
        type(one) is aiosmtplib.SMTPException or isinstance(one, ssl.SSLCertVerificationError)
        for one in causes(error)
    )
