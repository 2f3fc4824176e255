"""What was written is read again by two readers before it counts."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import send_email.composing
from send_email.composing import Sender, composed, meaning, verified
from send_email.handover import Refused
from send_email.mails import Mail
from send_email.outbox import Outbox
from send_email.planning import planned
from send_email.reading import READERS, Reading, check_reading
from send_email.settings import MailSettings
from send_email.smtp import SmtpHandover
from signalbox.protocol.errors import ConfigurationError
from signalbox_agent import Refuse
from signalbox_contracts.sdr import CampaignDrafted, CampaignType, Email, Lead

DATE = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
FULL = Sender(
    "Maya Lindqvist",
    "maya@larkspan.example",
    "answers@larkspan.example",
    f"https://larkspan.example/unsubscribe?{'k' * 300}&lead={{lead_id}}",
)
LONG_NAME = (
    "Nowak, Ada of the long and winding Department; victim@other.example, the second Department of Ada Nowak"
)

MakeMail = Callable[..., Mail]


def readings(mail: Mail, sender: Sender) -> list[Reading]:
    raw = verified(mail, sender, DATE)
    return [read(raw) for read in READERS]


@pytest.mark.parametrize(
    "name",
    [
        LONG_NAME,
        f'"{LONG_NAME}"',
        "x" * 70 + "," + "y" * 70 + "@other.example",
        "a@b.example",
        "Ada <victim@other.example>",
        "Ада, " + "Ж" * 40 + "; victim@other.example",
        "undisclosed: victim@other.example;",
        "=?utf-8?q?victim=40other=2Eexample=2C?=",
        "=?utf-8?b?dmljdGltQG90aGVyLmV4YW1wbGUs?=",
        "Ada\r\nBcc: victim@other.example",
        "Ada ＜victim＠other.example＞",
        "(comment) \\",
        '"',
        "Nowak, Ada",
        ",",
        "\u202eelpmaxe.rehto@mitciv",
    ],
)
@pytest.mark.parametrize(
    "recipient", ["ada@fjord.example", f"{'a' * 64}@{'b' * 60}.{'c' * 60}.example", "आशा@हिन्दी.भारत"]
)
def test_no_name_makes_a_second_recipient_for_any_reader(
    a_mail: MakeMail, sender: Sender, name: str, recipient: str
) -> None:
    mail = a_mail(recipient_name=name, recipient=recipient)
    wanted = send_email.composing.recipient_of(recipient).address
    for read in readings(mail, sender):
        ((shown, address),) = read.to
        assert address == wanted
        assert "@" not in shown
        assert not {"cc", "bcc", "resent-to", "sender"} & set(read.names)
        assert len(set(read.names)) == len(read.names)


@pytest.mark.parametrize(
    "name", ["Nowak, Ada", 'O\'Brien, "Bob" <x>', "Żółć Ñandú", "佐藤　花子", "a (b) c.", "Ж, Ж", "=?x?="]
)
def test_a_name_is_read_as_it_was_meant(a_mail: MakeMail, sender: Sender, name: str) -> None:
    assert {read.to[0][0] for read in readings(a_mail(recipient_name=name), sender)} == {name}


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?Hello?=",
        "=?utf-8?b?SGVsbG8=?= there",
        "re =?iso-8859-1?q?=E9?= x",
        "=?",
        "?=",
        "тема Latin тема Latin тема Latin тема Latin тема Latin 漢字 more " * 3,
        "Жa漢 b é c 🙂 d" * 10,
        "x" * 240,
        "word " * 45,
        "an NBSP\u00a0stays, an ideographic\u3000blank too",
        "two  blanks, three   in ASCII",
        "два  пробела,  漢  字",
        "Subject: x, <y@z.example>; (c)",
        "",
        ".",
    ],
)
def test_a_subject_is_read_as_it_was_meant(a_mail: MakeMail, sender: Sender, subject: str) -> None:
    expected = subject.strip() if len(subject.strip()) <= 250 else f"{subject[:249].rstrip()}…"
    assert {read.subject for read in readings(a_mail(subject=subject), sender)} == {expected}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a\rb\r\nc\n", "a\nb\nc\n"),
        ("a\0b\x0bc\x85d\u2028e\x1cf\n", "a b c d e f\n"),
        ("half \ud800 pair\n", "half \ufffd pair\n"),
        (".\n..\n.x\n", ".\n..\n.x\n"),
        ("é\n.\n", "é\n.\n"),
        ("From here\nTo: x@y.example\n", "From here\nTo: x@y.example\n"),
        ("trailing \t\n \n= =3D\n", "trailing \t\n \n= =3D\n"),
        ("x" * 5000, "x" * 5000 + "\n"),
        ("é" * 5000, "é" * 5000 + "\n"),
        ("\ufeffmark\n", "\ufeffmark\n"),
        ("", "\n"),
        ("--x\nContent-Type: text/html\n\n<b>\n--x--\n", "--x\nContent-Type: text/html\n\n<b>\n--x--\n"),
    ],
)
def test_a_body_is_read_as_it_was_meant(a_mail: MakeMail, sender: Sender, body: str, expected: str) -> None:
    assert {read.body for read in readings(a_mail(body=body), sender)} == {expected}


def test_long_header_values_go_out_in_one_piece(a_mail: MakeMail) -> None:
    mail = a_mail(message_id=f"{'m' * 100}@larkspan.example", lead_id="l" * 500)
    raw = verified(mail, FULL, DATE)
    unsubscribe = FULL.unsubscribe.replace("{lead_id}", mail.lead_id)
    assert f"\r\nList-Unsubscribe: <{unsubscribe}>\r\n".encode() in raw
    assert f"\r\nMessage-ID: <{mail.message_id}>\r\n".encode() in raw
    assert b"\r\nReply-To: answers@larkspan.example\r\n" in raw


GOOD = "To: ada@fjord.example"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (GOOD, "To: ada@fjord.example, victim@other.example"),
        (GOOD, "To: victim@other.example"),
        (GOOD, f"{GOOD}\r\nTo: victim@other.example"),
        (GOOD, f"{GOOD}\r\nCc: victim@other.example"),
        (GOOD, f"{GOOD}\r\nBCC: victim@other.example"),
        (GOOD, f"{GOOD}\r\nResent-To: victim@other.example"),
        (GOOD, f"{GOOD}\r\n (victim@other.example)\r\nX-More: y"),
        (GOOD, "To: friends: ada@fjord.example, victim@other.example;"),
        (GOOD, "To: <@relay.example:ada@fjord.example>"),
        ("From: maya@", "From: maya@evil.example, maya@"),
        ("From: maya@", "Sender: evil@x.example\r\nFrom: maya@"),
        ("Subject: A first", "Subject: A second"),
        ("Subject: A first", "Subject: Another\r\nSubject: A first"),
        ("MIME-Version", "Subject : x\r\nMIME-Version"),
        ("text/plain", "text/html"),
        ("text/plain; ", "multipart/mixed; boundary=x; "),
        ("hello.", "hello!"),
        ("hello.", "hello.\r"),
        ("hello.", "hello.\n"),
        ("hello.", "hello.\0"),
        ("MIME-Version", f"X-Long: {'x' * 998}\r\nMIME-Version"),
        ("MIME-Version", "\r\nMIME-Version"),
    ],
)
def test_what_any_reader_reads_otherwise_is_refused(a_mail: MakeMail, before: str, after: str) -> None:
    meant = meaning(a_mail(recipient_name=""), Sender("", "maya@larkspan.example"))
    raw = composed(meant, DATE)
    check_reading(raw, meant)
    assert before.encode() in raw
    with pytest.raises(ValueError, match=r"mail|finds"):
        check_reading(raw.replace(before.encode(), after.encode(), 1), meant)


def a_draft() -> CampaignDrafted:
    lead = Lead(
        lead_id="lead-1",
        name="Ada Fjord",
        email="ada@fjord.example",
        company_name="Fjord",
        job_title="CTO",
        lead_source="webinar",
        captured_at=DATE,
    )
    mail = Email(to="ada@fjord.example", subject="s", body="b", send_after_hours=0)
    return CampaignDrafted(lead=lead, campaign_type=CampaignType.NURTURE, emails=[mail])


def test_a_reader_that_breaks_down_refuses_the_mail_and_quotes_nothing(
    a_mail: MakeMail, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(raw: bytes) -> Reading:
        raise IndexError(raw.decode())

    monkeypatch.setattr("send_email.reading.READERS", (broken,))
    with pytest.raises(ValueError, match="IndexError") as refused:
        verified(a_mail(), sender, DATE)
    assert "ada" not in str(refused.value)


def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the name as the standard library did: without its quotes."""
    monkeypatch.setattr(
        send_email.composing, "_address", lambda name, address: f"{LONG_NAME if name else name} <{address}>"
    )


async def test_a_mail_that_would_reach_a_stranger_fails_at_both_handovers(
    a_mail: MakeMail, tmp_path: Path, post: Any, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    careless(monkeypatch)
    for handover in (Outbox(tmp_path, sender, lambda: DATE), SmtpHandover(post.relay, sender, lambda: DATE)):
        outcome = await handover.deliver(a_mail())
        assert isinstance(outcome, Refused)
        assert "victim" not in outcome.reason
    assert post.recipients == []
    assert not list(tmp_path.iterdir())


def test_a_mail_that_would_reach_a_stranger_is_refused_before_it_is_scheduled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    careless(monkeypatch)
    with pytest.raises(Refuse, match="read"):
        planned(a_draft(), "lead-1", "w-1", DATE, "larkspan.example")


async def test_the_envelope_names_the_headers_recipient(a_mail: MakeMail, post: Any, sender: Sender) -> None:
    for recipient in ("Ada@Fjord.example", "info@bücher.example", "आशा@हिन्दी.भारत"):
        mail = a_mail(recipient=recipient)
        await SmtpHandover(post.relay, sender, lambda: DATE).deliver(mail)
        assert post.recipients.pop() == readings(mail, sender)[0].to[0][1]


@pytest.mark.parametrize(
    ("written", "name", "address"),
    [
        ("Maya Lindqvist <maya@larkspan.example>", "Maya Lindqvist", "maya@larkspan.example"),
        ('"Lindqvist, Maya" <maya@larkspan.example>', "Lindqvist, Maya", "maya@larkspan.example"),
        ("Lindqvist, Maya <maya@larkspan.example>", "Lindqvist, Maya", "maya@larkspan.example"),
        ("Größe 漢字 <a@bücher.example>", "Größe 漢字", "a@xn--bcher-kva.example"),
        ("maya@larkspan.example", "", "maya@larkspan.example"),
    ],
)
def test_the_senders_name_and_address_are_read_from_the_settings(
    a_mail: MakeMail, written: str, name: str, address: str
) -> None:
    sender = MailSettings(from_=written, reply_to=written).sender
    for read in readings(a_mail(), sender):
        assert read.sender == ((name, address),)
        assert read.reply_to == (("", address),)


@pytest.mark.parametrize(
    "settings",
    [
        {"from_": "a@x.example, b@y.example"},
        {"from_": "a@x.example)b@y.example"},
        {"from_": "group: a@x.example;"},
        {"from_": "a@x.example <b@y.example>"},
        {"from_": f"{'Ж' * 60} <b@y.example>"},
        {"from_": ""},
        {"reply_to": "a@x.example, b@y.example"},
        {"unsubscribe": f"https://x.example/{'x' * 1000}"},
        {"unsubscribe": "https://x.example/{lead_id}/{lead_id}"},
    ],
)
def test_settings_that_cannot_be_written_safely_stop_the_start(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="MAIL_FROM"):
        _ = MailSettings(**settings).sender
