from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import parseaddr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from send_email.composing import Sender, recipient_of, verified
from send_email.mails import Mail

DATE = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)


def sent(mail: Mail, sender: Sender) -> EmailMessage:
    parsed = message_from_bytes(verified(mail, sender, DATE), policy=SMTPUTF8)
    assert isinstance(parsed, EmailMessage)
    return parsed


def displayed_name(raw: bytes) -> str:
    # Read with email.header: the newer parser keeps blanks between the encoded words of one name.
    text = str(make_header(decode_header(message_from_bytes(raw)["To"])))
    return parseaddr(text)[0]


@pytest.mark.parametrize(
    ("name", "subject", "body"),
    [
        ("Ada Fjord", "A first step", "Dear Ada,\n\nhello.\n"),
        ("佐藤 花子", "株式会社さくら物流: 在庫の連携", "佐藤様\n\nこんにちは。\n"),
        ("محمد علي", "خطوة أولى", "السيد محمد،\n"),
        ('O\'Brien, "Bob" <x>', 'Quotes " and, commas; (and) <brackets>', "plain\n"),
        ("Ж" * 22, "Длинная тема " * 40, "строка " * 3000 + "\n"),
        ("🙂 Emoji", "🙂", ".\n..\nFrom here\n"),
    ],
)
def test_names_subjects_and_bodies_in_any_script_come_back_as_they_were(
    a_mail: Callable[..., Mail], sender: Sender, name: str, subject: str, body: str
) -> None:
    mail = a_mail(recipient_name=name, subject=subject, body=body)
    message = sent(mail, sender)
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@fjord.example"]
    assert displayed_name(verified(mail, sender, DATE))[:100] == name[:100]
    assert str(message["Subject"])[:200] == " ".join(subject.split())[:200]
    assert message.get_content().replace("\r\n", "\n") == body


def test_a_mail_has_its_message_id_date_and_sender(a_mail: Callable[..., Mail], sender: Sender) -> None:
    message = sent(a_mail("m-7"), sender)
    assert message["Message-ID"] == "<m-7@larkspan.example>"
    assert message["Date"].datetime == DATE
    assert message["From"] == "Maya Lindqvist <maya@larkspan.example>"
    assert "List-Unsubscribe" not in message


def test_list_unsubscribe_is_written_when_a_setting_gives_it(a_mail: Callable[..., Mail]) -> None:
    sender = Sender("M", "m@larkspan.example", unsubscribe="https://larkspan.example/u?l={lead_id}")
    message = sent(a_mail(lead_id="lead-1\r\nBcc: x@y.example"), sender)
    assert message["List-Unsubscribe"] == "<https://larkspan.example/u?l=lead-1Bccxy.example>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=80), subject=st.text(max_size=200), body=st.text(max_size=300))
def test_no_text_can_add_a_header_or_a_recipient(
    a_mail: Callable[..., Mail], sender: Sender, name: str, subject: str, body: str
) -> None:
    injected = "\r\nBcc: victim@elsewhere.example\r\n\r\n"
    mail = a_mail(recipient_name=name + injected, subject=subject + injected, body=body)
    message = sent(mail, sender)
    assert sorted(message.keys()) == sorted(
        [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Content-Type",
            "Content-Transfer-Encoding",
            "MIME-Version",
        ]
    )
    assert [address.addr_spec for address in message["To"].addresses] == ["ada@fjord.example"]


def test_lines_of_the_text_stay_short_enough_for_any_relay(
    a_mail: Callable[..., Mail], sender: Sender
) -> None:
    for body in ("x" * 5000, "é" * 5000):
        raw = verified(a_mail(body=body, subject="y" * 240), sender, DATE)
        assert max(len(line) for line in raw.split(b"\r\n")) <= 998  # RFC 5322 section 2.1.1
        assert raw.isascii()


@pytest.mark.parametrize(
    "address",
    [
        "a@x.example, b@y.example",
        "a@x.example\nBcc: b@y.example",
        "Ada <a@x.example>",
        " a@x.example",
        "a@",
        "@x.example",
        "no address",
        "",
        "a@b@x.example",
        "a" * 300 + "@x.example",
        "group: a@x.example;",
    ],
)
def test_what_is_not_exactly_one_plain_address_is_no_recipient(address: str) -> None:
    with pytest.raises(ValueError, match="not one plain"):
        recipient_of(address)


def test_a_domain_outside_ascii_is_written_as_dns_carries_it() -> None:
    assert recipient_of("info@bücher.example").address == "info@xn--bcher-kva.example"


def test_a_domain_is_never_turned_into_another_one() -> None:
    assert recipient_of("x@straße.example").address == "x@xn--strae-oqa.example"


def test_a_domain_that_dns_cannot_carry_is_refused() -> None:
    with pytest.raises(ValueError, match="not one plain"):
        recipient_of("x@ä-.example")


def test_a_domain_in_hindi_is_taken_as_lead_capture_takes_it() -> None:
    assert recipient_of("आशा@हिन्दी.भारत").address == "आशा@xn--j2bd4cyah0f.xn--h2brj9c"
