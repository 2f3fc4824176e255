"""Real parts for the mail tests: an SMTP server on loopback that answers as it is told, a store, drafts."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from send_email.composing import Sender
from send_email.consent import Consent
from send_email.mails import Mail, Schedule
from send_email.policy import Policy
from send_email.recipients import Recipient
from send_email.smtp import Relay
from send_email.store import ScheduleStore

START = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
NO_CAPS = Policy(per_hour=10_000, per_day=10_000, per_month=10_000)
SENDER = Sender("Maya Lindqvist", "maya@larkspan.example")


@dataclass
class Post:
    """What a real SMTP server does with mails: ``answers`` are used up first, then everything is taken."""

    answers: list[str] = field(default_factory=list)
    refused_recipients: dict[str, str] = field(default_factory=dict)
    taken: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refused_recipients:
            return self.refused_recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        message = message_from_bytes(envelope.content, policy=SMTPUTF8)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        self.recipients.extend(envelope.rcpt_tos)
        return "250 taken"

    @property
    def relay(self) -> Relay:
        return Relay("127.0.0.1", self.port)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def post() -> Iterator[Post]:
    post = Post(port=free_port())
    controller = Controller(post, hostname="127.0.0.1", port=post.port, enable_SMTPUTF8=True)
    controller.start()
    yield post
    controller.stop()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ScheduleStore]:
    store = ScheduleStore.in_folder(tmp_path / "send_email", NO_CAPS)
    yield store
    store.close()


@pytest.fixture
def a_mail() -> Callable[..., Mail]:
    return make_mail


@pytest.fixture
def sender() -> Sender:
    return SENDER


@pytest.fixture
def scheduled(store: ScheduleStore) -> Callable[..., Schedule]:
    """Put a schedule into the store: one mail for each number of hours, to somebody who confirmed."""

    def put(*hours: int, workflow: str = "w-1", **changes: Any) -> Schedule:
        mails = tuple(
            make_mail(f"{workflow}-{hour}", scheduled_at=START + timedelta(hours=hour), **changes)
            for hour in hours
        )
        for mail in mails:
            Consent(store).confirm(Recipient.of(mail.recipient), "operator", START)
        return store.keep_first(Schedule(workflow, f"c-{workflow}", "NURTURE", "lead-1", mails), START)

    return put


def make_mail(ident: str = "m-1", **changes: Any) -> Mail:
    workflow = ident.rpartition("-")[0] or "w-1"
    values = {
        "message_id": f"{ident}@larkspan.example",
        "campaign_id": f"c-{workflow}",
        "lead_id": "lead-1",
        "recipient": "ada@fjord.example",
        "recipient_name": "Ada Fjord",
        "subject": "A first step",
        "body": "Dear Ada,\n\nhello.\n",
        "scheduled_at": START,
    }
    return Mail(**{**values, **changes})


@pytest.fixture
def unused_port() -> int:
    return free_port()
