"""Send Email is killed with a draft or a mail at each step: no mail goes twice, and none is forgotten.

Received → scheduled → stored → published is the draft's way; claimed → handed over → noted is the mail's.
What holds them is outside of the service: locks in its two databases, the way to the broker, the SMTP server.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import httpx2
import pytest

from agent_processes import (
    AgentProcess,
    AgentProcesses,
    Posted,
    a_lead,
    messages_by_lead,
    posted,
    rows,
    schema_ids,
    until,
    writes_held,
)
from broker_door import BrokerDoor
from local_stack import Stack
from send_email.consent import Consent
from send_email.recipients import Recipient
from send_email.store import ScheduleStore
from signalbox.protocol.records import Record
from stubborn_post import Point, StubbornPost

DRAFTED: Final = "sdr.CampaignDrafted"
NOTED, HANDED_OVER = "mail-noted", "mails-handed-over"
STEPS: Final = ("draft-received", "draft-scheduled", "draft-stored", HANDED_OVER, NOTED)
"""Where each lead is when the process is killed: its draft, or for the last two its mails."""
OPEN: Final = {"scheduled", "handing_over"}
SERVICE: Final = ("-m", "send_email")


@dataclass
class Scene:
    """The service was killed with something at each step, started again, and given all drafts again."""

    agents: AgentProcesses
    governed: Stack
    door: BrokerDoor
    post: StubbornPost
    drafts: dict[str, Posted] = field(default_factory=dict)
    taken_at_the_kill: list[str] = field(default_factory=list)
    at_the_kill: dict[str, list[str]] = field(default_factory=dict)
    stored_at_the_kill: set[str] = field(default_factory=set)
    afterwards: dict[str, list[str]] = field(default_factory=dict)
    answers: dict[str, httpx2.Response] = field(default_factory=dict)
    topic: dict[str, list[Record]] = field(default_factory=dict)

    @property
    def schedule(self) -> str:
        return f"sqlite:///{self.agents.folder}/data/send_email/schedule.db"

    @property
    def state(self) -> str:
        return f"sqlite:///{self.agents.folder}/data/send_email/state.db"

    def statuses(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {step: [] for step in STEPS}
        for lead_id, status in rows(self.schedule, "SELECT lead_id, status FROM mails"):
            found[lead_id].append(status)
        return found

    def all_ended(self) -> bool:
        return all(status not in OPEN for statuses in self.statuses().values() for status in statuses)

    def message_ids(self, step: str) -> list[str]:
        return [
            f"<{ident}>"
            for ident, lead_id in rows(self.schedule, "SELECT message_id, lead_id FROM mails")
            if lead_id == step
        ]

    def start(self) -> AgentProcess:
        settings = {
            "SMTP_URL": f"smtp://127.0.0.1:{self.post.port}",
            "SMTP_STARTTLS": "off",
            "MAIL_RECIPIENT_PER_HOUR": str(len(Point)),
            "MAIL_RECIPIENT_PER_DAY": str(len(Point)),
        }
        return self.agents.start("send_email", *SERVICE, **settings, MAIL_POLL_S="0.1").until_ready()

    def confirm(self, address: str) -> None:
        """Let more than one mail go to an address at once."""
        (self.agents.folder / "data" / "send_email").mkdir(parents=True, exist_ok=True)
        with closing(ScheduleStore(self.schedule)) as store:
            Consent(store).confirm(Recipient.of(address), "operator", datetime.now(UTC))

    def die(self) -> None:
        self.confirm(a_lead(HANDED_OVER)["email"])
        agent = self.start()
        agent.take(self.drafts[NOTED])
        until(lambda: self.statuses()[NOTED] == ["sent"], "a mail is noted as sent")

        self.post.holds.extend(Point)
        agent.take(self.drafts[HANDED_OVER])
        until(lambda: self.post.reached == set(Point), "a mail is at each point of its handover")

        came = self.door.hold_request(b"draft-stored")
        self.agents.give(agent, self.drafts["draft-stored"])
        until(came.is_set, "an answer is on its way to the broker")
        with writes_held(self.state, "workflow_answers"):
            self.agents.give(agent, self.drafts["draft-scheduled"])
            until(lambda: self.statuses()["draft-scheduled"], "a draft is scheduled")
            with writes_held(self.schedule, "mails"):
                self.post.go.set()
                until(self.post.said_goodbye.is_set, "a mail is handed over, and not noted")
                self.agents.give(agent, self.drafts["draft-received"])
                until(lambda: agent.in_flight() == 3, "a draft is received")
                agent.kill()
        self.door.hold_nothing()

    def two_minutes_pass(self) -> None:
        """Let the claims of the process that was killed run out."""
        with closing(sqlite3.connect(self.schedule.removeprefix("sqlite:///"))) as database, database:
            database.execute("UPDATE mails SET lease_until = lease_until - 120 WHERE status = 'handing_over'")

    def play(self) -> None:
        schema_id = schema_ids(self.governed.env, [DRAFTED])[DRAFTED]
        for step in STEPS:
            draft = drafted(step, mails=len(Point) if step == HANDED_OVER else 1)
            self.drafts[step] = posted(schema_id, DRAFTED, step, draft)
        self.die()
        self.at_the_kill, self.taken_at_the_kill = self.statuses(), list(self.post.taken)
        ids = {draft.headers["ce-id"]: step for step, draft in self.drafts.items()}
        self.stored_at_the_kill = {
            ids[row[0]] for row in rows(self.state, "SELECT input_id FROM workflow_answers")
        }
        self.two_minutes_pass()
        agent = self.start()
        self.answers = {step: agent.take(draft) for step, draft in self.drafts.items()}
        until(self.all_ended, "every mail came to its end")
        agent.kill()
        self.afterwards, self.topic = self.statuses(), messages_by_lead(self.governed.env)


def drafted(lead_id: str, mails: int) -> dict[str, Any]:
    lead = a_lead(lead_id)
    emails = [
        {"to": lead["email"], "subject": f"Number {number}", "body": "Hello.", "send_after_hours": 0}
        for number in range(mails)
    ]
    return {"lead": lead, "campaign_type": "NURTURE", "emails": emails}


@pytest.fixture(scope="module")
def scene(agents: AgentProcesses, governed: Stack, door: BrokerDoor) -> Iterator[Scene]:
    with ExitStack() as afterwards:
        post = StubbornPost()
        afterwards.callback(post.close)
        made = Scene(agents, governed, door, post)
        made.play()
        yield made


def test_the_kill_came_exactly_between_the_steps(scene: Scene) -> None:
    assert scene.at_the_kill == {
        "draft-received": [],
        "draft-scheduled": ["scheduled"],
        "draft-stored": ["scheduled"],
        HANDED_OVER: ["handing_over"] * len(Point),
        NOTED: ["sent"],
    }
    assert scene.stored_at_the_kill == {"draft-stored", HANDED_OVER, NOTED}
    assert len(set(scene.taken_at_the_kill)) == 3  # the noted one, and those given away at TEXT and at ANSWER


@pytest.mark.parametrize("step", ["draft-received", "draft-scheduled", "draft-stored"])
def test_a_draft_that_comes_again_is_scheduled_once_and_its_mail_sent_once(scene: Scene, step: str) -> None:
    assert scene.answers[step].status_code == 200
    assert scene.afterwards[step] == ["sent"]
    assert len(scene.topic[step]) == 1


@pytest.mark.parametrize("step", [HANDED_OVER, NOTED])
def test_a_draft_that_was_answered_before_gets_the_same_bytes_again(scene: Scene, step: str) -> None:
    first, again = scene.topic[step]
    assert (first.value, first.headers) == (again.value, again.headers)
    assert scene.answers[step].status_code == 200


def test_a_mail_that_was_noted_is_not_handed_over_again(scene: Scene) -> None:
    assert scene.afterwards[NOTED] == ["sent"]


def test_a_mail_that_was_claimed_and_not_noted_is_unknown_and_not_handed_over_again(scene: Scene) -> None:
    assert scene.afterwards[HANDED_OVER] == ["unknown"] * len(Point)
    again = scene.post.taken[len(scene.taken_at_the_kill) :]
    assert not set(again) & set(scene.message_ids(HANDED_OVER))


def test_the_server_took_no_mail_twice(scene: Scene) -> None:
    assert set(Counter(scene.post.taken).values()) == {1}
