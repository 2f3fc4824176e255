"""A real SMTP server that writes down what it takes, and fails on demand."""

import asyncio
from email.parser import BytesHeaderParser
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from aiosmtpd.smtp import SMTP

from fault import Kind, append_line
from injectors.background import BackgroundLoop
from injectors.listener import Listener, reset
from injectors.strikes import StrikeFault, Strikes

_ACCEPTED: Final = "250 2.0.0 OK"
_SOME: Final = 0.3


class SmtpMode(Enum):
    """What one connection meets."""

    REFUSES_CONNECTION = auto()
    """``421`` instead of a greeting: certainly not taken."""
    REFUSES_RECIPIENT = auto()
    """``451`` at RCPT: certainly not taken, try later."""
    NEVER_GREETS = auto()
    """The connection is taken, and nothing is said."""
    HANGS_AFTER_DATA = auto()
    """The mail was taken; the answer never comes."""
    DROPS_AFTER_DATA = auto()
    """The mail was taken; the connection is cut before the answer."""


class SmtpSink:
    """Takes mails and appends a line for each to ``mails`` before it answers, see ``World.mails``."""

    def __init__(self, loop: BackgroundLoop, mails: Path) -> None:
        self.strikes: Strikes[SmtpMode] = Strikes()
        self._mails = mails
        self._listener = Listener(loop, "smtp", self._protocol)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._listener.port}"

    async def open(self) -> None:
        await self._listener.open()

    async def close(self) -> None:
        await self._listener.close()

    def _protocol(self) -> asyncio.BaseProtocol:
        match self.strikes.next():
            case _, SmtpMode.REFUSES_CONNECTION:
                return _Refusing()
            case _, SmtpMode.NEVER_GREETS:
                return asyncio.Protocol()
            case strike:
                taking = _Taking(self._mails, strike)
                return SMTP(taking, enable_SMTPUTF8=True, hostname="sink.example", loop=_loop())


class _Refusing(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"421 4.3.2 sink.example takes no connections now\r\n")
        transport.close()


class _Taking:
    """The hooks of one connection, by the names that aiosmtpd looks for."""

    def __init__(self, mails: Path, strike: tuple[str, SmtpMode] | None) -> None:
        self._mails = mails
        self._fault = strike[0] if strike else None
        self._mode = strike[1] if strike else None

    async def handle_RCPT(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self._mode is SmtpMode.REFUSES_RECIPIENT:
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return _ACCEPTED

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        untold = self._mode in {SmtpMode.HANGS_AFTER_DATA, SmtpMode.DROPS_AFTER_DATA}
        message_id = BytesHeaderParser().parsebytes(envelope.content).get("Message-ID", "")
        for recipient in envelope.rcpt_tos:
            line = {"message_id": message_id.strip().strip("<>"), "recipient": recipient}
            append_line(self._mails, {**line, "fault": self._fault if untold else None})
        if self._mode is SmtpMode.HANGS_AFTER_DATA:
            await asyncio.Event().wait()  # until the sender hangs up
        if self._mode is SmtpMode.DROPS_AFTER_DATA:
            assert isinstance(server.transport, asyncio.WriteTransport)
            reset(server.transport)
        return _ACCEPTED


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def smtp_faults(sink: SmtpSink) -> list[StrikeFault[SmtpMode]]:
    """Return the mail server's faults; those that leave the outcome open strike some mails, not all."""
    shares = {
        "smtp-refuses-connection": (SmtpMode.REFUSES_CONNECTION, 1.0),
        "smtp-refuses-recipient": (SmtpMode.REFUSES_RECIPIENT, 1.0),
        "smtp-never-greets": (SmtpMode.NEVER_GREETS, 1.0),
        "smtp-hangs-after-data": (SmtpMode.HANGS_AFTER_DATA, _SOME),
        "smtp-drops-after-data": (SmtpMode.DROPS_AFTER_DATA, _SOME),
    }
    servers = {"the mail server": sink.strikes}
    return [StrikeFault(name, Kind.SMTP, servers, mode, share) for name, (mode, share) in shares.items()]
