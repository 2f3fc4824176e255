"""The operator's command and a recipient's link, against the running service."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
import uvicorn

from command_line import outcome_of
from in_memory import AgentRegistry, MemoryPublisher
from send_email.agent import make_agent, make_store, utc_now
from send_email.mails import Mail, Schedule
from send_email.settings import MailSettings
from send_email.store import ScheduleStore
from signalbox.models import Model, ModelSettings
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.trust import (
    OPERATOR,
    ORCHESTRATOR,
    Doorkeeper,
    RequestParts,
    TrustedKeys,
    TrustSettings,
    token_for,
)
from signalbox_agent import create_app
from signalbox_agent.parts import Parts
from signalbox_agent.settings import AgentSettings
from signalbox_agent.store import StateStore

WORDS = ("Locked", "0900", "Acme Bank", "crm-your-account")
VICTIM = "victim@fjord.example"
TOKEN = "t0ken"


@dataclass
class Service:
    """Send Email, its mailer and its outbox, in a thread."""

    url: str
    folder: Path
    store: ScheduleStore
    a_mail: Callable[..., Mail]
    run: Callable[..., tuple[int, str]]

    def lead(self, number: int, to: str = VICTIM, mails: int = 2) -> None:
        planned = tuple(
            self.a_mail(
                f"w{number}-{ordinal}",
                campaign_id=f"c{number}",
                lead_id=f"crm-your-account-{number}",
                recipient=to,
                recipient_name="Your account is Locked",
                subject="Call 0900",
                body="Acme Bank says: open paypa1-login.example",
                scheduled_at=utc_now() + timedelta(hours=72 * ordinal),
            )
            for ordinal in range(mails)
        )
        schedule = Schedule(f"w{number}", f"c{number}", "NURTURE", f"crm-your-account-{number}", planned)
        self.store.keep_first(schedule, utc_now())

    def mails(self, count: int) -> list[bytes]:
        deadline = time.monotonic() + 20
        while len(found := sorted((self.folder / "send_email" / "outbox").glob("*.eml"))) < count:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return [path.read_bytes() for path in found]

    def json(self, *arguments: str) -> Any:
        status, said = self.run(*arguments, "--json")
        assert status == 0, said
        return json.loads(said)

    def post(self, path: str, **headers: str) -> int:
        asked = {"address": VICTIM} if "recipients" in path else {"ident": "c0"}
        return httpx2.post(self.url + path, json=asked, headers=headers).status_code


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
def service(
    tmp_path: Path,
    a_mail: Callable[..., Mail],
    unused_port: int,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Service]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # stdout is the command's
    url = f"http://127.0.0.1:{unused_port}"
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path / "keys"))
    monkeypatch.setenv("SEND_EMAIL_URL", url)
    made = MailSettings(
        data_dir=tmp_path, poll_s=0.05, unsubscribe="https://larkspan.example/stop?{lead_id}", **settings
    )
    store = make_store(made)
    agent = make_agent(made, store)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(agent, lambda: parts_of(agent, tmp_path)), port=unused_port, log_config=None
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def run(*arguments: str) -> tuple[int, str]:
        said = outcome_of(capsys, *arguments)
        return said.status, said.out + said.err

    yield Service(url, tmp_path, store, a_mail, run)
    server.should_exit = True
    thread.join()
    store.close()
    structlog.reset_defaults()


def parts_of(agent: Any, folder: Path) -> Parts:
    settings, trust = AgentSettings(data_dir=folder), TrustSettings()
    return Parts(
        settings=settings,
        key=trust.own_key(agent.definition.id),
        door=Doorkeeper(agent.definition.id, TrustedKeys(trust)),
        store=StateStore(settings.state_url(agent.definition.id), agent.definition.id),
        registry=AgentRegistry.of(agent),
        producer=MemoryPublisher(),
        model=Model("offline", ModelSettings()),
        stop=lambda: None,
    )


def parsed(mail: bytes) -> EmailMessage:
    message = message_from_bytes(mail, policy=SMTPUTF8)
    assert isinstance(message, EmailMessage)
    return message


def words_of(mail: bytes) -> list[str]:
    message = parsed(mail)
    everything = mail.decode() + message.get_content() + "".join(str(value) for value in message.values())
    return [word for word in WORDS if word in everything]


OPERATOR_PATHS = [
    "/campaigns/search",
    "/campaigns/show",
    "/campaigns/cancel",
    "/recipients/confirm",
    "/recipients/suppress",
    "/recipients/unsuppress",
]


def test_an_unconfirmed_person_gets_no_word_of_any_lead_in_any_header_or_text(service: Service) -> None:
    for number in range(5):
        service.lead(number)
    (mail,) = service.mails(1)
    assert words_of(mail) == []
    message = parsed(mail)
    assert message["To"].addresses[0].addr_spec == VICTIM
    assert message["To"].addresses[0].display_name == ""
    assert message["List-Unsubscribe"] == "<https://larkspan.example/stop?c0>"
    assert message["Message-ID"] == "<w0-0@larkspan.example>"
    assert "Maya Lindqvist" in message.get_content()
    assert "http" not in message.get_content().replace("https://larkspan.example/stop?c0", "")


def test_an_operator_confirms_and_the_drafts_go(service: Service) -> None:
    service.lead(0)
    service.mails(1)
    assert service.json("campaigns", "confirm", "Victim@Fjord.example") == [
        {"address": "Victim@Fjord.example", "outcome": "confirmed"}
    ]
    assert sorted(words_of(mail) for mail in service.mails(2)) == [[], list(WORDS)]


def test_a_file_of_addresses_is_confirmed_and_a_bad_line_is_told(service: Service, tmp_path: Path) -> None:
    file = tmp_path / "addresses"
    file.write_text(f"\ufeff{VICTIM}\n\nnot an address\n")
    status, said = service.run("campaigns", "confirm", "--file", str(file), "--json")
    assert status == 1
    assert [one["outcome"].partition(":")[0] for one in json.loads(said)] == ["confirmed", "refused"]


def test_cancel_by_lead_by_campaign_and_by_address(service: Service) -> None:
    for number in range(4):
        service.lead(number, to=f"ada+{number}@fjord.example" if number < 3 else "bo@fjord.example")
    assert [one["campaign_id"] for one in service.json("campaigns", "cancel", "crm-your-account-0")] == ["c0"]
    assert [one["cancelled"] for one in service.json("campaigns", "cancel", "c1")] == [True]
    (first, *_) = service.json("campaigns", "cancel", "c1")
    assert "cancelled" in first["mails"]  # again: it is said again, and nothing changes
    assert len(service.json("campaigns", "cancel", "--all-to", "ADA@fjord.example")) == 3
    assert {one["campaign_id"]: one["cancelled"] for one in service.json("campaigns", "list")} == {
        "c0": True,
        "c1": True,
        "c2": True,
        "c3": False,
    }
    assert [one["campaign_id"] for one in service.json("campaigns", "list", "--to", "bo@fjord.example")] == [
        "c3"
    ]


def test_what_was_not_done_is_told_by_the_exit_status(service: Service) -> None:
    assert service.run("campaigns", "cancel", "crm-77")[0] == 1
    assert service.run("campaigns", "show", "crm-77")[0] == 1
    assert service.run("campaigns", "cancel")[0] == 2
    assert service.run("campaigns", "cancel", "c0", "--all-to", VICTIM)[0] == 2
    assert service.run("campaigns", "confirm")[0] == 2
    status, said = service.run("campaigns", "suppress", "no address")
    assert (status, "error:" in said) == (1, True)
    assert service.run("campaigns", "unsuppress", VICTIM)[0] == 1


def test_suppressed_addresses_and_domains_are_listed_and_hold(service: Service) -> None:
    assert service.run("campaigns", "suppress", "@fjord.example", "--why", "asked us")[0] == 0
    service.lead(0)
    service.lead(1, to="other@elsewhere.example", mails=1)
    service.mails(1)
    shown = service.json("campaigns", "show", "c0")
    assert {mail["status"] for mail in shown["mails"]} == {"suppressed"}
    assert "asked us" not in httpx2.get(f"{service.url}/mails").text  # an operator's words are for operators
    (listed,) = service.json("campaigns", "suppressions")
    assert (listed["pattern"], listed["why"]) == ("@fjord.example", "asked us")
    assert service.run("campaigns", "unsuppress", "@fjord.example")[0] == 0
    assert service.json("campaigns", "suppressions") == []


def test_nothing_that_is_shown_names_the_person(service: Service) -> None:
    service.lead(0)
    said = service.run("campaigns", "list")[1] + service.run("campaigns", "show", "c0")[1]
    said += httpx2.get(f"{service.url}/mails").text
    assert "held" in said
    assert "unconfirmed" in said
    for word in ("victim", "fjord", "Locked", "0900"):
        assert word not in said


@pytest.mark.parametrize("path", OPERATOR_PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"cookie": f"token={TOKEN}"},
    ],
)
def test_without_the_operators_token_nothing_is_told_or_changed(
    service: Service, path: str, headers: dict[str, str]
) -> None:
    assert service.post(path, **headers) == 401


@pytest.mark.parametrize("path", OPERATOR_PATHS)
@pytest.mark.parametrize(
    ("issuer", "signed"),
    [
        (ORCHESTRATOR, {}),
        (OPERATOR, {"body": b'{"ident": "c1"}'}),
        (OPERATOR, {"target": "/campaigns/list"}),
        (OPERATOR, {"method": "GET"}),
    ],
    ids=["the orchestrator's", "for another body", "for another path", "for another method"],
)
def test_a_token_that_the_operator_did_not_sign_for_this_request_does_nothing(
    service: Service, path: str, issuer: str, signed: dict[str, Any]
) -> None:
    asked = {"method": "POST", "target": path, "headers": (), "body": b'{"ident": "c0"}', **signed}
    trust = TrustSettings()
    key = trust.operators_key() if issuer == OPERATOR else trust.orchestrators_key()
    token = token_for(RequestParts(**asked), AgentId("send_email"), key, issuer)
    answer = httpx2.post(
        service.url + path, content=b'{"ident": "c0"}', headers={"authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 401


def test_a_large_body_is_refused_before_it_is_read(service: Service) -> None:
    for body in (b"{" + b" " * 100_000, iter([b"{}"])):  # the second does not tell its length
        assert httpx2.post(f"{service.url}/campaigns/cancel", content=body).status_code == 413


def test_the_suppressions_are_not_told_without_the_token(service: Service) -> None:
    assert httpx2.get(f"{service.url}/recipients/suppressions").status_code == 401


def test_a_key_that_is_not_the_operators_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path / "elsewhere"))
    status, said = service.run("campaigns", "list")
    assert status == 1
    assert "not signed by a key that is trusted" in said


class TestConfirmation:
    @pytest.fixture
    def settings(self, unused_port: int) -> dict[str, Any]:
        return {"first_mail": "confirm", "confirm_url": f"http://127.0.0.1:{unused_port}/confirm/"}

    def link(self, service: Service) -> str:
        (mail,) = service.mails(1)
        assert words_of(mail) == []
        return next(word for word in parsed(mail).get_content().split() if "/confirm/" in word)

    def test_looking_confirms_nothing_and_the_button_confirms(self, service: Service) -> None:
        service.lead(0)
        link = self.link(service)
        for method in ("GET", "GET"):
            page = httpx2.request(method, link)
            assert (page.status_code, page.text.count("<form"), page.text.count("<button")) == (200, 1, 1)
            assert VICTIM not in page.text
            assert page.headers["referrer-policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert [mail["status"] for mail in service.json("campaigns", "show", "c0")["mails"]] == [
            "sent",
            "held",
        ]
        assert httpx2.post(link).status_code == 200
        assert httpx2.post(link).status_code == 200
        assert httpx2.get(link).text.count("<form") == 0
        assert [word for mail in service.mails(2) for word in words_of(mail)] == list(WORDS)

    @pytest.mark.parametrize("change", ["x", "c0.", "c1.forged", ".", "%00", "c0"])
    def test_a_link_that_we_did_not_write_confirms_nobody(self, service: Service, change: str) -> None:
        service.lead(0)
        base, _, token = self.link(service).rpartition("/")
        assert httpx2.post(f"{base}/{change}").status_code == 404
        assert httpx2.post(f"{base}/c1.{token.partition('.')[2]}").status_code == 404
        assert httpx2.post(f"{base}/{token[:-1]}").status_code == 404
        assert [one["mails"] for one in service.json("campaigns", "list")] == [{"sent": 1, "held": 1}]

    def test_a_link_is_too_old_when_its_drafts_have_expired(self, service: Service) -> None:
        service.lead(0)
        link = self.link(service)
        with service.store.writing() as transaction:
            transaction.connection.exec_driver_sql("UPDATE mail_plans SET held_until = 1")
        assert httpx2.post(link).status_code == 410


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_mail": "confirm"},
        {"first_mail": "never"},
        {"first_mail": "confirm", "confirm_url": "http://acme.example/confirm"},
        {"confirm_url": "https://acme.example/with blank"},
        {"recipient_per_day": 0},
    ],
)
def test_settings_that_make_it_impossible_are_refused_at_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        MailSettings(**wrong)
