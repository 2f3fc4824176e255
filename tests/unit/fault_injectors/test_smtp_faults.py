"""Each fault of the mail server really happens, leaves the record that the checker reads, and heals."""

import json
import random
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any

import pytest

from fault import World
from injectors.background import BackgroundLoop
from injectors.smtp import SmtpMode, SmtpSink, smtp_faults


@pytest.fixture
async def sink(loop: BackgroundLoop, world: World) -> AsyncIterator[SmtpSink]:
    made = SmtpSink(loop, world.mails)
    await made.open()
    yield made
    await made.close()


def _send(sink: SmtpSink, message_id: str = "<one@signalbox.example>") -> None:
    mail = EmailMessage()
    mail["Message-ID"], mail["From"], mail["To"] = message_id, "a@signalbox.example", "b@signalbox.example"
    mail.set_content("Good day.")
    host, port = sink.url.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port), timeout=1) as client:
        client.send_message(mail)


def _noted(world: World) -> list[dict[str, Any]]:
    return [json.loads(line) for line in world.mails.read_text().splitlines()] if world.mails.exists() else []


async def test_a_mail_that_was_taken_is_noted_with_its_message_id(sink: SmtpSink, world: World) -> None:
    _send(sink)
    [mail] = _noted(world)
    assert (mail["message_id"], mail["recipient"], mail["fault"]) == (
        "one@signalbox.example",
        "b@signalbox.example",
        None,
    )


@pytest.mark.parametrize(
    ("name", "noted"),
    [
        ("smtp-refuses-connection", False),
        ("smtp-refuses-recipient", False),
        ("smtp-never-greets", False),
        ("smtp-hangs-after-data", True),
        ("smtp-drops-after-data", True),
    ],
)
async def test_a_fault_fails_the_handover_and_is_noted_only_when_the_mail_was_taken(
    sink: SmtpSink, world: World, name: str, noted: bool
) -> None:
    fault = {fault.name: fault for fault in smtp_faults(sink)}[name]
    sink.strikes.start(fault.name, fault.mode, 1.0)
    with pytest.raises((smtplib.SMTPException, OSError)):
        _send(sink)
    assert [mail["fault"] for mail in _noted(world)] == ([name] if noted else [])
    assert sink.strikes.struck[name] == 1
    await fault.heal(world)
    _send(sink, "<two@signalbox.example>")
    assert _noted(world)[-1]["fault"] is None


async def test_a_fault_strikes_a_share_only(sink: SmtpSink) -> None:
    sink.strikes.start("some", SmtpMode.DROPS_AFTER_DATA, 0.3)
    struck = sum(sink.strikes.next() is not None for _ in range(1000))
    assert 200 < struck < 400


async def test_injecting_starts_the_fault_and_says_so(sink: SmtpSink, world: World) -> None:
    fault = smtp_faults(sink)[0]
    assert "the mail server" in await fault.inject(world, random.Random(1))
    with pytest.raises(smtplib.SMTPException):
        _send(sink)
