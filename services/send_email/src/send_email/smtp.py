"""Hand over by SMTP (RFC 5321), so that every ending says whether the mail may have been taken.

The one moment of doubt is between giving the text away and the answer to it: a connection lost or a time-out
there leaves the outcome open. Everything before is certain: not taken.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP

from send_email.composing import Sender, recipient_of, verified
from send_email.handover import Delivered, Outcome, Refused
from send_email.mails import Mail
from send_email.session import Session
from signalbox.protocol.errors import ConfigurationError


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
            text = verified(mail, self._sender, self._clock())
            # The header's address and no other: both come from one judgement.
            recipient = recipient_of(mail.recipient).address
            sender = recipient_of(self._sender.address).address
        except ValueError as error:
            return Refused(str(error))
        client = self._client()
        try:
            outcome = await Session(client, sender, recipient, text, self._timeout_s).hand_over()
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


async def _say_goodbye(client: SMTP) -> None:
    # The outcome is known by now; a goodbye that fails changes nothing.
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        await client.quit(timeout=2)
