"""Which refusals are about the mail and which about us, by what well-known servers say."""

import pytest

from send_email.handover import Deferred, Refused, Stopped, Unanswered
from send_email.replies import SessionStage, judged

BEFORE = (SessionStage.CONNECTION, SessionStage.MAIL, SessionStage.RCPT, SessionStage.DATA)
ANYWHERE = (SessionStage.MAIL, SessionStage.RCPT, SessionStage.DATA, SessionStage.TEXT)


@pytest.mark.parametrize("stage", ANYWHERE)
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits"),
        (550, "5.4.5 Daily sending quota exceeded"),
        (550, "Daily sending quota exceeded"),
        (554, "5.7.1 <ada@fjord.example>: Relay access denied"),
        (550, "5.7.1 Unable to relay"),
        (550, "5.7.54 SMTP; Unable to relay recipient in non-accepted domain"),
        (550, "relay not permitted"),
        (550, "5.7.0 Mail relay denied [192.0.2.1]. Invalid credentials for relay"),
        (530, "5.5.1 Authentication Required. Learn more at"),
        (530, "5.7.57 Client not authenticated to send mail"),
        (535, "5.7.8 Username and Password not accepted"),
        (554, "Message rejected: Email address is not verified. The following identities failed the check"),
        (554, "Message rejected: Sending paused for this account"),
        (550, "5.7.708 Access denied, traffic not accepted from this IP"),
        (550, "5.7.705 Access denied, tenant has exceeded threshold"),
        (550, "5.1.8 Access denied, bad outbound sender AS(42004)"),
        (554, "5.2.252 SendAsDenied; maya@larkspan.example not allowed to send as"),
        (550, "5.7.60 SMTP; Client does not have permissions to send as this sender"),
        (553, "5.7.1 <maya@larkspan.example>: Sender address rejected: not owned by user me"),
        (554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org"),
        (550, "5.7.26 Unauthenticated email from larkspan.example is not accepted due to DMARC policy"),
        (550, "5.7.25 The IP address sending this message does not have a PTR record"),
        (550, "SPF check failed"),
        (550, "You have been sending too many messages, try again tomorrow"),
        (451 + 100, "account is temporarily suspended, contact billing"),
        (550, "Quota exceeded"),
        (550, "Maximum credits exceeded"),
        (550, "Sender verify failed"),
        (550, "The from address does not match a verified Sender Identity"),
        (553, "sorry, your IP is not in my list of allowed rcpthosts (#5.7.1)"),
        (552, "5.2.2 You have exceeded your daily quota"),
        (554, "5.3.2 System not accepting network messages"),
    ],
)
def test_a_refusal_of_the_sender_stops_sending_whatever_was_answered(
    stage: SessionStage, code: int, text: str
) -> None:
    assert isinstance(judged(stage, code, text), Stopped)


@pytest.mark.parametrize("stage", [SessionStage.RCPT, SessionStage.DATA, SessionStage.TEXT])
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "5.1.1 no such user"),
        (550, "5.1.1 <ada@fjord.example>: Recipient address rejected: User unknown in virtual mailbox table"),
        (550, "5.1.1 The email account that you tried to reach does not exist. Please try double-checking"),
        (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
        (550, "No such user here"),
        (550, "Mailbox unavailable"),
        (552, "5.2.2 The email account that you tried to reach is over quota"),
        (552, "5.2.2 user quota exceeded"),
        (552, "mailbox full"),
        (550, "5.2.1 The email account that you tried to reach is disabled"),
        (550, "5.2.1 Mailbox disabled, not accepting messages"),
        (550, "5.4.1 Recipient address rejected: Access denied. AS(201806281)"),
        (554, "5.7.1 <ada@fjord.example>: Recipient address rejected: Access denied"),
        (550, "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; recipient address rejected"),
        (550, "5.7.17 Mailbox owner has changed"),
        (556, "5.1.10 Recipient address has a null MX"),
        (521, "5.1.1 fjord.example does not accept mail"),
        (552, "5.3.4 Your message exceeded Google's message size limits"),
        (554, "5.6.0 Message content rejected"),
        (501, "5.1.3 Bad recipient address syntax"),
    ],
)
def test_a_refusal_of_this_recipient_or_this_text_fails_the_mail(
    stage: SessionStage, code: int, text: str
) -> None:
    outcome = judged(stage, code, text)
    assert isinstance(outcome, Refused)
    assert not outcome.doubtful


@pytest.mark.parametrize(
    ("stage", "code", "text"),
    [
        (SessionStage.TEXT, 554, "5.7.1 no"),
        (
            SessionStage.TEXT,
            550,
            "5.7.1 Our system has detected that this message is likely unsolicited mail",
        ),
        (
            SessionStage.TEXT,
            552,
            "5.7.0 This message was blocked because its content presents a security issue",
        ),
        (SessionStage.TEXT, 554, "Transaction failed"),
        (SessionStage.TEXT, 550, "5.0.0 rejected"),
        (SessionStage.DATA, 554, "no valid recipients"),
        (SessionStage.RCPT, 550, "Administrative prohibition"),
        (SessionStage.RCPT, 550, "5.0.0 Access denied"),
        (SessionStage.RCPT, 550, ""),
        (SessionStage.TEXT, 554, "\ud800"),
    ],
)
def test_a_refusal_that_may_mean_us_is_doubtful(stage: SessionStage, code: int, text: str) -> None:
    outcome = judged(stage, code, text)
    assert isinstance(outcome, Refused)
    assert outcome.doubtful
    outcome.reason.encode()


@pytest.mark.parametrize("text", ["5.7.1 no", "5.7.1 Access denied", "5.7.511 Access denied, banned sender"])
def test_a_policy_before_the_text_is_about_us(text: str) -> None:
    assert isinstance(judged(SessionStage.RCPT, 550, text), Stopped)


@pytest.mark.parametrize("code", [521, 554, 502, 535, 500])
def test_a_server_that_takes_no_connection_or_login_stops_sending(code: int) -> None:
    assert isinstance(judged(SessionStage.CONNECTION, code, "no"), Stopped)
    assert isinstance(judged(SessionStage.MAIL, code, "no"), Stopped)


@pytest.mark.parametrize("stage", list(SessionStage))
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (421, "4.7.0 Try again later, closing connection"),
        (450, "4.2.0 Greylisted"),
        (451, "4.7.1 Greylisting in action"),
        (452, "4.2.2 over quota"),
        (454, "4.7.0 Throttling failure: Maximum sending rate exceeded"),
        (450, "5.7.1 the first digit decides"),
    ],
)
def test_a_refusal_for_the_moment_defers_the_mail(stage: SessionStage, code: int, text: str) -> None:
    outcome = judged(stage, code, text)
    assert isinstance(outcome, Deferred)
    assert not isinstance(outcome, Stopped)


@pytest.mark.parametrize("code", [-1, 0, 100, 250, 354, 399, 600, 999])
def test_what_is_no_answer_of_the_protocol_is_certain_only_before_the_text(code: int) -> None:
    for stage in BEFORE:
        assert type(judged(stage, code, "Malformed SMTP response line: hello")) is Deferred
    assert isinstance(judged(SessionStage.TEXT, code, "Malformed SMTP response line: hello"), Unanswered)


@pytest.mark.parametrize("text", ["5.6.7 no SMTPUTF8", "5.5.4 unsupported option", "bad parameter"])
def test_an_address_outside_ascii_that_is_not_taken_fails_its_mail_alone(text: str) -> None:
    assert isinstance(judged(SessionStage.MAIL, 555, text, international=True), Refused)
    assert isinstance(judged(SessionStage.MAIL, 555, "bad parameter"), Stopped)
