"""Hand over by SMTP (RFC 5321), so that every ending says whether the mail may have been taken.

The one moment of doubt is between giving the text away (DATA) and the answer to it: a connection lost
or a time-out there leaves the outcome open. Everything before is certain: not taken.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP

from send_email.composing import Sender, composed, recipient_of
from send_email.handover import Deferred, Delivered, Outcome, Refused, Unanswered
from send_email.mails import Mail
from signalbox.errors import ConfigurationError

_PERMANENT: Final = 500
_NOT_THE_MAILS_FAULT: Final = frozenset({530, 534, 535, 538, 454})
"""Authentication replies (RFC 4954 section 6): the settings are wrong, not the mail."""


@dataclass(frozen=True, slots=True)
class Relay:
    """An SMTP server. ``implicit_tls``: TLS from the first byte (RFC 8314).

    ``start_tls``: True demands the upgrade, None takes it where it is offered, False never does.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = None
    implicit_tls: bool = False
    start_tls: bool | None = None

    @classmethod
    def parse(cls, url: str, *, start_tls: bool | None = None) -> "Relay":
        """Read ``smtp://user:password@host:port`` or ``smtps://…``.

        Raises:
            ConfigurationError: when the address is not of that form.
        """
        try:
            parts = urlsplit(url)
            implicit = {"smtp": False, "smtps": True}[parts.scheme]
            port = parts.port or (465 if implicit else 587)
        except (KeyError, ValueError) as error:
            raise ConfigurationError("SMTP_URL must be smtp:// or smtps://user:password@host:port") from error
        if not parts.hostname:
            raise ConfigurationError("SMTP_URL names no host")
        user = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return cls(parts.hostname, port, user, password, implicit, False if implicit else start_tls)


class SmtpHandover:
    """One connection per mail, at most twice ``timeout_s``. Not repeatable: servers send what they get."""

    repeatable = False

    def __init__(
        self, relay: Relay, sender: Sender, clock: Callable[[], datetime], *, timeout_s: float = 30
    ) -> None:
        self._relay = relay
        self._sender = sender
        self._clock = clock
        self._timeout_s = timeout_s

    async def deliver(self, mail: Mail) -> Outcome:
        try:
            message = composed(mail, self._sender, self._clock())
            recipient = recipient_of(mail.recipient).addr_spec
        except ValueError as error:
            return Refused(str(error))
        client = self._client()
        try:
            outcome = await self._negotiate(client, recipient) or await self._give(client, message)
            if isinstance(outcome, Delivered):
                await _say_goodbye(client)
            return outcome
        finally:
            client.close()

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._relay.host,
            port=self._relay.port,
            username=self._relay.user,
            password=self._relay.password,
            use_tls=self._relay.implicit_tls,
            start_tls=self._relay.start_tls,
            timeout=self._timeout_s,
        )

    async def _negotiate(self, client: SMTP, recipient: str) -> Outcome | None:
        """Go up to the moment before DATA; None means that the server is willing."""
        international = not recipient.isascii()
        options = ["SMTPUTF8", "BODY=8BITMIME"] if international else []
        encoding = "utf-8" if international else "ascii"
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.connect()
                await client.ehlo()
                if international and not client.supports_extension("smtputf8"):
                    return Refused("the server can't carry an address outside ASCII (no SMTPUTF8)")
                await client.mail(self._sender.address, options=options, encoding=encoding)
                await client.rcpt(recipient, encoding=encoding)
        except aiosmtplib.SMTPResponseException as error:
            return _answered(error)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            return Deferred(f"{type(error).__name__}: {error}")
        return None

    async def _give(self, client: SMTP, message: EmailMessage) -> Outcome:
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.data(message.as_bytes())
        except aiosmtplib.SMTPResponseException as error:
            return _answered(error)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Unanswered(f"{type(error).__name__} after DATA: {error}")
        return Delivered()


def _answered(error: aiosmtplib.SMTPResponseException) -> Outcome:
    said = f"{error.code} {error.message}"
    # A refused greeting, EHLO or login says something about the connection, not about this mail.
    about_connection = isinstance(
        error,
        aiosmtplib.SMTPConnectResponseError | aiosmtplib.SMTPHeloError | aiosmtplib.SMTPAuthenticationError,
    )
    if error.code < _PERMANENT or about_connection or error.code in _NOT_THE_MAILS_FAULT:
        return Deferred(said)
    return Refused(said)


async def _say_goodbye(client: SMTP) -> None:
    # The outcome is known by now; a goodbye that fails changes nothing.
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=2)
