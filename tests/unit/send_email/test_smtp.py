"""Handing over to a real SMTP server on loopback, and to servers that misbehave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from send_email.composing import Sender
from send_email.handover import Deferred, Delivered, Outcome, Refused, Stopped, Unanswered
from send_email.mails import Mail
from send_email.smtp import Relay, SmtpHandover
from signalbox.protocol.errors import ConfigurationError

MakeMail = Callable[..., Mail]


def handover(relay: Relay, sender: Sender, timeout_s: float = 5) -> SmtpHandover:
    return SmtpHandover(relay, sender, lambda: datetime(2030, 5, 6, tzinfo=UTC), timeout_s=timeout_s)


Reaction = Callable[[asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server_that(
    stops_at: bytes, reaction: Reaction, greeting: bytes = b"220 here\r\n", ehlo: bytes = b"250 OK\r\n"
) -> AsyncIterator[int]:
    """Run a server that answers politely until it reads ``stops_at``, and then does ``reaction``."""
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        in_text = False
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                if line.upper().startswith(stops_at):
                    await reaction(writer)
                    await over.wait()
                    break
                if not in_text:
                    in_text = line == b"DATA\r\n"
                    polite = ehlo if line.startswith(b"EHLO") else b"250 OK\r\n"
                    writer.write(b"354 go on\r\n" if in_text else polite)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        server.close()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def say(answer: bytes) -> Reaction:
    async def reaction(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    return reaction


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    """Keep the connection, and the caller waiting."""


async def test_a_mail_arrives_as_it_was_written(post: Any, a_mail: MakeMail, sender: Sender) -> None:
    mail = a_mail("m-3", recipient_name="Żółć Ñandú", subject="Größe und 数量", body="Ça va?\n\n.\n漢字\n")
    assert await handover(post.relay, sender).deliver(mail) == Delivered()
    (message,) = post.taken
    assert post.recipients == ["ada@fjord.example"]
    assert message["To"].addresses[0].display_name == "Żółć Ñandú"
    assert message["Subject"] == "Größe und 数量"
    assert message["Message-ID"] == "<m-3@larkspan.example>"
    assert message.get_content().replace("\r\n", "\n") == "Ça va?\n\n.\n漢字\n"


async def test_an_address_outside_ascii_is_carried_by_smtputf8(
    post: Any, a_mail: MakeMail, sender: Sender
) -> None:
    assert await handover(post.relay, sender).deliver(a_mail(recipient="用户@fjord.example")) == Delivered()
    assert post.recipients == ["用户@fjord.example"]
    # The parser leaves bytes outside ASCII as surrogates.
    written = post.taken[0]["To"].addresses[0].addr_spec.encode("utf-8", "surrogateescape").decode()
    assert written == "用户@fjord.example"


async def test_an_address_outside_ascii_is_refused_where_no_server_can_carry_it(
    a_mail: MakeMail, sender: Sender
) -> None:
    async with server_that(b"MAIL", hang_up) as port:
        outcome = await handover(Relay("127.0.0.1", port), sender).deliver(
            a_mail(recipient="用户@fjord.example")
        )
    assert isinstance(outcome, Refused)
    assert "SMTPUTF8" in outcome.reason


async def test_a_recipient_refused_with_550_is_refused_for_good(
    post: Any, a_mail: MakeMail, sender: Sender
) -> None:
    post.refused_recipients["ada@fjord.example"] = "550 5.1.1 no such user"
    assert await handover(post.relay, sender).deliver(a_mail()) == Refused("550 5.1.1 no such user")


async def test_a_text_refused_with_554_is_refused_for_good(
    post: Any, a_mail: MakeMail, sender: Sender
) -> None:
    post.answers = ["554 5.7.1 no"]
    assert isinstance(await handover(post.relay, sender).deliver(a_mail()), Refused)


async def test_451_after_the_text_defers_the_mail(post: Any, a_mail: MakeMail, sender: Sender) -> None:
    post.answers = ["451 4.3.0 later"]
    assert await handover(post.relay, sender).deliver(a_mail()) == Deferred("451 4.3.0 later")


async def test_a_server_that_is_not_there_defers_the_mail(
    a_mail: MakeMail, sender: Sender, unused_port: int
) -> None:
    outcome = await handover(Relay("127.0.0.1", unused_port), sender).deliver(a_mail())
    assert isinstance(outcome, Deferred)


@pytest.mark.parametrize(
    ("stops_at", "answer"),
    [
        (b"MAIL", b"530 authentication required\r\n"),
        (b"RCPT", b"421 closing\r\n"),
    ],
)
async def test_a_refusal_that_is_not_about_the_mail_defers_it(
    a_mail: MakeMail, sender: Sender, stops_at: bytes, answer: bytes
) -> None:
    async with server_that(stops_at, say(answer)) as port:
        outcome = await handover(Relay("127.0.0.1", port), sender).deliver(a_mail())
    assert isinstance(outcome, Deferred)


@pytest.mark.parametrize("stops_at", [b"EHLO", b"MAIL", b"RCPT", b"DATA"])
@pytest.mark.parametrize("reaction", [hang_up, say_nothing])
async def test_a_connection_lost_before_data_defers_the_mail(
    a_mail: MakeMail, sender: Sender, stops_at: bytes, reaction: Reaction
) -> None:
    async with server_that(stops_at, reaction) as port:
        outcome = await handover(Relay("127.0.0.1", port), sender, timeout_s=0.3).deliver(a_mail())
    assert isinstance(outcome, Deferred)


@pytest.mark.parametrize("reaction", [hang_up, say_nothing])
async def test_an_answer_lost_after_data_leaves_the_outcome_open(
    a_mail: MakeMail, sender: Sender, reaction: Reaction
) -> None:
    async with server_that(b".\r\n", reaction) as port:
        outcome = await handover(Relay("127.0.0.1", port), sender, timeout_s=0.3).deliver(a_mail())
    assert isinstance(outcome, Unanswered)


async def test_encryption_that_is_demanded_and_not_offered_stops_sending(
    post: Any, a_mail: MakeMail, sender: Sender
) -> None:
    relay = Relay("127.0.0.1", post.port, start_tls=True)
    assert isinstance(await handover(relay, sender).deliver(a_mail()), Stopped)
    assert not post.taken


async def outcome_of(mail: Mail, sender: Sender, stops_at: bytes, answer: bytes) -> Outcome:
    async with server_that(stops_at, say(answer)) as port:
        return await handover(Relay("127.0.0.1", port), sender, timeout_s=3).deliver(mail)


@pytest.mark.parametrize("stops_at", [b"EHLO", b"MAIL", b"RCPT", b"DATA", b".\r\n"])
@pytest.mark.parametrize(
    "answer",
    [b"421 4.7.0 closing\r\n", b"450 4.2.0 greylisted\r\n", b"451-4.3.0 a\r\n451 4.3.0 b\r\n", b"452 x\r\n"],
)
async def test_a_refusal_for_the_moment_defers_the_mail_at_any_command(
    a_mail: MakeMail, sender: Sender, stops_at: bytes, answer: bytes
) -> None:
    assert type(await outcome_of(a_mail(), sender, stops_at, answer)) is Deferred


@pytest.mark.parametrize("stops_at", [b"MAIL", b"RCPT", b"DATA", b".\r\n"])
@pytest.mark.parametrize(
    "answer",
    [
        b"550 5.4.5 Daily sending quota exceeded\r\n",
        b"550-5.4.5 Daily user sending limit exceeded. More:\r\n550 5.4.5  https://x.example gsmtp\r\n",
        b"554 5.7.1 Relay access denied\r\n",
        b"550 relaying denied\r\n",
        b"554 Message rejected: Sending paused for this account\r\n",
        b"530 5.7.0 Authentication required\r\n",
    ],
)
async def test_a_refusal_of_the_sender_is_no_refusal_of_the_mail(
    a_mail: MakeMail, sender: Sender, stops_at: bytes, answer: bytes
) -> None:
    assert isinstance(await outcome_of(a_mail(), sender, stops_at, answer), Stopped)


@pytest.mark.parametrize("answer", [b"250 go on\r\n", b"hello\r\n", b"\xff\xfe\r\n", b"3\r\n"])
async def test_nothing_but_354_lets_the_text_go(a_mail: MakeMail, sender: Sender, answer: bytes) -> None:
    outcome = await outcome_of(a_mail(), sender, b"DATA", answer)
    assert type(outcome) is Deferred
    outcome.reason.encode()


@pytest.mark.parametrize(
    "answer", [b"hello\r\n", b"\xff\xfe\r\n", b"250", b"250-half\r\n", b"354 more\r\n", b"x" * 40_000]
)
async def test_garbage_after_the_text_leaves_the_outcome_open(
    a_mail: MakeMail, sender: Sender, answer: bytes
) -> None:
    outcome = await outcome_of(a_mail(), sender, b".\r\n", answer)
    assert isinstance(outcome, Unanswered)
    outcome.reason.encode()


@pytest.mark.parametrize("answer", [b"250 OK\r\n", b"250-many\r\n250 lines\r\n", b"251 will forward\r\n"])
async def test_any_success_after_the_text_is_a_delivery(
    a_mail: MakeMail, sender: Sender, answer: bytes
) -> None:
    assert await outcome_of(a_mail(), sender, b".\r\n", answer) == Delivered()


@pytest.mark.parametrize(
    ("greeting", "kind"),
    [
        (b"554 5.7.1 no SMTP service here for your IP\r\n", Stopped),
        (b"521 this host takes no mail\r\n", Stopped),
        (b"421 too many connections\r\n", Deferred),
        (b"HTTP/1.1 400 Bad Request\r\n", Deferred),
        (b"", Deferred),
    ],
)
async def test_a_greeting_that_is_none_is_about_us_or_the_moment(
    a_mail: MakeMail, sender: Sender, greeting: bytes, kind: type[Outcome]
) -> None:
    async with server_that(b"EHLO", say_nothing, greeting) as port:
        outcome = await handover(Relay("127.0.0.1", port), sender, timeout_s=3).deliver(a_mail())
    assert type(outcome) is kind


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"454 4.7.0 TLS not available\r\n", Deferred),
        (b"220 go on\r\nthis is no TLS\r\n", Deferred),
        (b"501 no\r\n", Stopped),
    ],
)
async def test_encryption_that_fails_is_no_refusal_of_the_mail(
    a_mail: MakeMail, sender: Sender, answer: bytes, kind: type[Outcome]
) -> None:
    offer = b"250-here\r\n250 STARTTLS\r\n"
    async with server_that(b"STARTTLS", say(answer), ehlo=offer) as port:
        outcome = await handover(Relay("127.0.0.1", port), sender, timeout_s=3).deliver(a_mail())
    assert type(outcome) is kind


@pytest.mark.parametrize(
    ("offer", "answer", "kind"),
    [
        (b"250-here\r\n250 AUTH PLAIN\r\n", b"535 5.7.8 wrong password\r\n", Stopped),
        (b"250-here\r\n250 AUTH PLAIN\r\n", b"454 4.7.0 later\r\n", Deferred),
        (b"250 here\r\n", b"", Stopped),
    ],
)
async def test_a_login_that_fails_is_no_refusal_of_the_mail(
    a_mail: MakeMail, sender: Sender, offer: bytes, answer: bytes, kind: type[Outcome]
) -> None:
    async with server_that(b"AUTH", say(answer), ehlo=offer) as port:
        relay = Relay("127.0.0.1", port, "me", "secret")
        outcome = await handover(relay, sender, timeout_s=3).deliver(a_mail())
    assert type(outcome) is kind
    assert isinstance(outcome, Deferred)
    assert "secret" not in outcome.reason


async def test_what_the_server_says_is_kept_without_the_address(a_mail: MakeMail, sender: Sender) -> None:
    answer = b"554 5.7.1 <ADA@Fjord.example>: Relay access denied\r\n"
    outcome = await outcome_of(a_mail(), sender, b"RCPT", answer)
    assert outcome == Stopped("554 5.7.1 <•••>: Relay access denied")


async def test_a_fault_of_our_own_before_the_text_is_certain(
    post: Any, a_mail: MakeMail, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Any, *_: Any, **__: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("aiosmtplib.SMTP.rcpt", broken)
    assert type(await handover(post.relay, sender).deliver(a_mail())) is Deferred


async def test_leading_dots_and_long_lines_arrive_as_they_were_written(
    post: Any, a_mail: MakeMail, sender: Sender
) -> None:
    body = ".\n..\n.x\n" + "y" * 5000 + "\n.\n"
    assert await handover(post.relay, sender).deliver(a_mail(body=body)) == Delivered()
    assert post.taken[0].get_content().replace("\r\n", "\n") == body


def test_an_address_of_a_relay_is_read_with_user_password_and_port() -> None:
    assert Relay.parse("smtp://me%40x:p%3Aw@mail.example:2525", start_tls=True) == Relay(
        "mail.example", 2525, "me@x", "p:w", start_tls=True
    )
    assert Relay.parse("smtps://mail.example") == Relay(
        "mail.example", 465, implicit_tls=True, start_tls=False
    )


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example:25", "smtp://h:port"])
def test_what_is_no_address_of_a_relay_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SMTP_URL"):
        Relay.parse(url)
